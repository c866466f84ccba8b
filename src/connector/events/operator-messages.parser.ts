import { parseShortMessageId } from '../../common/external-ids.js';
import { elementsOf, fieldsOf, scalar, word } from '../../bitrix/php-values.reader.js';
import type { Ignored, OperatorMessage, Said } from '../../relay/message.js';
import { FOREIGN_CONNECTOR, type StoredAttachment } from '../../storage/intake/intake.rows.js';
import { linesOfCards } from './card.parser.js';
import { digest, withoutCredentials } from './event.digest.js';
import { type EventEnvelope, MalformedEvent } from './event.parser.js';
import { ratingQuestion } from './rating-question.js';
import { readOperatorWords } from './operator-words.parser.js';

const OF_ANOTHER_APPLICATION: Ignored = {
  code: FOREIGN_CONNECTOR,
  detail: 'The event belongs to a connector of another application.',
};
const NO_CHAT: Ignored = { code: 'no_chat', detail: 'The event does not say which chat it belongs to (chat.id).' };
const NO_MESSAGE_ID: Ignored = { code: 'no_message_id', detail: 'The event carries no message id.' };
const EMPTY: Ignored = {
  code: 'empty',
  detail: 'The message has neither text nor files, and no card that can be read.',
};

/**
 * Every element of ONIMCONNECTORMESSAGEADD, in order. Also reads the short form
 * `{"chat":{"id"},"message":{"id","text"}}`. What cannot be relayed comes back with `said.ignored` set; throws
 * {@link MalformedEvent} only when there is no element at all.
 */
export function parseOperatorMessages(
  event: EventEnvelope,
  context: { portalId: bigint; connectorId: string; unsigned: boolean },
): OperatorMessage[] {
  const data = fieldsOf(event.data) ?? {};
  const elements = elementsOf(data.MESSAGES).map(fieldsOf);
  if (elements.length === 0 && (data.chat !== undefined || data.message !== undefined)) elements.push(data);
  if (elements.length === 0) {
    throw new MalformedEvent('`data` must have MESSAGES, or the short form with `chat` and `message`.');
  }
  const connector = (scalar(data.CONNECTOR) ?? context.connectorId).toLowerCase();
  const lineId = scalar(data.LINE) ?? null;
  const foreign = connector !== context.connectorId.toLowerCase();
  return elements.map((element) => {
    const { externalChatId, bitrixMessageId, bitrixChatId, quoted, belongsToNoSession, ...rest } = parseElement(
      element ?? {},
      event.raisedAt ?? new Date(),
    );
    const raw = { ...event.raw, data: { CONNECTOR: connector, LINE: lineId, MESSAGES: [withoutCredentials(element)] } };
    const ignored = foreign ? OF_ANOTHER_APPLICATION : rest.ignored;
    return {
      portalId: context.portalId,
      connector,
      lineId,
      externalChatId,
      bitrixMessageId,
      bitrixChatId,
      unsigned: context.unsigned,
      ...(quoted && { quoted }),
      ...(belongsToNoSession && { belongsToNoSession }),
      said: { ...rest.said, ...(event.raisedAt && { saidAt: event.raisedAt }), raw, ...(ignored && { ignored }) },
    };
  });
}

interface Element {
  externalChatId: string;
  bitrixMessageId: string;
  bitrixChatId: string | null;
  said: Omit<Said, 'raw' | 'ignored'>;
  quoted?: OperatorMessage['quoted'];
  belongsToNoSession?: true;
  ignored?: Ignored;
}

function parseElement(element: Record<string, unknown>, raisedAt: Date): Element {
  const im = fieldsOf(element.im) ?? {};
  const message = fieldsOf(element.message) ?? {};
  const externalChatId = scalar(fieldsOf(element.chat)?.id) ?? '';
  const messageId = scalar(im.message_id) ?? parseShortMessageId(scalar(message.id) ?? '');
  const attachments = elementsOf(message.files).flatMap(parseFile);
  const written = scalar(message.text) ?? '';
  const cards = linesOfCards({ ...message, attachments_old: element.attachments_old }, written);
  const said = readOperatorWords(written, cards);
  // A link without words is a parameter.
  const isBlank = said.words.text === '' && !said.keyboard;
  const { words: rich, quoted, keyboard: buttons } = isBlank ? readOperatorWords(linkOf(message)) : said;
  const rating = ratingQuestion(message.params, raisedAt);
  const keyboard = rating ?? buttons;
  // The portal asks in the name of the operator whom it asks about, and nobody wrote it.
  const authorId = rating ? '0' : scalar(message.user_id);
  const empty = rich.text.trim() === '' && attachments.length === 0 && !keyboard;
  const ignored = !externalChatId ? NO_CHAT : !messageId ? NO_MESSAGE_ID : empty ? EMPTY : undefined;
  return {
    externalChatId,
    // A message without an id is never relayed; the digest only keeps its record apart from others.
    bitrixMessageId: messageId || `sha256:${digest(element)}`,
    bitrixChatId: scalar(im.chat_id) ?? null,
    said: {
      kind: attachments[0]?.kind ?? 'text',
      text: rich.text,
      marks: rich.marks,
      ...(attachments.length > 0 && { attachments }),
      ...(authorId && { authorId }),
      ...(keyboard && { keyboard }),
    },
    ...(quoted && { quoted }),
    ...(authorId === '0' && !namesSession(message) && { belongsToNoSession: true }),
    ...(ignored && { ignored }),
  };
}

/** Automatic texts of a line carry what they are, or their session; a newsletter carries nothing. */
function namesSession({ params }: Record<string, unknown>): boolean {
  return Object.keys(fieldsOf(params) ?? {}).some((name) => name.startsWith('IMOL_'));
}

function linkOf({ params }: Record<string, unknown>): string {
  return scalar(fieldsOf(params)?.url) ?? '';
}

const KIND_OF_FILE: Record<string, string> = { image: 'photo', video: 'video', audio: 'audio', file: 'document' };

function parseFile(value: unknown): StoredAttachment[] {
  const file = fieldsOf(value);
  if (!file) return [];
  const name = word(file.name) ?? 'file';
  const mime = word(file.mime)?.toLowerCase();
  const size = Number(scalar(file.size));
  const shown = scalar(file.sizef);
  const url = [scalar(file.downloadLink), scalar(file.link)].find((link) => /^https?:\/\//i.test(link ?? ''));
  return [
    {
      kind: KIND_OF_FILE[scalar(file.type) ?? ''] ?? 'document',
      name,
      label: `📎 ${name}${shown ? ` (${shown})` : ''}`,
      ...(mime && { mime }),
      ...(Number.isSafeInteger(size) && size > 0 && { size }),
      ...(url && { url }),
    },
  ];
}
