import { readOperatorWords } from '../../connector/events/operator-words.parser.js';
import { UNNAMED_FILE } from '../../relay/operator-directory.js';
import { isBlank, join, plain, trim, type RichText } from '../../relay/rich-text.js';
import type { Button, ButtonKeyboard } from '../../storage/work/keyboard.js';

/** What is to be said to clients, as a person has written it for a robot or a broadcast. */
export interface WrittenMessage {
  words: RichText;
  /** A file of the portal; null: none. */
  file: { name: string; url: string } | null;
  /** What the client can press; null: nothing. */
  keyboard: ButtonKeyboard | null;
}

const BUTTONS_AT_MOST = 30;
/** A field of the CRM that holds HTML puts it into the text of a robot. */
const HTML = /<\/?(?:a|b|br|div|em|font|h[1-6]|i|li|ol|p|s|span|strong|table|tbody|td|th|tr|u|ul)(?:\s[^<>]*)?\/?>/i;
const LINE_ENDS = /<br\s*\/?>|<\/(?:div|h[1-6]|li|p|tr)>/gi;
const ENTITIES: Readonly<Record<string, string>> = { nbsp: ' ', amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

/**
 * The message of these fields. `portalOrigin`: a link there is a file, any other one stays a link. Null: there is
 * nothing to send.
 */
export function writtenMessage(
  { text = '', buttons = '', file = '' }: Record<string, string>,
  portalOrigin: string,
): WrittenMessage | null {
  const link = URL.canParse(file.trim()) ? new URL(file.trim()) : null;
  const own = link?.origin === portalOrigin ? link : null;
  const said = readOperatorWords(withoutHtml(text));
  const rows = [...(said.keyboard?.rows ?? []), ...readButtons(buttons).map((button) => [button])];
  const parts = [trim(said.words), link && !own ? plain(link.href) : plain(own ? '' : file.trim())].filter(
    (part) => !isBlank(part.text),
  );
  if (parts.length === 0 && rows.length === 0 && !own) return null;
  const keyboard: ButtonKeyboard | null = rows.length === 0 ? null : { type: 'buttons', rows };
  return { words: join(parts, '\n\n'), file: own && { name: nameOf(own), url: own.href }, keyboard };
}

/** One a line, `text` or `text | address`. */
export function readButtons(value: string): Button[] {
  return value
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(0, BUTTONS_AT_MOST)
    .map((line) => {
      const [, text, url] = /^(.*?)\s*\|\s*(https?:\/\/\S+)$/i.exec(line) ?? [];
      return text && url ? { action: 'open', text, url } : { action: 'send', text: line, value: line };
    });
}

/** Only where there are tags: a text of a person may hold "<" and "&amp;". */
export function withoutHtml(text: string): string {
  if (!HTML.test(text)) return text;
  return text
    .replace(/\r?\n/g, ' ')
    .replace(LINE_ENDS, '\n')
    .replace(new RegExp(HTML.source, 'gi'), '')
    .replace(/&(nbsp|amp|lt|gt|quot|#39);/g, (_, name: string) => ENTITIES[name]!)
    .replace(/[ \t]+\n/g, '\n')
    .trim();
}

/** Links to the portal's files may name a page of it, or a code, in place of the file. */
function nameOf({ pathname }: URL): string {
  const last = decoded(pathname.split('/').findLast((part) => part !== '') ?? '');
  return last === '' || /^~|\.php$|^download$/i.test(last) ? UNNAMED_FILE : last;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
