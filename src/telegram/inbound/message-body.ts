import type { MessageEntity } from '@grammyjs/types';
import { isBlank, join, plain, trim, withMark, type RichText } from '../../relay/rich-text.js';
import { truncate } from '../../relay/rich-text-split.js';
import { asId, asList, asObject, asText, type JsonObject } from '../../common/json-fields.js';
import { fromEntities } from '../markup/telegram-markup.js';
import { readChecklist, readPoll, readTasksAdded, readTasksDone } from './list-content.js';
import { FILE_FIELDS, fileLabel } from './message-attachments.js';
import type { MessageLabels } from './message-labels.js';
import { named, spaced, titled } from './message-wording.js';
import { amount, readGift, readGiveaway, readInvoice, readPaidMedia, readUniqueGift } from './payment-content.js';
import { personName } from './person-name.js';
import { isLive, readLocation, readStory, readVenue } from './place-content.js';
import { parseRichMessage } from './rich-message.parser.js';
import { fieldNames, isMetadata, isQuietNotice } from './service-notices.js';
import { readChatShared, readContact, readUsersShared, readWebAppData } from './shared-content.js';

/** What a message is. `service` is what Telegram itself says in a chat, `unsupported` what this version does not know. */
export type MessageKind =
  | ('text' | 'rich_message' | 'photo' | 'live_photo' | 'video' | 'animation' | 'voice' | 'video_note' | 'audio')
  | ('document' | 'sticker' | 'location' | 'live_location' | 'venue' | 'contact' | 'poll' | 'dice' | 'game' | 'story')
  | ('invoice' | 'checklist' | 'gift' | 'giveaway' | 'paid_media' | 'payment' | 'shared' | 'web_app_data' | 'service')
  | ('callback' | 'reaction' | 'membership' | 'poll_answer' | 'unsupported');

/** Longest excerpt of a pinned message, in UTF-16 units. */
const PINNED_LIMIT = 200;

/**
 * Reads the value of one field of Message: the line that names what it holds. Readers of all files here take any JSON
 * and never throw.
 */
type Reader = (value: unknown, labels: MessageLabels, message: JsonObject) => RichText | string;

/**
 * Content by its field, in the order of detection: several fields come together "for backward compatibility"
 * (`animation` with `document`, `live_photo` with `photo`, `venue` with `location`), the telling one stands first.
 */
const CONTENT: readonly [field: string, kind: MessageKind, read: Reader][] = [
  ['rich_message', 'rich_message', (value, labels) => orElse(parseRichMessage(value, labels), labels.richMessage)],
  ...FILE_FIELDS.map((field): (typeof CONTENT)[number] => [
    field,
    field,
    (value, labels) => fileLabel(field, value, labels),
  ]),
  ['paid_media', 'paid_media', readPaidMedia],
  ['sticker', 'sticker', (value, labels) => spaced(asText(asObject(value).emoji), labels.sticker)],
  ['venue', 'venue', readVenue],
  ['location', 'location', readLocation],
  ['contact', 'contact', readContact],
  ['poll', 'poll', readPoll],
  ['dice', 'dice', readDice],
  ['game', 'game', (value, labels) => titled(labels.game, value)],
  ['story', 'story', readStory],
  ['checklist', 'checklist', readChecklist],
  ['invoice', 'invoice', readInvoice],
  ['successful_payment', 'payment', (value, labels) => named(labels.payment, amount(value))],
  ['refunded_payment', 'payment', (value, labels) => named(labels.refund, amount(value))],
  ['gift', 'gift', readGift],
  ['unique_gift', 'gift', readUniqueGift],
  ['giveaway', 'giveaway', (value, labels) => readGiveaway(labels.giveaway, value, labels)],
  ['giveaway_winners', 'giveaway', (value, labels) => readGiveaway(labels.giveawayWinners, value, labels)],
  ['users_shared', 'shared', readUsersShared],
  ['chat_shared', 'shared', readChatShared],
  ['web_app_data', 'web_app_data', readWebAppData],
  ['passport_data', 'shared', (_, labels) => labels.passport],
  ['new_chat_members', 'service', (value, labels) => named(labels.joined, people(value).map(personName).join(', '))],
  ['left_chat_member', 'service', (value, labels) => named(labels.left, personName(value))],
  ['new_chat_title', 'service', (value, labels) => named(labels.titleChanged, asText(value))],
  ['pinned_message', 'service', readPinned],
  ['checklist_tasks_done', 'service', readTasksDone],
  ['checklist_tasks_added', 'service', readTasksAdded],
  [
    'poll_option_added',
    'service',
    (value, labels) => named(labels.pollOptionAdded, asText(asObject(value).option_text)),
  ],
  [
    'poll_option_deleted',
    'service',
    (value, labels) => named(labels.pollOptionDeleted, asText(asObject(value).option_text)),
  ],
  ['migrate_to_chat_id', 'service', (value, labels) => named(labels.movedTo, asId(value))],
  ['migrate_from_chat_id', 'service', (value, labels) => named(labels.movedFrom, asId(value))],
];

