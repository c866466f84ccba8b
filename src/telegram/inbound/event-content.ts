import { asList, asNumber, asObject, asText, type JsonObject } from '../../common/json-fields.js';
import type { MessageLabels } from './message-labels.js';
import { named } from './message-wording.js';

/** The button that was pressed, by its caption. */
export function readCallback(query: JsonObject, labels: MessageLabels): string {
  const data = asText(query.data) || asText(query.game_short_name);
  const caption = readPressedCaption(query);
  const pressed = caption === '' || caption === data ? data : `${caption} (${data})`;
  return named(labels.buttonPressed, pressed);
}

/** '' where the message is not accessible any more, or the button is a game. */
export function readPressedCaption(query: JsonObject): string {
  const data = asText(query.data);
  const keyboard = asObject(asObject(query.message).reply_markup).inline_keyboard;
  const button = asList(keyboard)
    .flatMap(asList)
    .map(asObject)
    .find((candidate) => data !== '' && candidate.callback_data === data);
  return asText(button?.text);
}

/** Reactions that were added, else those that were taken back; '' when nothing changed. */
export function readReaction(update: JsonObject, labels: MessageLabels): string {
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

/** What became of the bot in the chat; '' when nothing that is seen. */
export function readMembership(update: JsonObject, labels: MessageLabels): string {
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

/** The numbers of the options, from 1. */
export function readPollAnswer(answer: JsonObject, labels: MessageLabels): string {
  const options = asList(answer.option_ids).map((option) => String((asNumber(option) ?? 0) + 1));
  return options.length === 0 ? labels.voteRetracted : `${labels.voted} ${options.join(', ')}`;
}
