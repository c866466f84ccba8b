import type { MessageEntity } from '@grammyjs/types';
import type { NewFile } from '../support/bitrix24-simulator/portal-files.js';
import type { AlbumItem } from '../support/telegram-simulator/client.files.js';
import { contents } from '../support/telegram-simulator/client.contents.js';
import { withoutReply } from '../support/telegram-simulator/reply.parameters.js';
import type { MessageContent, SimulatedClient } from '../support/telegram-simulator/simulated.client.js';
import { dialogBubbles } from './bitrix24.view.js';
import { clientFile, type FileShelf, type ShelvedFile } from './file.shelf.js';
import { OPERATOR, type Sandbox } from './sandbox.js';
import { TelegramView } from './telegram.view.js';

const OUTAGE_MS = 10_000;
const FIRST_CLIENT = 700_000_001;
const HEALTH_MS = 700;
/** The app makes several albums of more (core.telegram.org/bots/api#sendmediagroup). */
const ALBUM_LIMIT = 10;

const NAMES = {
  en: ['Emma Clark', 'Liam Turner', 'Olivia Reed', 'Noah Brooks', 'Sophie Bell', 'Jack Murphy'],
  ru: ['Анна Смирнова', 'Пётр Волков', 'Мария Белова', 'Иван Соколов', 'Ольга Лебедева', 'Егор Новиков'],
};

type Body = Record<string, unknown>;

/** What the page shows, and what a person can do on it. */
export class PageState {
  private readonly clients = new Map<number, SimulatedClient>();
  private readonly telegram: TelegramView;
  private health = { at: 0, ready: false, waiting: 0 };

  private readonly actions: Record<string, (body: Body) => unknown> = {
    newClient: ({ language }) => ({ id: this.addClient(language === 'ru' ? 'ru' : 'en') }),
    clientSends: (body) => void this.clientSends(body),
    clientEdits: (body) => void this.clientEdits(body),
    clientReacts: (body) => void this.clientReacts(body),
    clientBlocks: (body) => void this.client(body).blocks(),
    clientUnblocks: (body) => void this.client(body).unblocks(),
    operatorSends: (body) => void this.operatorSends(body),
    operatorRecords: (body) => void this.operator.recordsVoice(this.dialog(body), this.shelf.get('voice.mp3').content),
    operatorEdits: ({ id, text }) => this.operator.edits(Number(id), words(text)),
    operatorDeletes: ({ id }) => this.operator.deletes(Number(id)),
    breakDown: ({ network }) =>
      this.sandbox.breakDown(network === 'telegram' ? 'telegram' : 'bitrix24', OUTAGE_MS).then(() => undefined),
  };

  constructor(
    private readonly sandbox: Sandbox,
    private readonly shelf: FileShelf,
  ) {
    this.telegram = new TelegramView(sandbox.bot);
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
    return {
      id: client.id,
      name: [client.profile.first_name, client.profile.last_name].filter(Boolean).join(' '),
      blocked: this.sandbox.bot.findChat(client.id)?.membership === 'kicked',
      telegram: this.telegram.bubblesOf(client),
      bitrix24: dialogBubbles(this.sandbox, dialogOf(client)),
    };
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

  // --- the client

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
    const reply = this.replyOf(client, body);
    const files = this.files(body);
    if (body['location'] === true) return void client.sendsMessage({ ...contents.location(), ...reply });
    if (files.length === 0) return void client.sends(words(body['text']), { entities: entitiesOf(body), ...reply });
    for (const [index, album] of albumsOf(files).entries()) {
      this.clientSendsFiles(client, album, index === 0 ? body : {}, reply);
    }
  }

  private clientSendsFiles(client: SimulatedClient, files: ShelvedFile[], body: Body, reply: MessageContent): void {
    const caption = typeof body['text'] === 'string' && body['text'] !== '' ? body['text'] : undefined;
    const [file] = files as [ShelvedFile];
    if (files.length > 1) {
      const items = files.map((each, index) => ({ ...clientFile(each), caption: index === 0 ? caption : undefined }));
      client.sendsAlbum(items as AlbumItem[], reply);
    } else {
      const { kind, ...content } = clientFile(file);
      const words = caption !== undefined && { caption, caption_entities: entitiesOf(body) };
      client.sendsFile(kind, content, { ...words, ...reply });
    }
  }

  private clientEdits(body: Body): void {
    const client = this.client(body);
    const id = Number(body['id']);
    const [file] = this.files(body);
    if (!file) return void client.edits(id, words(body['text']));
    const { kind, ...content } = clientFile(file);
    const caption = typeof body['text'] === 'string' && body['text'] !== '' ? body['text'] : undefined;
    client.editsFile(id, kind, content, { text: undefined, entities: undefined, caption } as MessageContent);
  }

  private clientReacts(body: Body): void {
    const client = this.client(body);
    const id = Number(body['id']);
    client.reacts(id, body['emoji'] === null ? undefined : '👍');
    this.telegram.reacted(client, id, body['emoji'] === null ? null : '👍');
  }

  private replyOf(client: SimulatedClient, { reply }: Body): MessageContent {
    if (reply === undefined) return {};
    const original = client.chat.find(Number(reply));
    if (!original) throw new Error('the message is not there any more');
    return { reply_to_message: withoutReply(original) };
  }

  // --- the operator

  private get operator() {
    return this.sandbox.portal.operator(OPERATOR);
  }

  private dialog(body: Body): string {
    return dialogOf(this.client(body));
  }

  private operatorSends(body: Body): void {
    const dialog = this.dialog(body);
    const files: NewFile[] = this.files(body).map(({ name, mime, content }) => ({ name, mime, content }));
    const text = files.length === 0 ? words(body['text']) : String(body['text'] ?? '');
    if (body['whisper'] === true) this.operator.whispers(dialog, words(text));
    else if (body['quote'] !== undefined) this.operator.quotes(Number(body['quote']), { text, files });
    else this.operator.sends(dialog, { text, files });
  }

  private files({ files }: Body): ShelvedFile[] {
    return Array.isArray(files) ? files.map((id) => this.shelf.get(String(id))) : [];
  }
}

const dialogOf = ({ id }: SimulatedClient) => `tg:${id}`;

function words(text: unknown): string {
  if (typeof text !== 'string' || text.trim() === '') throw new Error('nothing to send');
  return text;
}

function entitiesOf({ entities }: Body): MessageEntity[] {
  return Array.isArray(entities) ? (entities as MessageEntity[]) : [];
}

/** As the app does it: photos and videos together, documents and audio among their like, the rest alone. */
function albumsOf(files: ShelvedFile[]): ShelvedFile[][] {
  const albums: ShelvedFile[][] = [];
  for (const file of files) {
    const album = albums.at(-1);
    const family = familyOf(file);
    if (album && family !== null && familyOf(album[0]!) === family && album.length < ALBUM_LIMIT) album.push(file);
    else albums.push([file]);
  }
  return albums;
}

function familyOf({ kind }: ShelvedFile): string | null {
  if (kind === 'photo' || kind === 'video') return 'visual';
  return kind === 'document' || kind === 'audio' ? kind : null;
}
