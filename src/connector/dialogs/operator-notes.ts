import { Injectable } from '@nestjs/common';
import { languageOf, type Language } from '../../common/language.js';
import { DeliveryProblems } from '../../relay/delivery-problems.js';
import { BOT_UNAUTHORISED, CLIENT_MESSAGE_REFUSED, FILES_LEFT_OUT } from '../../relay/endpoint-driver.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { ClaimedDelivery } from '../../storage/work/claimed-lane.js';
import { isLasting } from '../../storage/work/keyboard.js';
import { isOwnWords, type OwnWords } from '../../storage/work/own-words.js';
import { WAITS } from '../../storage/work/told-waits.js';
import { ClientFiles, type Fetching } from './client-files.js';
import { KINDS, OTHER_KIND, OWN, PHRASES, SENTENCES } from './note.words.js';

/** Code of the note on files of a client that the portal could not fetch. */
export const FILES_MISSING = 'files_missing';

/** Code of a note that others have worded. */
const READY = 'ready';

/** The payload of a note that says this, in the portal's language; nothing in it is read as BBCode. */
export function readyNote(words: Record<Language, string>): { code: string; detail: string; words: typeof words } {
  return { code: READY, detail: '', words };
}

/** Characters of a message that a note quotes. */
const EXCERPT_LENGTH = 80;
/** Telegram's own server gives bots files of up to so many bytes (core.telegram.org/bots/api, getFile). */
const CLOUD_FILE_LIMIT = 20 * 1024 * 1024;
/** Times beyond it are told in hours. */
const MOST_MINUTES = 120;

/** What a note is about: the payload of its delivery. */
interface NoteReason {
  code: string;
  detail: string;
  /** What could not be done: `message`, `edit` or `delete`. */
  about?: string;
  /** With `waits`: when the wait ends, as ISO 8601. */
  until?: string;
  /** Files of the message that did not reach the client, whatever became of the rest. */
  files?: { name: string; code: string; detail: string }[];
  /** With `ready`. */
  words?: Record<Language, string>;
}

type Note = Pick<ClaimedDelivery, 'payload'> & {
  message: Pick<ClaimedDelivery['message'], 'id' | 'kind' | 'text' | 'attachments' | 'authorName' | 'keyboard'>;
};

/** Writes the notes that tell operators, in the dialog, what they could not see otherwise. */
@Injectable()
export class OperatorNotes {
  constructor(
    private readonly problems: DeliveryProblems,
    private readonly files: ClientFiles,
  ) {}

  /** What a delivery of kind `note` says, as BBCode, in the language of the portal. */
  textOf(portal: Pick<PortalRecord, 'language'>, { payload, message }: Note, chat: Fetching): string {
    const reason = payload as unknown as NoteReason;
    const language = languageOf(portal.language);
    if (isOwnWords(reason.code)) return this.ownWords(reason.code, reason, message, language);
    switch (reason.code) {
      case READY:
        return unread(reason.words?.[language] ?? '');
      case CLIENT_MESSAGE_REFUSED:
        return notShown(message, reason.detail, language);
      case FILES_MISSING:
        return this.filesMissing(message, chat, language);
      default:
        return this.undelivered(reason, message.text, language);
    }
  }

  /** What the client has read, although nobody wrote it in the dialog. */
  private ownWords(kind: OwnWords, reason: NoteReason, message: Note['message'], language: Language): string {
    const author = message.authorName ? ` (${unread(message.authorName)})` : '';
    const left = reason.files?.map(({ name }) => name) ?? [];
    const files = message.attachments.filter(({ name }) => !left.includes(name));
    const lines = [
      `${OWN[kind][language]}${author}:`,
      ...(message.text === '' ? [] : [unread(message.text)]),
      ...files.map(({ name }) => `📎 ${unread(name)}`),
      ...buttonsOf(message.keyboard).map((text) => `▸ ${unread(text)}`),
      ...this.filesLeftOut(reason, language),
    ];
    return lines.join('\n');
  }

