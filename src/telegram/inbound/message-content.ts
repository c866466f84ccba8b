import type { Message, Update } from '@grammyjs/types';
import type { Language } from '../../common/language.js';
import { isBlank, join, normalise, plain, type RichText } from '../../relay/rich-text.js';
import { asId, asObject, type JsonObject } from '../../common/json-fields.js';
import type { StoredAttachment } from '../../storage/intake/intake.rows.js';
import type { QuotedWords } from '../../storage/work/claimed-lane.js';
import { readCallback, readMembership, readPollAnswer, readReaction } from './event-content.js';
import { attachmentsOf } from './message-attachments.js';
import { readContent, type MessageKind } from './message-body.js';
import { MESSAGE_LABELS } from './labels-by-language.js';
import { forwardLine, viaLine } from './message-origin.js';
import { lines } from './message-wording.js';
import { quotedOf } from './quoted-original.js';
import { mapUrl } from './rich-message.parser.js';
import { fieldNames } from './service-notices.js';

/** What an operator gets of a Telegram message. */
export interface MessageContent {
  kind: MessageKind;
  /** Never blank: context, a line that names what is not text, and the person's own words. */
  rich: RichText;
  /** What is read beside the files. Without files the same as `rich`; with them the line that names them is left out. */
  words: RichText;
  attachments: StoredAttachment[];
  /** What it answers. */
  quoted?: QuotedWords;
  /** Nothing in it was written by the person: forwarded, another person's contact, a mere label. */
  notOwnWords: boolean;
  /** A notice of Telegram that tells an operator nothing. */
  quiet: boolean;
}

const MESSAGE_UPDATES =
  'message edited_message channel_post edited_channel_post business_message edited_business_message guest_message'.split(
    ' ',
  );

/** Updates that say nothing to operators. */
const SILENT_UPDATES = new Set(
  (
    'update_id business_connection deleted_business_messages stopped_message_generation message_reaction_count ' +
    'inline_query chosen_inline_result shipping_query pre_checkout_query purchased_paid_media poll chat_member ' +
    'chat_join_request chat_boost removed_chat_boost managed_bot subscription'
  ).split(' '),
);

/** The line that tells of the end of a live location, with its last place. */
export function describeEndOfLiveLocation(location: unknown, lang: Language): RichText {
  return normalise(plain(lines(MESSAGE_LABELS[lang].liveLocationEnded, mapUrl(location))));
}

/**
 * What an operator reads of a message of any type. Forwards begin with a line that names the origin; then comes a line
 * that names what is not text, then text or caption. Never throws and never
 * gives a blank text, whatever JSON stands in for the message: what is unknown is named by its field.
 */
export function describeMessage(message: Message, lang: Language): MessageContent {
  const labels = MESSAGE_LABELS[lang];
  const json = asObject(message);
  const { kind, label, text, beside = text, quiet = false } = readContent(json, labels);
  const attachments = attachmentsOf(json, labels);
  const context = [forwardLine(json, labels), viaLine(json)];
  const whole = join([...context, label, text], '\n');
  const rich = isBlank(whole.text) ? plain(labels.empty) : whole;
  const words = attachments.length === 0 ? rich : join([...context, beside], '\n');
  const notOwnWords =
    json.forward_origin !== undefined || json.via_bot !== undefined || (isBlank(text.text) && !isOwnData(kind, json));
  return { kind, rich, words, attachments, ...quotedOf(json, labels), notOwnWords, quiet };
}

/** What a person typed into a form of the bot's, or the contact of the person. */
function isOwnData(kind: MessageKind, message: JsonObject): boolean {
  if (kind === 'web_app_data') return true;
  const owner = asId(asObject(message.contact).user_id);
  return kind === 'contact' && owner !== '' && owner === asId(asObject(message.from).id);
}

/**
 * What an operator reads of an update of any type, or null when nobody said anything with it. Edited messages read as
 * they are now.
 */
export function describeUpdate(update: Update, lang: Language): MessageContent | null {
  const labels = MESSAGE_LABELS[lang];
  const json = asObject(update);
  const messageField = MESSAGE_UPDATES.find((field) => json[field] !== undefined);
  if (messageField) return describeMessage(json[messageField] as Message, lang);
  if (json.callback_query !== undefined) return event('callback', readCallback(asObject(json.callback_query), labels));
  if (json.message_reaction !== undefined)
    return event('reaction', readReaction(asObject(json.message_reaction), labels));
  if (json.my_chat_member !== undefined)
    return event('membership', readMembership(asObject(json.my_chat_member), labels));
  if (json.poll_answer !== undefined) return event('poll_answer', readPollAnswer(asObject(json.poll_answer), labels));
  const unknown = Object.keys(json).filter((field) => !SILENT_UPDATES.has(field));
  return event('unsupported', unknown.length > 0 ? `${labels.unsupportedUpdate}: ${fieldNames(unknown)}` : '');
}

function event(kind: MessageKind, text: string): MessageContent | null {
  if (isBlank(text)) return null;
  const rich = normalise(plain(text));
  return { kind, rich, words: rich, attachments: [], notOwnWords: true, quiet: false };
}
