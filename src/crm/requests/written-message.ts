import { readOperatorWords } from '../../connector/events/operator-words.parser.js';
import { UNNAMED_FILE } from '../../relay/operator-directory.js';
import { isBlank, join, plain, trim, type RichText } from '../../relay/rich-text.js';
import type { Button, ButtonKeyboard } from '../../storage/work/keyboard.js';
import { withoutHtml } from './html-words.js';

/** What is to be said to clients, as a person has written it for a robot or a broadcast. */
export interface WrittenMessage {
  words: RichText;
  /** Files of the portal. */
  files: { name: string; url: string }[];
  /** What the client can press; null: nothing. */
  keyboard: ButtonKeyboard | null;
}

/** Links stand one a line, or behind one another. */
const BETWEEN_LINKS = /(?<![\s,;])[\s,;]+(?=https?:\/\/)/i;

/**
 * The message of these fields. `portalOrigin`: links there are files, any other one stays a link. Null: there is
 * nothing to send.
 */
export function writtenMessage(
  { text = '', buttons = '', file = '' }: Record<string, string>,
  portalOrigin: string,
): WrittenMessage | null {
  const links = file.trim().split(BETWEEN_LINKS);
  const addresses = links.map((link) => (URL.canParse(link) ? new URL(link) : null));
  const files = addresses.flatMap((address) =>
    address?.origin === portalOrigin ? { name: nameOf(address), url: address.href } : [],
  );
  const others = links.filter((_, at) => addresses[at]?.origin !== portalOrigin);
  const said = readOperatorWords(withoutHtml(text));
  const rows = [...(said.keyboard?.rows ?? []), ...readButtons(buttons).map((button) => [button])];
  const parts = [trim(said.words), plain(others.join('\n').trim())].filter((part) => !isBlank(part.text));
  if (parts.length === 0 && rows.length === 0 && files.length === 0) return null;
  const keyboard: ButtonKeyboard | null = rows.length === 0 ? null : { type: 'buttons', rows };
  return { words: join(parts, '\n\n'), files, keyboard };
}

/** Several times what fits under a message: whoever posts a million lines gets no second of the program. */
const LINES_AT_MOST = 500;

/** One a line, `text` or `text | address`; or in the tags by which operators write them. */
export function readButtons(value: string): Button[] {
  return withoutHtml(value)
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(0, LINES_AT_MOST)
    .flatMap(readButton);
}

function readButton(line: string): Button[] {
  // Under words, as links are buttons only there.
  const { keyboard } = readOperatorWords(`.\n${line}`);
  if (keyboard) return keyboard.rows.flat();
  const [, label = line, url] = /^(.*?)(?<!\s)\s*\|\s*(https?:\/\/\S+)$/i.exec(line) ?? [];
  const text = readOperatorWords(label).words.text.trim();
  if (isBlank(text)) return [];
  return [url ? { action: 'open', text, url } : { action: 'send', text, value: text }];
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
