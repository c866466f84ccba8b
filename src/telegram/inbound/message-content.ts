import type { Message, MessageEntity, Update } from '@grammyjs/types';
import type { Language } from '../../common/language.js';
import {
  concat,
  isBlank,
  join,
  normalise,
  plain,
  trim,
  truncate,
  withMark,
  type RichText,
} from '../../relay/rich-text.js';
import { asId, asList, asNumber, asObject, asText, type JsonObject } from '../../common/json-fields.js';
import type { StoredAttachment } from '../../storage/intake/intake.rows.js';
import type { QuotedWords } from '../../storage/work/claimed-lane.js';
import { attachmentsOf, FILE_FIELDS, fileLabel } from './message-attachments.js';
import { MESSAGE_LABELS, type MessageLabels } from './message-labels.js';
import { lines, named, spaced, withDetails } from './message-wording.js';
import { chatName, personName } from './person-name.js';
import { mapUrl, parseRichMessage } from './rich-message.parser.js';
import { postLink, storyLink } from './post-links.js';
import { fromEntities } from '../markup/telegram-markup.js';
import { digitsOf, parseVCard } from './vcard.parser.js';

/** What a message is. `service` is what Telegram itself says in a chat, `unsupported` what this version does not know. */
export type MessageKind =
  | ('text' | 'rich_message' | 'photo' | 'live_photo' | 'video' | 'animation' | 'voice' | 'video_note' | 'audio')
  | ('document' | 'sticker' | 'location' | 'live_location' | 'venue' | 'contact' | 'poll' | 'dice' | 'game' | 'story')
  | ('invoice' | 'checklist' | 'gift' | 'giveaway' | 'paid_media' | 'payment' | 'shared' | 'web_app_data' | 'service')
  | ('callback' | 'reaction' | 'membership' | 'poll_answer' | 'unsupported');

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
  /** Nothing in it was written by the person: forwarded, another's contact, what only names something. */
  notOwnWords: boolean;
  /** A notice of Telegram that tells an operator nothing. */
  quiet: boolean;
}

/** Longest quoted original of a reply, in UTF-16 units. */
const QUOTE_LIMIT = 200;

/** Fields of Message that describe it and are no content (Bot API 10.3, Message). */
const METADATA = new Set(
  (
    'message_id message_thread_id from sender_chat sender_boost_count sender_business_bot sender_tag date ' +
    'guest_query_id business_connection_id chat is_topic_message direct_messages_topic receiver_user ' +
    'ephemeral_message_id forward_origin is_automatic_forward reply_to_message reply_to_checklist_task_id ' +
    'reply_to_poll_option_id external_reply quote reply_to_story via_bot guest_bot_caller_user ' +
    'guest_bot_caller_chat edit_date has_protected_content show_caption_above_media is_from_offline is_paid_post ' +
    'author_signature link_preview_options effect_id paid_star_count reply_markup caption caption_entities ' +
    'media_group_id has_media_spoiler entities suggested_post_info ' +
    // Removed from the Bot API, still sent by older servers.
    'forward_from forward_from_chat forward_from_message_id forward_signature forward_sender_name forward_date ' +
    'new_chat_member new_chat_participant left_chat_participant'
  ).split(' '),
);

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

/** Notices of Telegram about itself or the looks of a chat: of no use to whoever answers. */
const QUIET_NOTICES = new Set(
  (
    'migrate_to_chat_id migrate_from_chat_id group_chat_created supergroup_chat_created channel_chat_created ' +
    'forum_topic_created forum_topic_edited forum_topic_closed forum_topic_reopened general_forum_topic_hidden ' +
    'general_forum_topic_unhidden message_auto_delete_timer_changed write_access_allowed chat_background_set ' +
    'new_chat_photo delete_chat_photo video_chat_scheduled video_chat_started video_chat_ended ' +
    'video_chat_participants_invited boost_added paid_message_price_changed direct_message_price_changed ' +
    'community_chat_added community_chat_removed community_chat_joined managed_bot_created giveaway_created'
  ).split(' '),
);

