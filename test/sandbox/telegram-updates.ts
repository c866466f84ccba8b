import type { Message } from '@grammyjs/types';

/** Fields of messages in the shape in which Telegram sends them to bots (core.telegram.org/bots/api#message). */
export const STICKER = {
  sticker: {
    width: 512,
    height: 512,
    emoji: '👋',
    set_name: 'HotCherry',
    is_animated: true,
    is_video: false,
    type: 'regular',
    thumbnail: {
      file_id: 'AAMCAgADGQEAAgEFZ0aXtGk1n6u8hQo5k2wq7xkPq-wAAgUAA8A2TxP5al-agmtNdQEAB20AAzYE',
      file_unique_id: 'AQADBQADwDZPE3I',
      file_size: 5214,
      width: 128,
      height: 128,
    },
    file_id: 'CAACAgIAAxkBAAIBBWdGl7RpNZ-rvIUKOZNsKu8ZD6vsAAIFAAPANk8T-WpfmoJrTXU2BA',
    file_unique_id: 'AgADBQADwDZPEw',
    file_size: 7285,
  },
} satisfies Partial<Message>;

export const PHOTO = {
  photo: [
    {
      file_id: 'AgACAgIAAxkBAAIBBmdGl9Zc7s2ZAAHhQ1p4b0cBqZ1nhQAC5OcxG3d8OErq4uV0Y7mWxwEAAwIAA3MAAzYE',
      file_unique_id: 'AQAD5OcxG3d8OEp4',
      file_size: 1180,
      width: 90,
      height: 67,
    },
    {
      file_id: 'AgACAgIAAxkBAAIBBmdGl9Zc7s2ZAAHhQ1p4b0cBqZ1nhQAC5OcxG3d8OErq4uV0Y7mWxwEAAwIAA3kAAzYE',
      file_unique_id: 'AQAD5OcxG3d8OEp-',
      file_size: 96_412,
      width: 1280,
      height: 960,
    },
  ],
} satisfies Partial<Message>;

export const VOICE = {
  voice: {
    duration: 7,
    mime_type: 'audio/ogg',
    file_id: 'AwACAgIAAxkBAAIBB2dGmAFbC0yY1Q3nL7xk4c2p9JqzAAJ2WQACd3w4Sv0c9b4J2kRqNgQ',
    file_unique_id: 'AgADdlkAAnd8OEo',
    file_size: 28_113,
  },
} satisfies Partial<Message>;

export const LOCATION = { location: { latitude: 55.796127, longitude: 49.106414 } } satisfies Partial<Message>;

/** A whole update with a text, as a webhook gets it. */
export function textUpdate(
  update_id: number,
  message_id: number,
  from: { id: number; first_name: string },
  text: string,
) {
  return {
    update_id,
    message: {
      message_id,
      from: { ...from, is_bot: false, language_code: 'en' },
      chat: { ...from, type: 'private' },
      date: Math.floor(Date.now() / 1000),
      text,
    },
  };
}
