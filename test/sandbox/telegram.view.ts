import type { Message, MessageEntity } from '@grammyjs/types';
import type { SimulatedBot } from '../support/telegram-simulator/simulated.bot.js';
import type { SimulatedClient } from '../support/telegram-simulator/simulated.client.js';
import type { PageFile } from './page.files.js';

/** What the client sees as one message; an album is one. */
export interface TelegramBubble {
  /** Of an album: its first part. */
  id: number;
  album: string | undefined;
  mine: boolean;
  /** Unix ms. */
  at: number;
  edited: boolean;
  deleted: boolean;
  text: string;
  entities: readonly MessageEntity[];
  files: PageFile[];
  location: string | null;
  /** What it answers. */
  reply: { name: string; words: string } | null;
  /** The client's. */
  reaction: string | null;
  /** Rows of the buttons that stand under it. */
  buttons: ShownButton[][];
}

/** A button as the client sees it; with neither, a press does something in the client's app alone. */
interface ShownButton {
  text: string;
  /** A press comes back to the bot. */
  data?: string;
  url?: string;
}

interface ClientMemory {
  /** By message id. Telegram shows nothing of a deleted message; the page does, crossed out. */
  bubbles: Map<number, TelegramBubble>;
  reactions: Map<number, string>;
}

/** The chats with the bot as the clients see them. */
export class TelegramView {
  private readonly memories = new Map<number, ClientMemory>();

  constructor(private readonly bot: SimulatedBot) {}

  bubblesOf(client: SimulatedClient): TelegramBubble[] {
    const { bubbles } = this.memory(client);
    const left = new Set(bubbles.keys());
    for (const message of this.bot.findChat(client.id)?.messages ?? []) {
      bubbles.set(message.message_id, this.describe(client, message));
      left.delete(message.message_id);
    }
    for (const id of left) bubbles.get(id)!.deleted = true;
    return withAlbums([...bubbles.values()]);
  }

  /** Keeps that the client set a reaction, or took it back with null: the chat does not tell. */
  reacted(client: SimulatedClient, messageId: number, emoji: string | null): void {
    const { reactions } = this.memory(client);
    if (emoji === null) reactions.delete(messageId);
    else reactions.set(messageId, emoji);
  }

  private memory({ id }: SimulatedClient): ClientMemory {
    const memory = this.memories.get(id) ?? { bubbles: new Map(), reactions: new Map() };
    this.memories.set(id, memory);
    return memory;
  }

  private describe(client: SimulatedClient, message: Message): TelegramBubble {
    const { message_id: id, text, caption, entities, caption_entities, location } = message;
    return {
      id,
      album: message.media_group_id,
      mine: !client.chat.isFromBot(id),
      at: message.date * 1000,
      edited: message.edit_date !== undefined,
      deleted: false,
      text: text ?? caption ?? '',
      entities: entities ?? caption_entities ?? [],
      files: filesOf(message),
      location: location ? `${location.latitude}, ${location.longitude}` : null,
      reply: this.replyOf(client, message),
      reaction: this.memory(client).reactions.get(id) ?? null,
      buttons: buttonsOf(message),
    };
  }

  private replyOf(client: SimulatedClient, { reply_to_message: original, quote }: Message): TelegramBubble['reply'] {
    if (!original) return null;
    const [file] = filesOf(original);
    const words = quote?.text ?? original.text ?? original.caption ?? file?.name ?? '';
    const fromBot = client.chat.isFromBot(original.message_id);
    return { name: fromBot ? this.bot.profile.firstName : client.profile.first_name, words };
  }
}

function filesOf(message: Message): PageFile[] {
  const { photo, sticker, voice, audio, video, video_note: round, animation, document } = message;
  const file = (kind: PageFile['kind'], ids: { file_id: string; file_size?: number }, name: string): PageFile[] => [
    { kind, name, size: ids.file_size ?? 0, url: `/files/telegram/${ids.file_id}` },
  ];
  if (photo) return file('image', photo.at(-1)!, 'photo.jpg');
  if (sticker) return file('sticker', sticker, sticker.emoji ?? '');
  if (voice) return file('audio', voice, 'voice.ogg');
  if (audio) return file('audio', audio, audio.file_name ?? 'audio.mp3');
  if (video ?? animation) return file('video', (video ?? animation)!, (video ?? animation)!.file_name ?? 'video.mp4');
  if (round) return file('video', round, 'video.mp4');
  return document ? file('file', document, document.file_name ?? 'file') : [];
}

/** Parts of an album follow each other; its words stand at one of them. */
function withAlbums(bubbles: TelegramBubble[]): TelegramBubble[] {
  const joined: TelegramBubble[] = [];
  for (const bubble of bubbles) {
    const last = joined.at(-1);
    if (last?.album === undefined || last.album !== bubble.album) joined.push(bubble);
    else {
      const words = last.text === '' ? bubble : last;
      joined[joined.length - 1] = {
        ...last,
        text: words.text,
        entities: words.entities,
        files: [...last.files, ...bubble.files],
        edited: last.edited || bubble.edited,
      };
    }
  }
  return joined;
}

function buttonsOf({ reply_markup }: Message): ShownButton[][] {
  return (reply_markup?.inline_keyboard ?? []).map((row) =>
    row.map((button) => ({
      text: button.text,
      ...('callback_data' in button ? { data: button.callback_data } : {}),
      ...('url' in button ? { url: button.url } : {}),
    })),
  );
}
