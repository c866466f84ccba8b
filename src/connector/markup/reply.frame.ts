import type { Language } from '../../common/language.js';
import { plain, type Mark, type RichText } from '../../relay/rich-text.js';
import type { ClaimedDelivery } from '../../storage/work/claimed-lane.js';
import { makeReference, QUOTE_FRAME } from './bbcode.grammar.js';
import { toBBCode } from './bbcode.writer.js';

const NAME_LIMIT = 60;
/** Formatted words that grow beyond it are quoted without their formatting. */
const WORDS_LIMIT = 2_000;
const NOTHING_KNOWN = '…';

/**
 * What a client's message answers, as the messenger frames quotes (`im.v2.lib.quote`), where the CRM looks for no contacts:
 * `Name [time] #chat12/345`, the words; with the line break behind it. '' when it answers nothing. The reference, which a click follows, stands only for operators'
 * messages that Bitrix24 has named to us. The time is that of the program's time zone (`TZ`), which it names.
 */
export function replyFrame(
  { quoted, answered, saidAt, createdAt }: ClaimedDelivery['message'],
  language: Language,
): string {
  if (!quoted) return '';
  const name = inHeader(answered?.authorName ?? quoted.name ?? '');
  const said = quoted.at === undefined ? undefined : new Date(quoted.at * 1_000);
  const words = wordsOf({ text: quoted.text, marks: quoted.marks as Mark[] });
  if (name === '' || !said) return `${QUOTE_FRAME}\n${named(name, withoutHeader(words))}\n${QUOTE_FRAME}\n`;
  const { bitrixChatId: chat, bitrixMessageId: message } = answered ?? {};
  const reference = isId(chat) && isId(message) ? ` ${makeReference(chat, message)}` : '';
  return `${QUOTE_FRAME}\n${name} [${timeOf(said, saidAt ?? createdAt, language)}]${reference}\n${words}\n${QUOTE_FRAME}\n`;
}

function wordsOf(rich: RichText): string {
  const formatted = toBBCode({ text: rich.text, marks: rich.marks.filter(({ type }) => type !== 'quote') });
  const words = formatted.length <= WORDS_LIMIT ? formatted : toBBCode(plain(rich.text));
  return words.trim() || NOTHING_KNOWN;
}

/** The messenger takes what stands before the first `[` for the name, and up to the `]` for the time. */
function inHeader(name: string): string {
  const readable = name.replace(/\s+/g, ' ').replaceAll('[', '(').replaceAll(']', ')').trim();
  return toBBCode(plain([...readable].slice(0, NAME_LIMIT).join('').trim()));
}

function named(name: string, words: string): string {
  return name === '' ? words : `${name}:\n${words}`;
}

/** A `]` at the end of a line would end a header. */
function withoutHeader(words: string): string {
  return words.replace(/\](?=\n|$)/g, ']\u200B');
}

/** As the messenger writes it: day and month, the year when it is another one. */
function timeOf(said: Date, answeredAt: Date, language: Language): string {
  const isThisYear = said.getFullYear() === answeredAt.getFullYear();
  const day = said.toLocaleDateString(language, {
    day: 'numeric',
    month: 'long',
    ...(isThisYear ? {} : { year: 'numeric' }),
  });
  const time = said.toLocaleTimeString(language, {
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'short',
  });
  return `${day}, ${time}`;
}

function isId(id: string | null | undefined): id is string {
  return /^[1-9]\d*$/.test(id ?? '');
}
