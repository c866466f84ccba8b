import { asObject, asOrdinal, asText, type JsonObject } from '../../common/json-fields.js';
import type { ClientUpdate, Ignored, Said } from '../../relay/message.js';
import { plain, type RichText } from '../../relay/rich-text.js';
import { isButtonId, UNSUBSCRIBE_DATA } from '../../storage/work/keyboard.js';
import { parseChat } from './chat.parser.js';
import { authorOf, dateOf, inGroup, NOWHERE, record, signed, systemLine, type UpdateContext } from './client-update.js';
import { isMember, readPressedCaption } from './event-content.js';
import { MESSAGE_LABELS } from './labels-by-language.js';
import { describeUpdate } from './message-content.js';
import { named } from './message-wording.js';

const UNCHANGED: Ignored = { code: 'no_change', detail: 'Nothing that an operator would see has changed.' };

export function readCallbackQuery(query: JsonObject, context: UpdateContext): ClientUpdate {
  const from = asObject(query.from);
  const place = asObject(query.message);
  const chat = parseChat(place, from);
  const described = describeUpdate(context.update, context.language);
  if (!chat || !described) return record(context, chat, NOWHERE);
  const author = authorOf({ from });
  const said = (words: RichText): Said => ({
    kind: described.kind,
    ...signed(words, author.authorName, false, chat.type),
    ...author,
    raw: context.update,
    notOwnWords: true,
  });
  const buttonId = asText(query.data);
  if (buttonId === UNSUBSCRIBE_DATA && chat.type === 'private') {
    const { unsubscribed } = MESSAGE_LABELS[context.language];
    const told = { kind: 'unsubscribed', ...plain(unsubscribed), ...author, canWait: true } as const;
    return { ...systemLine(context, chat, told), unsubscribes: 'button', sawChat: true };
  }
  if (!isButtonId(buttonId)) return { ...context.base, chat, said: said(described.words), sawChat: true };
  const label = MESSAGE_LABELS[context.language].buttonPressed;
  const telegramMessageId = asOrdinal(place.message_id);
  return {
    ...context.base,
    chat,
    // Until the table says what it means.
    said: said(plain(named(label, readPressedCaption(query)))),
    press: { buttonId, pressId: asText(query.id), before: said(plain(`${label}:`)).text, placeless: place.date === 0 },
    ...(telegramMessageId === undefined ? {} : { replyTo: { telegramMessageId } }),
    sawChat: true,
  };
}

export function readReaction(reaction: JsonObject, context: UpdateContext): ClientUpdate {
  const author = authorOf({ from: reaction.user, sender_chat: reaction.actor_chat });
  // The update does not name the topic, and another dialog than that of the message would mislead.
  const inSomeTopic = asObject(reaction.chat).is_forum === true;
  const chat = inSomeTopic ? null : parseChat({ chat: reaction.chat }, asObject(reaction.user));
  if (!chat) return record(context, null, NOWHERE, author);
  const described = describeUpdate(context.update, context.language);
  if (!described) return { ...record(context, chat, UNCHANGED, author), sawChat: true };
  const said = {
    kind: described.kind,
    ...inGroup(chat.type, author.authorName, described.words),
    ...author,
    saidAt: dateOf(reaction.date),
  };
  const telegramMessageId = asOrdinal(reaction.message_id);
  const replyTo = telegramMessageId === undefined ? undefined : { telegramMessageId, unnamed: true };
  return { ...systemLine(context, chat, said), replyTo, sawChat: true };
}

export function readMembership(change: JsonObject, context: UpdateContext): ClientUpdate {
  const chat = parseChat({ chat: change.chat }, asObject(change.from));
  const author = authorOf(change);
  if (!chat) return record(context, null, NOWHERE, author);
  const is = isMember(change.new_chat_member);
  const isSame = change.old_chat_member !== undefined && isMember(change.old_chat_member) === is;
  const described = isSame ? null : describeUpdate(context.update, context.language);
  const told = described
    ? systemLine(context, chat, { kind: described.kind, ...described.words, ...author, saidAt: dateOf(change.date) })
    : record(context, chat, UNCHANGED, author);
  return { ...told, blocked: !is };
}
