import { randomInt } from 'node:crypto';
import type { LinkPreviewOptions, Message } from '@grammyjs/types';
import { badRequest } from './bot-api.error.js';
import type { BotApiMethod } from './bot-api.methods.js';
import { CallParams } from './call.params.js';
import { readInputMedia, readMediaParam } from './input.media.js';
import { KINDS, type MediaKind } from './media.kinds.js';
import { sendMessages, sendOne, sendTarget } from './outgoing.message.js';
import type { SimulatedBot } from './simulated.bot.js';
import { readCaption, readText } from './text.params.js';

/** An album has so many messages at most (core.telegram.org/bots/api#sendmediagroup). */
const ALBUM = { least: 2, most: 10 };
/** What may be in an album; documents and audio only among their like. */
const ALBUM_KINDS = ['photo', 'video', 'document', 'audio'] as const satisfies readonly MediaKind[];
/** Seconds a location may be live: a minute to a day, or for ever. */
const LIVE_PERIOD = { least: 60, most: 86_400, forever: 0x7fffffff };

const CHAT_ACTIONS: ReadonlySet<string> = new Set([
  'cancel',
  'typing',
  'upload_photo',
  'record_video',
  'upload_video',
  'record_voice',
  'upload_voice',
  'record_audio',
  'upload_audio',
  'upload_document',
  'choose_sticker',
  'pick_up_location',
  'find_location',
  'record_video_note',
  'upload_video_note',
]);

export const SEND_METHODS: Readonly<Record<string, BotApiMethod>> = {
  sendMessage,
  sendPhoto: sendMedia('photo'),
  sendVideo: sendMedia('video'),
  sendAnimation: sendMedia('animation'),
  sendAudio: sendMedia('audio'),
  sendDocument: sendMedia('document'),
  sendVoice: sendMedia('voice'),
  sendVideoNote: sendMedia('video_note'),
  sendSticker: sendMedia('sticker'),
  sendMediaGroup,
  sendLocation: (bot, params) => sendOne(bot, params, { location: readLocation(params) }),
  sendVenue,
  sendContact,
  sendChatAction,
};

function sendMessage(bot: SimulatedBot, params: CallParams): Message {
  const text = readText(params);
  const preview = params.json('link_preview_options', 'link preview options') as LinkPreviewOptions | undefined;
  return sendOne(bot, params, { ...text, ...(preview && { link_preview_options: preview }) });
}

function sendMedia(kind: MediaKind): BotApiMethod {
  return async (bot, params) => {
    const caption = KINDS[kind].caption ? readCaption(params) : {};
    const media = await readMediaParam(bot, params, kind);
    return sendOne(bot, params, { ...media, ...caption, ...presentation(kind, params) });
  };
}

/** How a photo, a video or a GIF is shown. */
export function presentation(kind: MediaKind, params: CallParams): Partial<Message> {
  if (kind !== 'photo' && kind !== 'video' && kind !== 'animation') return {};
  return {
    ...(params.flag('has_spoiler') && { has_media_spoiler: true }),
    ...(params.flag('show_caption_above_media') && { show_caption_above_media: true }),
  };
}

async function sendMediaGroup(bot: SimulatedBot, params: CallParams): Promise<Message[]> {
  const media = params.json('media', 'media');
  if (media === undefined) throw badRequest('parameter "media" is required');
  if (!Array.isArray(media)) throw badRequest('expected an Array of InputMedia');
  const items = media.map(readInputMediaObject);
  const kinds = items.map(readAlbumKind);
  checkAlbum(kinds);

  const contents: Partial<Message>[] = [];
  for (const [index, item] of items.entries()) {
    const kind = kinds[index]!;
    const caption = readCaption(item);
    contents.push({ ...(await readInputMedia(bot, params, kind, item)), ...caption, ...presentation(kind, item) });
  }
  const media_group_id = String(randomInt(2 ** 47, 2 ** 48 - 1));
  const grouped = contents.map((content) => ({ ...content, media_group_id }));
  return sendMessages(bot, params.without('reply_markup'), grouped);
}

function readInputMediaObject(item: unknown): CallParams {
  if (typeof item === 'object' && item !== null && !Array.isArray(item)) return new CallParams({ ...item });
  throw badRequest("can't parse InputMedia: expected an Object");
}

function readAlbumKind(item: CallParams): (typeof ALBUM_KINDS)[number] {
  const type = item.text('type');
  const kind = ALBUM_KINDS.find((name) => name === type);
  if (kind) return kind;
  if (type === 'animation') throw badRequest(`can't parse InputMedia: type "${type}" can't be used in sendMediaGroup`);
  throw badRequest(`can't parse InputMedia: type "${type}" is unsupported`);
}

function checkAlbum(kinds: readonly MediaKind[]): void {
  if (kinds.length === 0) throw badRequest('there are no messages to send');
  if (kinds.length > ALBUM.most) throw badRequest('too many messages to send as an album');
  if (kinds.length < ALBUM.least) throw badRequest('media group must include 2-10 items');
  for (const kind of ['document', 'audio'] as const) {
    if (kinds.includes(kind) && kinds.some((other) => other !== kind)) {
      throw badRequest(`${kind} can't be mixed with other media types`);
    }
  }
}

function readLocation(params: CallParams): NonNullable<Message['location']> {
  if (!params.has('latitude')) throw badRequest('latitude is empty');
  if (!params.has('longitude')) throw badRequest('longitude is empty');
  const latitude = Number(params.text('latitude'));
  const longitude = Number(params.text('longitude'));
  if (!(Math.abs(latitude) <= 90) || !(Math.abs(longitude) <= 180)) throw badRequest('invalid location specified');
  const period = params.integer('live_period', 0);
  const { least, most, forever } = LIVE_PERIOD;
  if (period !== 0 && period !== forever && (period < least || period > most)) {
    throw badRequest('wrong live location period specified');
  }
  return { latitude, longitude, ...(period > 0 && { live_period: period }) };
}

function sendVenue(bot: SimulatedBot, params: CallParams): Message {
  const location = readLocation(params);
  const title = params.text('title');
  const address = params.text('address');
  if (title === '') throw badRequest('venue title must be non-empty');
  if (address === '') throw badRequest('venue address must be non-empty');
  return sendOne(bot, params, { venue: { location, title, address }, location });
}

function sendContact(bot: SimulatedBot, params: CallParams): Message {
  const phone_number = params.text('phone_number');
  const first_name = params.text('first_name');
  if (phone_number === '') throw badRequest('phone number must be non-empty');
  if (first_name === '') throw badRequest('first name must be non-empty');
  const last_name = params.text('last_name');
  const vcard = params.text('vcard');
  return sendOne(bot, params, {
    contact: { phone_number, first_name, ...(last_name && { last_name }), ...(vcard && { vcard }) },
  });
}

/**
 * A topic that was deleted is no reason to refuse an action, as it is for a message. Direct messages of a channel have
 * none (tdlib/td, DialogActionManager::send_dialog_action). An action is no message: no limit of messages counts it.
 */
function sendChatAction(bot: SimulatedBot, params: CallParams): true {
  const action = params.text('action');
  if (!CHAT_ACTIONS.has(action)) throw badRequest('wrong parameter action in request');
  if (!params.has('business_connection_id') && bot.resolveChat(params).isDirectMessages) {
    throw badRequest("Chat actions can't be sent to channel direct messages chats");
  }
  sendTarget(bot, params.without('message_thread_id')).chat.action = action === 'cancel' ? undefined : action;
  return true;
}
