/** What a {@link Mark} says about the words it covers. */
export type MarkType =
  'bold' | 'italic' | 'underline' | 'strikethrough' | 'spoiler' | 'code' | 'pre' | 'quote' | 'link';

/** A stretch of formatted text. Offsets and lengths count UTF-16 code units, as Telegram and JavaScript do. */
export interface Mark {
  type: MarkType;
  offset: number;
  length: number;
  /** Where a `link` leads, as it was written: each network decides which ones it shows as a link. */
  url?: string;
  /** The programming language of a `pre`. */
  language?: string;
}