const MESSAGE_UPDATES =
  'message edited_message channel_post edited_channel_post business_message edited_business_message guest_message'.split(
    ' ',
  );

/** Updates in which nobody says anything to the people who answer. */
const SILENT_UPDATES = new Set(
  (
    'update_id business_connection deleted_business_messages stopped_message_generation message_reaction_count ' +
    'inline_query chosen_inline_result shipping_query pre_checkout_query purchased_paid_media poll chat_member ' +
    'chat_join_request chat_boost removed_chat_boost managed_bot subscription'
  ).split(' '),
);

/** The line on a live location that has ended, with its last place. */
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

function readContent(message: JsonObject, labels: MessageLabels): Content {
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
  const fields = Object.keys(message).filter((field) => !METADATA.has(field) && message[field] !== undefined);
  const service = fields.find((field) => Object.hasOwn(labels.service, field));
  if (service) return { kind: 'service', label: labels.service[service]!, quiet: QUIET_NOTICES.has(service) };
  const unknown = fields.filter((field) => field !== 'text');
  if (unknown.length === 0) return { kind: 'unsupported', label: labels.empty };
  return { kind: 'unsupported', label: `${labels.unsupported}: ${fieldNames(unknown)}` };
}

/** A bot that comes or goes is nobody the operator talks to; of our own, `my_chat_member` tells. */
function isQuiet(field: string, value: unknown): boolean {
  if (field === 'new_chat_members') return people(value).length === 0;
  if (field === 'left_chat_member') return asObject(value).is_bot === true;
  return QUIET_NOTICES.has(field);
}

function people(members: unknown): JsonObject[] {
  return asList(members)
    .map(asObject)
    .filter(({ is_bot: isBot }) => isBot !== true);
}

/** Enough of unknown names to look them up, whatever their length and number. */
function fieldNames(fields: string[]): string {
  return truncate(plain(fields.slice(0, 3).join(', ')), 100).text;
}

function forwardLine({ forward_origin: origin, is_automatic_forward: automatic }: JsonObject, labels: MessageLabels) {
  // A channel's post in its discussion group: the channel speaks for itself.
  if (origin === undefined || automatic === true) return plain('');
  return concat(`${labels.forwardedFrom} `, linked(originName(origin) || labels.unknownSender, originLink(origin)));
}

/** The post that a `MessageOrigin` names; '' of all that is no post of a channel. */
function originLink(value: unknown): string {
  const { chat, message_id: id } = asObject(value);
  return postLink(chat, id);
}

function linked(words: string, url: string): RichText {
  return url === '' ? plain(words) : withMark(words, 'link', { url });
}

/** The inline bot whose result was sent. */
function viaLine(message: JsonObject): string {
  const username = asText(asObject(message.via_bot).username);
  return username === '' ? '' : `via @${username}`;
}

/** The author of a `MessageOrigin`. */
function originName(value: unknown): string {
  const origin = asObject(value);
  const name =
    asText(origin.sender_user_name) || personName(origin.sender_user) || chatName(origin.sender_chat ?? origin.chat);
  const signature = asText(origin.author_signature).trim();
  return signature === '' ? name : spaced(name, `(${signature})`);
}

/** The quoted original of a reply: the part the person chose, else its beginning. */
function quotedOf(message: JsonObject, labels: MessageLabels): { quoted?: QuotedWords } {
  const { words, name, at, context = '', link = '' } = original(message, labels);
  const said = truncate(trim(chosenPart(message) ?? chosenItem(message, labels) ?? words), QUOTE_LIMIT);
  const { text, marks } = join([context, said, link], '\n');
  if (isBlank(text) && !name) return {};
  const isMoment = Number.isInteger(at) && (at as number) > 0 && (at as number) < 1e11;
  return { quoted: { text, marks, ...(name ? { name } : {}), ...(isMoment ? { at: at as number } : {}) } };
}

