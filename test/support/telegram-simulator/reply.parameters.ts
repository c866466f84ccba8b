import type { Message, MessageEntity, TextQuote } from '@grammyjs/types';
import { badRequest } from './bot-api.error.js';
import type { CallParams } from './call.params.js';
import { readEntities } from './message.entities.js';
import type { SimulatedChat } from './simulated.chat.js';

/** Characters of a quote after entities parsing (core.telegram.org/bots/api#replyparameters). */
const QUOTE_LIMIT = 1024;
/** Entities that belong to the words of a quote; others are left out of it. */
const QUOTED_TYPES: ReadonlySet<MessageEntity['type']> = new Set([
  'bold',
  'italic',
  'underline',
  'strikethrough',
  'spoiler',
  'custom_emoji',
  'date_time',
]);

interface ReplyParameters {
  readonly message_id?: number | string;
  readonly chat_id?: number | string;
  readonly allow_sending_without_reply?: boolean;
  readonly quote?: string;
  readonly quote_entities?: unknown;
  readonly quote_position?: number;
}

export type ReplyFields = Pick<Message, 'reply_to_message' | 'quote'>;

/** The fields of a message that answers another one of the same chat. Throws 400 when that is not there. */
export function readReply(chat: SimulatedChat, params: CallParams): ReplyFields {
  const reply = readReplyParameters(params);
  const messageId = Number(reply?.message_id ?? 0);
  if (!reply || messageId === 0) return {};
  const here = reply.chat_id === undefined || String(reply.chat_id) === String(chat.id);
  const original = here ? chat.find(messageId) : undefined;
  if (!original) {
    if (reply.allow_sending_without_reply || params.has('business_connection_id')) return {};
    throw badRequest('message to be replied not found');
  }
  const quote = reply.quote ? readQuote(original, reply) : undefined;
  return { reply_to_message: withoutReply(original), ...(quote && { quote }) };
}

/** A message as it stands in `reply_to_message`: never with another reply inside. */
export function withoutReply(message: Message): NonNullable<Message['reply_to_message']> {
  const { reply_to_message: _nested, ...flat } = message;
  return flat as NonNullable<Message['reply_to_message']>;
}

function readReplyParameters(params: CallParams): ReplyParameters | undefined {
  const value = params.json('reply_parameters', 'reply parameters');
  if (value === undefined) {
    const messageId = params.integer('reply_to_message_id', 0);
    const allowed = params.flag('allow_sending_without_reply');
    return messageId > 0 ? { message_id: messageId, allow_sending_without_reply: allowed } : undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badRequest('object expected as reply parameters');
  }
  return value;
}

/** A quote is an exact part of the original, bold, italic … included; of several places the nearest counts. */
function readQuote(original: Message, { quote = '', quote_entities, quote_position = 0 }: ReplyParameters): TextQuote {
  const source = original.text ?? original.caption ?? '';
  const formatting = original.entities ?? original.caption_entities ?? [];
  const wanted = significant(readEntities(quote_entities), 0, quote.length);
  const positions = occurrences(source, quote)
    .filter((at) => JSON.stringify(significant(formatting, at, quote.length)) === JSON.stringify(wanted))
    .sort((a, b) => Math.abs(a - quote_position) - Math.abs(b - quote_position));
  const position = positions[0];
  if (position === undefined || quote.length > QUOTE_LIMIT) throw badRequest('QUOTE_TEXT_INVALID');
  const entities = significant(formatting, position, quote.length);
  return { text: quote, ...(entities.length > 0 && { entities }), position, is_manual: true };
}

function occurrences(source: string, part: string): number[] {
  const found: number[] = [];
  for (let at = source.indexOf(part); at >= 0; at = source.indexOf(part, at + 1)) found.push(at);
  return found;
}

/** The entities within [start, start + length) that a quote keeps, with offsets from its beginning. */
function significant(entities: readonly MessageEntity[], start: number, length: number): MessageEntity[] {
  return entities
    .filter(({ type }) => QUOTED_TYPES.has(type))
    .map((entity) => {
      const from = Math.max(entity.offset, start);
      const to = Math.min(entity.offset + entity.length, start + length);
      return { ...entity, offset: from - start, length: to - from };
    })
    .filter((entity) => entity.length > 0)
    .sort((a, b) => a.offset - b.offset || b.length - a.length || a.type.localeCompare(b.type));
}
