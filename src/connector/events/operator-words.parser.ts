import { concat, isBlank, join, trim, type RichText } from '../../relay/rich-text.js';
import { PLAIN_BREAK, WRITTEN_BREAK } from '../markup/bbcode.grammar.js';
import type { ButtonKeyboard } from '../../storage/work/keyboard.js';
import { fromBBCode, fromPassages } from '../markup/bbcode.reader.js';
import { takeButtons } from '../markup/keyboard.parser.js';
import { passagesOf } from '../markup/quote.parser.js';
import { withEmoji } from '../markup/smile-codes.js';

/** What an operator said, ready to be sent. */
export interface OperatorWords {
  words: RichText;
  /** The buttons that stood at the end of the text. */
  keyboard?: ButtonKeyboard;
  /**
   * The message begins with a quotation: whose, where it says that, what it quotes, and what the operator wrote
   * themselves.
   */
  quoted?: { bitrixMessageId?: string; words: string; rest: RichText };
}

/**
 * The line in which the portal puts the author's name before the words where the connector asks for it:
 * `[b]Name:[/b] [br]words` (2026), `[b]Name:[/b][br] words` (before, and in updates), `[b]Name:[/b] ` (only files).
 */
const NAME_LINE = new RegExp(
  String.raw`^\[b\](?:(?!\[\/?b\]).){1,200}?:\[\/b\] ?(?:(?:${PLAIN_BREAK}|${WRITTEN_BREAK}) ?|$)`,
  'iu',
);

/** Reads the text of an operator's message and what stands on its cards. */
export function readOperatorWords(written: string, cards: RichText[] = []): OperatorWords {
  const { text: bbcode, keyboard } = takeButtons(written);
  const buttons = keyboard ? { keyboard } : {};
  const ended = (words: RichText) => withEmoji(join([words, ...cards], '\n'));
  const words = ended(fromBBCode(bbcode));
  // Whether it is a name is not known here: it stays, and a quotation may follow it.
  const heading = NAME_LINE.exec(bbcode)?.[0] ?? '';
  const passages = passagesOf(bbcode.slice(heading.length));
  const first = passages.findIndex(({ quoted, text }) => quoted || text.trim() !== '');
  const quotation = passages[first];
  if (!quotation?.quoted) return { words, ...buttons };
  const rest = trim(ended(fromPassages(passages.slice(first + 1))));
  if (isBlank(rest.text) && !keyboard) return { words, ...buttons };
  const { text, bitrixMessageId } = quotation;
  const quoted = trim(fromPassages([{ quoted: false, text: text.replace(/^ /gm, '') }])).text;
  const answer = heading === '' ? rest : concat(fromBBCode(heading), rest);
  return { words, ...buttons, quoted: { ...(bitrixMessageId && { bitrixMessageId }), words: quoted, rest: answer } };
}
