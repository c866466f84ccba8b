import type { Message } from '@grammyjs/types';
import type { LineMessage } from '../support/bitrix24-simulator/open-lines.js';

const SHOWN = 96;

/** Lines for a person: when, where, who, what, and what became of it. */
export class Transcript {
  constructor(private readonly print: (line: string) => void) {}

  heading(text: string): void {
    this.print(`\n${text}`);
  }

  fault(problem: string): void {
    this.print(`  ✗ ${problem}`);
  }

  /** @param place where it was written or appeared */
  line(place: 'Telegram' | 'Bitrix24' | 'HTTP', who: string, what: string, words: string, result = ''): void {
    const time = new Date().toISOString().slice(11, 23);
    const head = `  ${time}  ${place.padEnd(8)}  ${who.split(' ', 1)[0]!.padEnd(9)} ${what.padEnd(9)}`;
    this.print(`${head} ${shorten(words)}${result && `   ${result}`}`);
  }
}

/** Words with the files beside them, known by their SHA-256. */
export function withFiles(words: string, hashes: string[], kind = 'file'): string {
  return [words, ...hashes.map((hash) => `[${kind} ${hash}]`)].filter((part) => part !== '').join(' ');
}

/** The messenger's frame of a quote: `Name [time] #chat12/345`, the words. */
const QUOTE = /^-{54}\n[^\n]*\[[^\]\n]+\][^\n]*\n([\s\S]*?)\n-{54}\n/;

/** A message of a dialog as the operator sees it: what it answers, its text and its files. */
export function seenByOperator({ text, files }: LineMessage): string {
  return withFiles(
    text.replace(QUOTE, '↩ «$1» '),
    files.map(({ sha256 }) => sha256),
  );
}

/**
 * A Telegram message as the client sees it: what it answers, its text or caption, what is formatted how, its file.
 *
 * @param hashOf SHA-256 of a file, by its id
 */
export function seenByClient(message: Message, hashOf: (fileId: string) => string): string {
  const text = message.text ?? message.caption ?? '';
  const formats = (message.entities ?? message.caption_entities ?? []).map((entity) => {
    const part = text.slice(entity.offset, entity.offset + entity.length);
    return `${entity.type} «${part}»${entity.type === 'text_link' ? ` ${entity.url}` : ''}`;
  });
  const words = formats.length > 0 ? `${text}  {${formats.join(', ')}}` : text;
  const original = message.reply_to_message;
  const answer = original ? `↩ «${original.text ?? original.caption ?? ''}» ${words}` : words;
  const { photo, document, voice, audio } = message;
  for (const [kind, file] of Object.entries({ photo: photo?.at(-1), document, audio: voice ?? audio })) {
    if (file) return withFiles(answer, [hashOf(file.file_id)], kind);
  }
  return answer;
}

/** On one line; of a long text the beginning and its length, of a SHA-256 the beginning. */
export function shorten(text: string): string {
  const flat = text
    .replaceAll('\u200b', '')
    .replace(/\n/g, ' ⏎ ')
    .replace(/ ([0-9a-f]{8})[0-9a-f]{56}\]/g, ' $1]');
  const characters = [...flat];
  return characters.length <= SHOWN ? flat : `${characters.slice(0, 60).join('')}… (${text.length} characters)`;
}