  /** An operator's message, or a change of one, that ended as failed or uncertain. */
  private undelivered(reason: NoteReason, words: string, language: Language): string {
    const excerpt = excerptOf(words);
    const lines = [
      ...(reason.code === FILES_LEFT_OUT ? [] : [this.sentence(reason, language)]),
      ...this.filesLeftOut(reason, language),
      ...(excerpt ? [`«${unread(excerpt)}»`] : []),
    ];
    return lines.join('\n');
  }

  private filesLeftOut({ files = [] }: NoteReason, language: Language): string[] {
    const lines = files.map(({ name, code, detail }) => {
      const why = this.problems.reason(code, language) ?? SENTENCES.withheldByPortal[language](detail);
      return `${unread(name)}: ${why}`;
    });
    return lines.length > 0 ? [PHRASES.leftOut[language], ...lines] : [];
  }

  private sentence({ code, detail, about, until }: NoteReason, language: Language): string {
    if (code === WAITS) return SENTENCES.waits[language](fromNow(Date.parse(until ?? '') - Date.now(), language));
    if (code === 'uncertain') return PHRASES.uncertain[language];
    if (code === BOT_UNAUTHORISED) return PHRASES.noToken[language];
    const why = this.problems.reason(code, language) ?? SENTENCES.refusedByTelegram[language](detail);
    if (about === 'edit') return SENTENCES.notEdited[language](why);
    return about === 'delete' ? SENTENCES.notDeleted[language](why) : SENTENCES.failed[language](why);
  }

  /** Files of a client that the portal could not fetch, each with a link where it can be followed. */
  private filesMissing({ id, attachments }: Note['message'], chat: Fetching, language: Language): string {
    const lines = attachments.map((file) => {
      const link = this.files.noteLink(id, file, chat);
      const name = unread(file.label);
      const linked = link ? `[url=${link}]${name}[/url]` : name;
      return (file.size ?? 0) > CLOUD_FILE_LIMIT ? tooLargeLabel(linked, language) : linked;
    });
    return [PHRASES.missing[language], ...lines].join('\n');
  }
}

function buttonsOf(keyboard: Note['message']['keyboard']): string[] {
  return keyboard?.type === 'buttons'
    ? keyboard.rows
        .flat()
        .filter((button) => !isLasting(button))
        .map(({ text }) => text)
    : [];
}

/** Stands before a client's message that may already be in the dialog. */
export function repetitionMark(language: Language): string {
  return PHRASES.repeated[language];
}

/** What stands in place of a file that is too large for a bot. */
export function tooLargeLabel(label: string, language: Language): string {
  return `${label}: ${PHRASES.tooLarge[language]}`;
}

/** A client's message that the dialog does not have; `detail`: in the words of the portal. */
function notShown({ id, kind, text }: Note['message'], detail: string, language: Language): string {
  const excerpt = excerptOf(text);
  const what = excerpt ? `«${unread(excerpt)}»` : (KINDS[kind] ?? OTHER_KIND)[language];
  return `${SENTENCES.notShown[language](what)} (${unread(detail)}).\n${SENTENCES.inConsole[language](id.toString())}`;
}

function excerptOf(words: string): string {
  const flat = [...words.replace(/\s+/g, ' ').trim()];
  return flat.length > EXCERPT_LENGTH ? `${flat.slice(0, EXCERPT_LENGTH).join('')}…` : flat.join('');
}

/** `in 12 minutes`, `in 3 hours`: the operator's clock is not known. */
function fromNow(ms: number, language: Language): string {
  const minutes = Math.ceil(ms / 60_000);
  if (!(minutes > 0)) return PHRASES.soon[language];
  const format = new Intl.RelativeTimeFormat(language);
  return minutes < MOST_MINUTES ? format.format(minutes, 'minute') : format.format(Math.ceil(minutes / 60), 'hour');
}

/** Nothing in it is read as BBCode. */
function unread(text: string): string {
  return text.replaceAll('[', '[\u200b');
}
