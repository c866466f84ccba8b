import type { Message, MessageEntity } from '@grammyjs/types';
import type { LineMessage } from '../support/bitrix24-simulator/open-lines.js';
import type { SimulatedClient } from '../support/telegram-simulator/simulated.client.js';
import { OPERATOR, type Sandbox } from './sandbox.js';
import { LOCATION, PHOTO, STICKER, VOICE } from './telegram-updates.js';

const OUTAGE_MS = 10_000;
const FIRST_CLIENT = 700_000_001;
/** More would make every change of the page slow; both sides keep everything. */
const SHOWN = 300;
const HEALTH_MS = 700;

const NAMES = {
  en: ['Emma Clark', 'Liam Turner', 'Olivia Reed', 'Noah Brooks', 'Sophie Bell', 'Jack Murphy'],
  ru: ['Анна Смирнова', 'Пётр Волков', 'Мария Белова', 'Иван Соколов', 'Ольга Лебедева', 'Егор Новиков'],
};

/** What a client can send without typing. */
const KINDS = { sticker: STICKER, photo: PHOTO, voice: VOICE, location: LOCATION };

type Body = Record<string, unknown>;

/** What the page shows, and what a person can do on it. */
export class PageState {
  private readonly clients = new Map<number, SimulatedClient>();
  private health = { at: 0, ready: false, waiting: 0 };

  private readonly actions: Record<string, (body: Body) => unknown> = {
    newClient: ({ language }) => ({ id: this.addClient(language === 'ru' ? 'ru' : 'en') }),
    clientSends: (body) => void this.clientSends(body),
    clientBlocks: (body) => void this.client(body).blocks(),
    clientUnblocks: (body) => void this.client(body).unblocks(),
    operatorSends: (body) => void this.operatorSends(body),
    operatorEdits: ({ id, text }) => this.operator.edits(Number(id), words(text)),
    operatorDeletes: ({ id }) => this.operator.deletes(Number(id)),
    breakDown: ({ network }) =>
      this.sandbox.breakDown(network === 'telegram' ? 'telegram' : 'bitrix24', OUTAGE_MS).then(() => undefined),
  };

  constructor(private readonly sandbox: Sandbox) {
    this.addClient(sandbox.language);
  }

  /** Performs what a button asks for; throws with the reason when it cannot be done. */
  async act(name: string, body: Body): Promise<unknown> {
    const action = Object.hasOwn(this.actions, name) ? this.actions[name] : undefined;
    if (!action) throw new Error(`no action ${name}`);
    return (await action(body)) ?? {};
  }

  async snapshot() {
    const { sandbox } = this;
    await this.lookAtProgram();
    const { ready, waiting } = this.health;
    return {
      chain: {
        telegram: { down: sandbox.secondsDown('telegram') },
        bridge: { ready, waiting },
        bitrix24: { down: sandbox.secondsDown('bitrix24') },
      },
      docs: `${sandbox.program.url}/docs`,
      bot: sandbox.bot.profile.firstName,
      line: [...sandbox.portal.lines.lines.values()][0]?.name ?? '',
      clients: [...this.clients.values()].map((client) => this.describe(client)),
    };
  }

  private describe(client: SimulatedClient) {
    const chat = this.sandbox.bot.findChat(client.id);
    const dialog = this.sandbox.portal.dialog(`tg:${client.id}`);
    return {
      id: client.id,
      name: [client.profile.first_name, client.profile.last_name].filter(Boolean).join(' '),
      blocked: chat?.membership === 'kicked',
      telegram: (chat?.messages ?? []).slice(-SHOWN).map((message) => ({
        id: message.message_id,
        mine: !chat!.isFromBot(message.message_id),
        at: message.date * 1000,
        edited: message.edit_date !== undefined,
        ...contentOf(message),
      })),
      bitrix24: dialog.messages.slice(-SHOWN).map((message) => this.describeLine(message)),
    };
  }

  private describeLine(message: LineMessage) {
    const { id, author, authorId, text, files, at, whisper, edited, deleted } = message;
    const user = this.sandbox.portal.users.get(authorId);
    return {
      id,
      author,
      name: user ? `${user.name} ${user.lastName}`.trim() : '',
      text,
      files: files.map(({ name }) => name),
      at,
      whisper,
      edited,
      deleted,
      tick: this.tick(message),
    };
  }

  private tick({ id, author, sending, whisper, readByClient }: LineMessage): 'clock' | 'delivered' | 'seen' | null {
    if (author !== 'operator' || whisper) return null;
    if (sending) return 'clock';
    if (this.sandbox.seenMessages.has(id)) return 'seen';
    return readByClient ? 'delivered' : null;
  }

  /** Health and queue of the program, at most every {@link HEALTH_MS}. */
  private async lookAtProgram(): Promise<void> {
    if (Date.now() - this.health.at < HEALTH_MS) return;
    const { program } = this.sandbox;
    const health = await program.get('/health/ready').catch(() => undefined);
    const overview = await program.admin('GET', '/overview').catch(() => undefined);
    const counts = Object.values((overview?.json?.messages ?? {}) as Record<string, Record<string, number>>);
    const waiting = counts.reduce((sum, { queued = 0, sending = 0 }) => sum + queued + sending, 0);
    this.health = { at: Date.now(), ready: health?.status === 200, waiting };
  }

  private addClient(language: 'en' | 'ru'): number {
    const id = FIRST_CLIENT + this.clients.size;
    const [first_name = '', last_name] = NAMES[language][this.clients.size % NAMES[language].length]!.split(' ');
    const surname = last_name === undefined ? {} : { last_name };
    this.clients.set(id, this.sandbox.bot.client({ id, first_name, ...surname, language_code: language }));
    return id;
  }

  private client({ client }: Body): SimulatedClient {
    const found = this.clients.get(Number(client));
    if (!found) throw new Error('no such client');
    return found;
  }

  private clientSends(body: Body): void {
    const client = this.client(body);
    const { kind, entities } = body;
    if (typeof kind === 'string' && Object.hasOwn(KINDS, kind)) client.sendsMessage(KINDS[kind as keyof typeof KINDS]);
    else client.sends(words(body['text']), { entities: (Array.isArray(entities) ? entities : []) as MessageEntity[] });
  }

  private get operator() {
    return this.sandbox.portal.operator(OPERATOR);
  }

  private operatorSends(body: Body): void {
    const dialog = `tg:${this.client(body).id}`;
    const text = words(body['text']);
    if (body['whisper'] === true) this.operator.whispers(dialog, text);
    else this.operator.sends(dialog, text);
  }
}

function words(text: unknown): string {
  if (typeof text !== 'string' || text.trim() === '') throw new Error('nothing to send');
  return text;
}

function contentOf(message: Message) {
  const { sticker, location } = message;
  if (message.text !== undefined) return { kind: 'text', text: message.text, entities: message.entities ?? [] };
  if (sticker) return { kind: 'sticker', text: sticker.emoji ?? '🙂', entities: [] };
  if (message.photo) return { kind: 'photo', text: message.caption ?? '', entities: message.caption_entities ?? [] };
  if (message.voice) return { kind: 'voice', text: String(message.voice.duration), entities: [] };
  if (location) return { kind: 'location', text: `${location.latitude}, ${location.longitude}`, entities: [] };
  return { kind: 'other', text: '', entities: [] };
}