/** What one message holds, without what it answers or where it was forwarded from. */
interface Content {
  kind: MessageKind;
  /** Names what the message holds besides words. */
  label: RichText | string;
  /** What the person wrote. */
  text: RichText;
  /** What stands for it beside the file, when that is something else: the emoji of a sticker. */
  beside?: RichText;
  quiet?: boolean;
}

/** The first field of {@link CONTENT} that the message has; else a notice of Telegram, or what nobody knows yet. */
export function readContent(message: JsonObject, labels: MessageLabels): Content {
  const text = trim(fromEntities(asText(message.text), message.entities as MessageEntity[]));
  if (!isBlank(text.text)) return { kind: 'text', label: '', text };
  const caption = trim(fromEntities(asText(message.caption), message.caption_entities as MessageEntity[]));
  for (const [field, kind, read] of CONTENT) {
    const value = message[field];
    if (value === undefined || value === null) continue;
    const content = read(value, labels, message);
    switch (kind) {
      case 'rich_message':
        return { kind, label: '', text: join([content, caption], '\n') };
      case 'sticker':
        return { kind, label: content, text: caption, beside: plain(asText(asObject(value).emoji)) };
      case 'location':
        return { kind: isLive(value) ? 'live_location' : kind, label: content, text: caption };
      case 'service':
        return { kind, label: content, text: caption, quiet: isQuiet(field, value) };
      default:
        return { kind, label: content, text: caption };
    }
  }
  return { ...readService(message, labels), text: caption };
}

function readService(message: JsonObject, labels: MessageLabels): Omit<Content, 'text'> {
  const fields = Object.keys(message).filter((field) => !isMetadata(field) && message[field] !== undefined);
  const service = fields.find((field) => Object.hasOwn(labels.service, field));
  if (service) return { kind: 'service', label: labels.service[service]!, quiet: isQuietNotice(service) };
  const unknown = fields.filter((field) => field !== 'text');
  if (unknown.length === 0) return { kind: 'unsupported', label: labels.empty };
  return { kind: 'unsupported', label: `${labels.unsupported}: ${fieldNames(unknown)}` };
}

/** A bot that comes or goes is nobody the operator talks to; of our own, `my_chat_member` tells. */
function isQuiet(field: string, value: unknown): boolean {
  if (field === 'new_chat_members') return people(value).length === 0;
  if (field === 'left_chat_member') return asObject(value).is_bot === true;
  return isQuietNotice(field);
}

function people(members: unknown): JsonObject[] {
  return asList(members)
    .map(asObject)
    .filter(({ is_bot: isBot }) => isBot !== true);
}

function readPinned(value: unknown, labels: MessageLabels): RichText {
  // A message that is no longer accessible has the date 0 and no content.
  const pinned = asObject(value);
  const content = pinned.date === 0 ? plain('') : truncate(ownContent(pinned, labels), PINNED_LIMIT);
  return join([labels.pinned, withMark(content, 'quote')], '\n');
}

function readDice(value: unknown, labels: MessageLabels): string {
  const { emoji, value: points } = asObject(value);
  return spaced(asText(emoji) || labels.dice, asId(points));
}

function orElse(rich: RichText, label: string): RichText {
  return isBlank(rich.text) ? plain(label) : trim(rich);
}

/** A message without its own context. */
export function ownContent(message: JsonObject, labels: MessageLabels): RichText {
  const { label, text } = readContent(message, labels);
  return join([label, text], '\n');
}

/** The same where there is content that is known; else nothing. */
export function knownContent(message: JsonObject, labels: MessageLabels): RichText {
  return CONTENT.some(([field]) => message[field] !== undefined) ? ownContent(message, labels) : plain('');
}