function chosenPart({ quote }: JsonObject): RichText | undefined {
  const { text, entities } = asObject(quote);
  const chosen = fromEntities(asText(text), entities as MessageEntity[]);
  return isBlank(chosen.text) ? undefined : chosen;
}

/** The task of a checklist or the option of a poll that the person chose to answer. */
function chosenItem(message: JsonObject, labels: MessageLabels): RichText | undefined {
  const { reply_to_checklist_task_id: taskId, reply_to_poll_option_id: optionId } = message;
  const { checklist, poll } = asObject(message.reply_to_message ?? message.external_reply);
  const { title, tasks } = asObject(checklist);
  const task = asList(tasks)
    .map(asObject)
    .find(({ id }) => taskId !== undefined && id === taskId);
  if (task) return plain(lines(named(labels.checklist, asText(title)), taskLine(task)));
  const { question, options } = asObject(poll);
  const choices = asList(options).map(asObject);
  const index = choices.findIndex(({ persistent_id: id }) => optionId !== undefined && id === optionId);
  return index === -1
    ? undefined
    : plain(lines(named(labels.poll, asText(question)), optionLine(choices[index], index)));
}

interface Original {
  words: RichText;
  name?: string;
  at?: unknown;
  /** Says where it comes from itself; read before its words, whatever part of them is quoted. */
  context?: RichText;
  /** Where it stands, when that is not this chat. */
  link?: string;
}

function original(message: JsonObject, labels: MessageLabels): Original {
  if (message.reply_to_message !== undefined) {
    const replied = asObject(message.reply_to_message);
    // Every message of a forum topic "replies" to the creation of the topic.
    if (replied.forum_topic_created !== undefined) return { words: plain('') };
    const name = asText(asObject(replied.sender_chat).title) || personName(replied.from);
    return {
      words: ownContent(replied, labels),
      name,
      at: replied.date,
      context: forwardLine(replied, labels),
      link: replied.is_automatic_forward === true ? originLink(replied.forward_origin) : '',
    };
  }
  if (message.external_reply !== undefined) {
    const { origin, ...elsewhere } = asObject(message.external_reply);
    const link = postLink(elsewhere.chat, elsewhere.message_id) || originLink(origin);
    return { words: knownContent(elsewhere, labels), name: originName(origin), at: asObject(origin).date, link };
  }
  if (message.reply_to_story !== undefined) {
    return { words: readStory(message.reply_to_story, labels) };
  }
  return { words: plain('') };
}

/** A message without its own context. */
function ownContent(message: JsonObject, labels: MessageLabels): RichText {
  const { label, text } = readContent(message, labels);
  return join([label, text], '\n');
}

function knownContent(message: JsonObject, labels: MessageLabels): RichText {
  return CONTENT.some(([field]) => message[field] !== undefined) ? ownContent(message, labels) : plain('');
}

function readPinned(value: unknown, labels: MessageLabels): RichText {
  // A message that is no longer accessible has the date 0 and no content.
  const pinned = asObject(value);
  const content = pinned.date === 0 ? plain('') : truncate(ownContent(pinned, labels), QUOTE_LIMIT);
  return join([labels.pinned, withMark(content, 'quote')], '\n');
}

function readPaidMedia(value: unknown, labels: MessageLabels): string {
  const { star_count: stars, paid_media: media } = asObject(value);
  const count = asList(media).length;
  return withDetails(labels.paidMedia, [count > 0 ? `×${count}` : '', starCount(stars)].filter(Boolean).join(', '));
}

function isLive(location: unknown): boolean {
  return asNumber(asObject(location).live_period) !== undefined;
}

function readLocation(value: unknown, labels: MessageLabels): string {
  return lines(isLive(value) ? labels.liveLocation : labels.location, mapUrl(value));
}

function readVenue(value: unknown, labels: MessageLabels, message: JsonObject): string {
  const { title, address, location } = asObject(value);
  return lines(named(labels.venue, asText(title)), asText(address), mapUrl(location) ?? mapUrl(message.location));
}

