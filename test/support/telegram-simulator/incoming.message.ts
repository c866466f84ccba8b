import type { Message } from '@grammyjs/types';
import { findEntities, formatCaption, formatText } from './message.entities.js';
import type { SimulatedBot } from './simulated.bot.js';
import type { SimulatedChat } from './simulated.chat.js';
import { captionFields, textFields } from './text.params.js';

/** What a person may add to a message, or send instead of text. */
export type MessageContent = Partial<Omit<Message, 'message_id' | 'from' | 'chat'>>;

/**
 * Puts what a person sends into a chat: a text, or the fields of Message as they are. The entities the app finds by
 * itself are added unless the content has some.
 */
export function newMessage(
  bot: SimulatedBot,
  chat: SimulatedChat,
  sender: Partial<Message>,
  content: string | MessageContent,
): Message {
  const fields = typeof content === 'string' ? { text: content } : content;
  const message = {
    message_id: sender.message_id ?? chat.nextMessageId(),
    ...sender,
    chat: chat.chat,
    date: bot.unixTime,
    ...fields,
    ...formatted(fields),
  };
  chat.keep(message);
  return message;
}

function formatted({ text, entities = [], caption, caption_entities }: MessageContent): MessageContent {
  if (text !== undefined) return textFields(formatText(text, entities));
  if (caption === undefined || caption_entities) return {};
  const found = findEntities(caption);
  return found.length > 0 ? { caption_entities: found } : {};
}

/** The message with another text, or another caption when it has no text. */
export function changedText(message: Message, text: string): Message {
  if (message.text === undefined) {
    const { caption: _caption, caption_entities: _entities, ...rest } = message;
    return { ...rest, ...captionFields(formatCaption(text, [])) };
  }
  const { entities: _entities, ...rest } = message;
  return { ...rest, ...textFields(formatText(text, [])) };
}
