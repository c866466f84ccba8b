import type { Chat, Message, MessageOrigin, PhotoSize, User } from '@grammyjs/types';
import { uploadFromClient } from './client.files.js';
import type { MessageContent } from './incoming.message.js';
import type { SimulatedBot } from './simulated.bot.js';

const KAZAN = { latitude: 55.796127, longitude: 49.106414 };

/** Messages that are neither text nor one file, ready to be sent with `sendsMessage`. */
export const contents = {
  location: (): MessageContent => ({ location: KAZAN }),

  /** Telegram sends the place twice, in `venue` and in `location`. */
  venue: (title = 'Kremlin', address = 'Kazan, Kremlin 1'): MessageContent => ({
    venue: { location: KAZAN, title, address, foursquare_id: '4c8d2' },
    location: KAZAN,
  }),

  /**
   * With the user's id it is a Telegram user's number: the sender's own one when it is his id. The card is that of the
   * address book it comes from, as it stands there (telegram-bot-api, Client.cpp, JsonContact).
   */
  contact: (
    phone_number: string,
    { id, first_name, vcard }: { id?: number; first_name: string; vcard?: string },
  ): MessageContent => ({
    contact: { phone_number, first_name, ...(id !== undefined && { user_id: id }), ...(vcard && { vcard }) },
  }),

  poll: (question = 'Which day?', ...options: string[]): MessageContent => ({
    poll: {
      id: '5298764131',
      question,
      options: (options.length > 0 ? options : ['Monday', 'Tuesday']).map((text, index) => ({
        persistent_id: String(index),
        text,
        voter_count: 0,
      })),
      total_voter_count: 0,
      is_closed: false,
      is_anonymous: true,
      type: 'regular',
      allows_multiple_answers: false,
      allows_revoting: true,
      members_only: false,
    },
  }),

  dice: (emoji: NonNullable<Message['dice']>['emoji'] = '🎲', value = 4): MessageContent => ({
    dice: { emoji, value },
  }),

  game: (bot: SimulatedBot): MessageContent => ({
    game: {
      title: 'Chess',
      description: 'A game for two',
      photo: photoOf(bot),
      text: '',
      text_entities: [],
      animation: uploadFromClient(bot, 'animation', {}).animation!,
    },
  }),

  story: (chat: Chat): MessageContent => ({ story: { chat, id: 12 } }),

  invoice: (): MessageContent => ({
    invoice: { title: 'Phone case', description: 'Black', start_parameter: '', currency: 'EUR', total_amount: 1990 },
  }),

  checklist: (title = 'Move', ...tasks: string[]): MessageContent => ({
    checklist: { title, tasks: tasks.map((text, index) => ({ id: index + 1, text })) },
  }),

  /** Somebody marked tasks; the checklist comes along as it is now (Client.cpp, JsonChecklistTasksDone). */
  tasksMarked: (
    checklist_message: Message,
    marked: { marked_as_done_task_ids?: number[]; marked_as_not_done_task_ids?: number[] },
  ): MessageContent => ({ checklist_tasks_done: { checklist_message: checklist_message, ...marked } }),

  gift: (bot: SimulatedBot, text?: string): MessageContent => ({
    gift: {
      gift: { id: '5170', sticker: uploadFromClient(bot, 'sticker', { format: 'animated' }).sticker!, star_count: 50 },
      ...(text !== undefined && { text }),
    },
  }),

  /** It cannot be downloaded before it is paid for. */
  paidMedia: (star_count = 10): MessageContent => ({
    paid_media: { star_count, paid_media: [{ type: 'preview', width: 640, height: 480 }] },
  }),

  /** A message of Bot API 10.1: blocks, and no `text`. */
  richMessage: (blocks: NonNullable<Message['rich_message']>['blocks']): MessageContent => ({
    rich_message: { blocks },
  }),

  /**
   * A reply to something in another chat, of which only this much is told; chat and message of channels and supergroups
   * (Client.cpp, JsonExternalReplyInfo).
   */
  externalReply: (origin: MessageOrigin, where: { chat?: Chat; message_id?: number } = {}): MessageContent => ({
    external_reply: { origin, ...where },
  }),
};

/** Where a forwarded message is from, for `forward_origin`; `date` in unix seconds. */
export const forwardedFrom = {
  user: (sender_user: User, date: number): MessageContent => ({ forward_origin: { type: 'user', date, sender_user } }),
  /** Of somebody whose account forwards do not link to. */
  hiddenUser: (sender_user_name: string, date: number): MessageContent => ({
    forward_origin: { type: 'hidden_user', date, sender_user_name },
  }),
  chat: (sender_chat: Chat, date: number, author_signature?: string): MessageContent => ({
    forward_origin: { type: 'chat', date, sender_chat, ...(author_signature && { author_signature }) },
  }),
  channel: (chat: Chat.ChannelChat, message_id: number, date: number, author_signature?: string): MessageContent => ({
    forward_origin: { type: 'channel', date, chat, message_id, ...(author_signature && { author_signature }) },
  }),
};

const photoOf = (bot: SimulatedBot): PhotoSize[] => uploadFromClient(bot, 'photo', {}).photo!;