function readStory(value: unknown, labels: MessageLabels): RichText {
  const name = chatName(asObject(value).chat);
  const link = storyLink(value);
  return name === '' ? linked(labels.story, link) : concat(`${labels.story}: `, linked(name, link));
}

function readContact(value: unknown, labels: MessageLabels): string {
  const { phone_number: number, vcard } = asObject(value);
  const phone = asId(number);
  const { phones, emails, company, title } = parseVCard(asText(vcard));
  return lines(
    named(labels.contact, personName(value)),
    /^\d{7,}$/.test(phone) ? `+${phone}` : phone,
    ...phones.filter((other) => digitsOf(other) !== digitsOf(phone)),
    ...emails,
    company === '' ? undefined : named(labels.company, company),
    title === '' ? undefined : named(labels.jobTitle, title),
  );
}

function readPoll(value: unknown, labels: MessageLabels): string {
  const { question, options, type } = asObject(value);
  const choices = asList(options).map(optionLine);
  return lines(named(type === 'quiz' ? labels.quiz : labels.poll, asText(question)), ...choices);
}

function optionLine(option: unknown, index: number): string {
  return `${index + 1}. ${asText(asObject(option).text)}`;
}

function readDice(value: unknown, labels: MessageLabels): string {
  const { emoji, value: points } = asObject(value);
  return spaced(asText(emoji) || labels.dice, asId(points));
}

function readChecklist(value: unknown, labels: MessageLabels): string {
  const { title, tasks } = asObject(value);
  return lines(named(labels.checklist, asText(title)), ...asList(tasks).map(taskLine));
}

function taskLine(task: unknown): string {
  const { text, completed_by_user: user, completed_by_chat: chat, completion_date: date } = asObject(task);
  const done = user !== undefined || chat !== undefined || (asNumber(date) ?? 0) > 0;
  return `${done ? '☑' : '☐'} ${asText(text)}`;
}

