import type { BusinessBotRights } from '@grammyjs/types';
import { uploadFromClient, type AlbumItem, type ClientFile } from './client.files.js';
import type { FileContent } from './file.store.js';
import type { MessageContent } from './incoming.message.js';
import type { MediaKind } from './media.kinds.js';
import type { SimulatedBot } from './simulated.bot.js';
import type { SimulatedChat } from './simulated.chat.js';
import type { ClientProfile } from './simulated.client.js';
import type { BotStatus, GroupChat } from './simulated.group.js';

/** A file in JSON: its bytes in base64, or only their number; a sample without either. */
type ControlFile = Omit<ClientFile, 'content'> & { base64?: string; bytes?: number };

export interface ControlBody extends MessageContent {
  client?: Partial<ClientProfile>;
  data?: string;
  emoji?: string;
  kind?: MediaKind;
  file?: ControlFile;
  album?: (ControlFile & Pick<AlbumItem, 'kind' | 'caption'>)[];
  reply_to?: number;
  payload?: string;
  /** Of a group and of a business account. */
  group?: GroupChat;
  status?: BotStatus;
  thread?: number;
  name?: string;
  rights?: BusinessBotRights;
}

/** Where a route leads: the parameters of its path by name, and the body. Answers JSON, or throws. */
export type ControlRoute = (path: Record<string, string>, body: ControlBody, query: URLSearchParams) => unknown;

export interface RoutedControl {
  readonly method: string;
  readonly pattern: RegExp;
  readonly route: ControlRoute;
}

/** Answered with 404. */
export class ControlNotFound extends Error {
  constructor(what: string) {
    super(`not found: ${what}`);
  }
}

/** A route under `/control`; every `:name` in the template is a number. */
export function at(method: string, template: string, route: ControlRoute): RoutedControl {
  const pattern = new RegExp(`^/control${template.replaceAll(/:(\w+)/g, '(?<$1>-?\\d+)')}/?$`);
  return { method, pattern, route };
}

/** What a person sends with `{kind, file?, …}` or with the fields of Message themselves. */
export function contentOf(
  bot: SimulatedBot,
  { kind, file, ...content }: MessageContent & Pick<ControlBody, 'kind' | 'file'>,
) {
  return kind ? { ...uploadFromClient(bot, kind, decoded(file ?? {})), ...content } : content;
}

export function decoded<T extends ControlFile>({ base64, bytes, ...file }: T) {
  const counted: FileContent | undefined = bytes === undefined ? undefined : { bytes };
  const content = base64 === undefined ? counted : Buffer.from(base64, 'base64');
  return { ...file, ...(content && { content }) };
}

/** The person a path names, as the body describes them. */
export function personIn({ userId }: Record<string, string>, profile: Partial<ClientProfile> = {}): ClientProfile {
  return { first_name: `Client ${userId}`, ...profile, id: Number(userId) };
}

export function listMessages(chat: SimulatedChat, query: URLSearchParams) {
  const after = Number(query.get('after') ?? 0);
  const messages = chat.messages.filter((message) => message.message_id > after);
  return { chat: chat.chat, action: chat.action ?? null, replyKeyboard: chat.replyKeyboard ?? null, messages };
}
