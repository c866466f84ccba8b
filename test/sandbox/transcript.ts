import type { Message } from '@grammyjs/types';

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
    const head = `  ${time}  ${place.padEnd(8)}  ${who.padEnd(11)} ${what.padEnd(8)}`;
    this.print(`${head} ${shorten(words)}${result && `   ${result}`}`);
  }
}

/** A Telegram message as the client sees it: its text, and what is formatted how. */
export function seenByClient({ text = '', entities = [] }: Message): string {
  const formats = entities.map((entity) => {
    const part = text.slice(entity.offset, entity.offset + entity.length);
    return `${entity.type} «${part}»${entity.type === 'text_link' ? ` ${entity.url}` : ''}`;
  });
  return formats.length > 0 ? `${text}  {${formats.join(', ')}}` : text;
}

/** On one line; of a long text the beginning and its length. */
export function shorten(text: string): string {
  const flat = text.replaceAll('\u200b', '').replace(/\n/g, ' ⏎ ');
  const characters = [...flat];
  return characters.length <= SHOWN ? flat : `${characters.slice(0, 60).join('')}… (${text.length} characters)`;
}