/** Which tasks were marked as done, and which as not done; by their number where the checklist is not told. */
function readTasksDone(value: unknown, labels: MessageLabels): string {
  const {
    checklist_message: message,
    marked_as_done_task_ids: done,
    marked_as_not_done_task_ids: undone,
  } = asObject(value);
  const { title, tasks } = asObject(asObject(message).checklist);
  const texts = new Map(asList(tasks).map((task) => [asObject(task).id, asText(asObject(task).text)]));
  const marked = (sign: string, ids: unknown) => asList(ids).map((id) => `${sign} ${texts.get(id) || `#${asId(id)}`}`);
  return lines(named(labels.tasksMarked, asText(title)), ...marked('☑', done), ...marked('☐', undone));
}

function readTasksAdded(value: unknown, labels: MessageLabels): string {
  const { checklist_message: message, tasks } = asObject(value);
  const { title } = asObject(asObject(message).checklist);
  return lines(named(labels.tasksAdded, asText(title)), ...asList(tasks).map(taskLine));
}

function readInvoice(value: unknown, labels: MessageLabels): string {
  return lines(withDetails(titled(labels.invoice, value), amount(value)), asText(asObject(value).description));
}

function readGift(value: unknown, labels: MessageLabels): RichText {
  const { gift, text, entities } = asObject(value);
  const { sticker, star_count: stars } = asObject(gift);
  const emoji = asText(asObject(sticker).emoji);
  const words = fromEntities(asText(text), entities as MessageEntity[]);
  return join([withDetails(spaced(labels.gift, emoji), starCount(stars)), words], '\n');
}

function readUniqueGift(value: unknown, labels: MessageLabels): RichText {
  const { gift, text, entities } = asObject(value);
  const { base_name: name, number } = asObject(gift);
  const title = asNumber(number) === undefined ? asText(name) : spaced(asText(name), `#${asId(number)}`);
  return join([named(labels.gift, title), fromEntities(asText(text), entities as MessageEntity[])], '\n');
}

function readGiveaway(label: string, value: unknown, labels: MessageLabels): string {
  const { winner_count: winners, prize_description: prize } = asObject(value);
  const count = asId(winners);
  return lines(withDetails(label, count === '' ? '' : `${labels.winners}: ${count}`), asText(prize));
}

function readUsersShared(value: unknown, labels: MessageLabels): string {
  const { users, user_ids: ids } = asObject(value);
  const names = asList(users).map((user) => personName(user) || asId(asObject(user).user_id));
  return named(labels.usersShared, [...names, ...asList(ids).map(asId)].filter((name) => name !== '').join(', '));
}

function readChatShared(value: unknown, labels: MessageLabels): string {
  return named(labels.chatShared, chatName(value) || asId(asObject(value).chat_id));
}

function readWebAppData(value: unknown, labels: MessageLabels): string {
  const { button_text: button, data } = asObject(value);
  return lines(named(labels.webAppData, asText(button)), asText(data));
}

function readCallback(query: JsonObject, labels: MessageLabels): string {
  const data = asText(query.data) || asText(query.game_short_name);
  const keyboard = asObject(asObject(query.message).reply_markup).inline_keyboard;
  const button = asList(keyboard)
    .flatMap(asList)
    .map(asObject)
    .find((candidate) => data !== '' && candidate.callback_data === data);
  const caption = asText(button?.text);
  const pressed = caption === '' || caption === data ? data : `${caption} (${data})`;
  return named(labels.buttonPressed, pressed);
}

function readReaction(update: JsonObject, labels: MessageLabels): string {
  const before = asList(update.old_reaction).map((reaction) => reactionName(reaction, labels));
  const after = asList(update.new_reaction).map((reaction) => reactionName(reaction, labels));
  const added = after.filter((reaction) => !before.includes(reaction));
  const removed = before.filter((reaction) => !after.includes(reaction));
  if (added.length > 0) return `${labels.reacted}: ${added.join(' ')}`;
  return removed.length > 0 ? `${labels.reactionRemoved}: ${removed.join(' ')}` : '';
}

function reactionName(value: unknown, labels: MessageLabels): string {
  const { type, emoji } = asObject(value);
  return asText(emoji) || (type === 'paid' ? '⭐' : labels.customEmoji);
}

function readMembership(update: JsonObject, labels: MessageLabels): string {
  const was = isMember(update.old_chat_member);
  const is = isMember(update.new_chat_member);
  if (asObject(update.chat).type === 'private') return is ? labels.botUnblocked : labels.botBlocked;
  if (was === is) return is ? labels.botRights : '';
  return is ? labels.botAdded : labels.botRemoved;
}

/** Whether a `ChatMember` is in the chat. */
export function isMember(member: unknown): boolean {
  const { status, is_member: stays } = asObject(member);
  return status === 'restricted' ? stays === true : ['creator', 'administrator', 'member'].includes(asText(status));
}

function readPollAnswer(answer: JsonObject, labels: MessageLabels): string {
  const options = asList(answer.option_ids).map((option) => String((asNumber(option) ?? 0) + 1));
  return options.length === 0 ? labels.voteRetracted : `${labels.voted} ${options.join(', ')}`;
}

function titled(label: string, value: unknown): string {
  return named(label, asText(asObject(value).title));
}

function orElse(rich: RichText, label: string): RichText {
  return isBlank(rich.text) ? plain(label) : trim(rich);
}

function starCount(value: unknown): string {
  const stars = asNumber(value);
  return stars === undefined ? '' : `${stars} ⭐`;
}

/** `total_amount` counts the smallest units of the currency; XTR are Telegram Stars. */
function amount(value: unknown): string {
  const { currency, total_amount: total } = asObject(value);
  const code = asText(currency);
  const units = asNumber(total);
  if (units === undefined) return '';
  if (code === 'XTR') return starCount(units);
  if (!/^[A-Z]{3}$/.test(code)) return spaced(String(units), code);
  const { maximumFractionDigits = 2 } = new Intl.NumberFormat('en', {
    style: 'currency',
    currency: code,
  }).resolvedOptions();
  return `${(units / 10 ** maximumFractionDigits).toFixed(maximumFractionDigits)} ${code}`;
}
