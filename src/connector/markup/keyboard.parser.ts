import type { Button, ButtonKeyboard } from '../../storage/work/keyboard.js';
import { isBlank } from '../../relay/rich-text.js';
import { PLAIN_BREAK, WRITTEN_BREAK } from './bbcode.grammar.js';
import { decode } from './bbcode.encoding.js';
import { BBCodeLexer } from './bbcode.lexer.js';
import { fromBBCode } from './bbcode.reader.js';
import { linkTarget, unquoted } from './bbcode.values.js';
import { passagesOf } from './quote.parser.js';
import { withEmoji } from './smile-codes.js';

/** A text without the buttons that stood at its end. */
export interface TextWithButtons {
  /** BBCode. */
  text: string;
  keyboard: ButtonKeyboard | null;
}

const BREAK = new RegExp(`${PLAIN_BREAK}|${WRITTEN_BREAK}`, 'gi');
const BUTTON_TAGS: ReadonlySet<string> = new Set(['send', 'put', 'call', 'url']);
/** What may stand between the buttons of a row. */
const BETWEEN = /^[\s|]*$/;
/** Longest text that a press can copy (core.telegram.org/bots/api#copytextbutton). */
const COPIED_LIMIT = 256;

/**
 * Lines at the end of a text that hold nothing but buttons: `[SEND=value]Text[/SEND]`, `[PUT=…]`, `[CALL=…]` and
 * `[URL=…]` with a label; each line is a row. Where all of a text would be links and numbers, or a link has no label, it
 * stays a text unless there is a `[SEND]`: whoever writes nothing else asks for no answer.
 */
export function takeButtons(bbcode: string): TextWithButtons {
  const lines = linesOf(bbcode);
  const rows: Button[][] = [];
  let end = bbcode.length;
  for (const { start, text } of lines.toReversed()) {
    if (text.trim() === '') continue;
    const row = readRow(text);
    if (!row) break;
    rows.unshift(row);
    end = start;
  }
  const text = bbcode.slice(0, end);
  if (rows.length === 0 || isInCode(text)) return { text: bbcode, keyboard: null };
  const asks = rows.flat().some(({ action }) => action === 'send');
  if (!asks && (!hasOwnWords(text) || rows.flat().some(isAddress))) return { text: bbcode, keyboard: null };
  return { text: withoutLastBreaks(text), keyboard: { type: 'buttons', rows } };
}

function linesOf(source: string): { start: number; text: string }[] {
  const breaks = [...source.matchAll(BREAK)];
  const starts = [0, ...breaks.map(({ 0: sign, index }) => index + sign.length)];
  return starts.map((start, line) => ({ start, text: source.slice(start, breaks[line]?.index) }));
}

/** The buttons of a line; null: there is something else in it. */
function readRow(line: string): Button[] | null {
  const open: string[] = [];
  const lexer = new BBCodeLexer(line, (name) => open.includes(name));
  const row: Button[] = [];
  let at = 0;
  let button: { name: string; value: string; start: number } | null = null;
  for (let token = lexer.next(0); token; token = lexer.next(token.end)) {
    if (button === null && token.kind === 'address') {
      const made = BETWEEN.test(line.slice(at, token.start)) && makeButton('url', token.address, token.address);
      if (!made) return null;
      row.push(made);
      at = token.end;
    } else if (button === null) {
      if (token.kind !== 'opening' || !BUTTON_TAGS.has(token.name) || !BETWEEN.test(line.slice(at, token.start)))
        return null;
      button = { name: token.name, value: token.value, start: token.end };
      open.push(token.name);
    } else if (token.kind === 'closing' && token.name === button.name) {
      const made = makeButton(button.name, button.value, line.slice(button.start, token.start));
      if (!made) return null;
      row.push(made);
      button = null;
      open.pop();
      at = token.end;
    } else if (token.kind === 'opening') {
      if (BUTTON_TAGS.has(token.name)) return null;
      open.push(token.name);
    }
  }
  return button === null && row.length > 0 && BETWEEN.test(line.slice(at)) ? row : null;
}

function makeButton(name: string, written: string, label: string): Button | null {
  const text = withEmoji(fromBBCode(label)).text.replace(/\s+/g, ' ').trim();
  if (isBlank(text)) return null;
  const value = unquoted(decode(written)).trim();
  switch (name) {
    case 'send':
      return { action: 'send', text, value: value || text };
    case 'url':
      return /^https?:\/\//i.test(linkTarget(value)) ? { action: 'open', text, url: linkTarget(value) } : null;
    case 'call':
      return copying(withNumber(text, value || text), value || text);
    default:
      return copying(text, value || text);
  }
}

/** Nothing but an address stands on it: a link to be read, unless it stands among questions. */
function isAddress(button: Button): boolean {
  return button.action === 'open' && linkTarget(button.text) === button.url;
}

/** No address that Telegram takes calls a number, and no button writes into the client's input field: both are copied. */
function copying(text: string, value: string): Button | null {
  return [...value].length <= COPIED_LIMIT ? { action: 'copy', text, value } : null;
}

function withNumber(text: string, number: string): string {
  const digits = (words: string) => words.replace(/\D/g, '');
  return digits(text).includes(digits(number) || number) ? text : `${text}: ${number}`;
}

/** A code block is open at the end of the text: whatever looks like a button is code. */
function isInCode(text: string): boolean {
  const tags = [...text.matchAll(/\[(\/?)code\]/gi)];
  return tags.length > 0 && tags.at(-1)![1] === '';
}

/** Besides what is quoted. */
function hasOwnWords(text: string): boolean {
  return passagesOf(text).some(({ quoted, text: words }) => !quoted && !isBlank(fromBBCode(words).text));
}

function withoutLastBreaks(text: string): string {
  const lines = linesOf(text);
  const last = lines.findLast((line) => line.text.trim() !== '');
  return last ? text.slice(0, last.start + last.text.length) : '';
}
