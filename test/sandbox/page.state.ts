import type { MessageEntity } from '@grammyjs/types';
import { asText } from '../../src/common/json-fields.js';
import type { NewFile } from '../support/bitrix24-simulator/portal-files.js';
import { contents } from '../support/telegram-simulator/client.contents.js';
import { withoutReply } from '../support/telegram-simulator/reply.parameters.js';
import type { MessageContent, SimulatedClient } from '../support/telegram-simulator/simulated.client.js';
import { dialogBubbles } from './bitrix24.view.js';
import { DealCards } from './deal-card.js';
import { putFileOver, sendFiles, type Caption } from './client.uploads.js';
import type { FileShelf, ShelvedFile } from './file.shelf.js';
import { dialogOf, OPERATOR, type Sandbox } from './sandbox.js';
import { TelegramView } from './telegram.view.js';

const OUTAGE_MS = 10_000;
const FIRST_CLIENT = 700_000_001;
const HEALTH_MS = 700;
/** More messages would make every change of the page slow; the simulators keep everything. */
const SHOWN = 300;

const NAMES = {
  en: ['Emma Clark', 'Liam Turner', 'Olivia Reed', 'Noah Brooks', 'Sophie Bell', 'Jack Murphy'],
  ru: ['Анна Смирнова', 'Пётр Волков', 'Мария Белова', 'Иван Соколов', 'Ольга Лебедева', 'Егор Новиков'],
};

type Body = Record<string, unknown>;

/** What the page shows, and what a person can do on it. */
export class PageState {
  private readonly clients = new Map<number, SimulatedClient>();
  private readonly telegram: TelegramView;
  private readonly deals: DealCards;
  private health = { at: 0, ready: false, waiting: 0 };

  private readonly actions: Record<string, (body: Body) => unknown> = {
    newClient: ({ language }) => ({ id: this.addClient(language === 'ru' ? 'ru' : 'en') }),
    clientSends: (body) => this.clientSends(body),
    clientEdits: (body) => this.clientEdits(body),
    clientReacts: (body) => this.clientReacts(body),
    clientPresses: (body) => this.clientPresses(body),
    clientSharesPhone: (body) => this.clientSharesPhone(body),
    clientOpensLink: (body) => this.clientOpensLink(body),
    clientBlocks: (body) => void this.client(body).blocks(),
    clientUnblocks: (body) => void this.client(body).unblocks(),
    operatorSends: (body) => this.operatorSends(body),
    operatorRecords: (body) => void this.operator.recordsVoice(this.dialog(body), this.shelf.get('voice.mp3').content),
    operatorEdits: (body) => this.operatorEdits(body),
    robotRuns: (body) => void this.deals.runRobot(this.client(body)),
    operatorDeletes: ({ id }) => this.operator.deletes(Number(id)),
    breakDown: ({ network }) =>
      this.sandbox.breakDown(network === 'telegram' ? 'telegram' : 'bitrix24', OUTAGE_MS).then(() => undefined),
  };

  constructor(
    private readonly sandbox: Sandbox,
    private readonly shelf: FileShelf,
  ) {
    this.telegram = new TelegramView(sandbox.bot);
    this.deals = new DealCards(sandbox);
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
      console: `${sandbox.program.url}/console`,
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
      asksPhone: this.sandbox.bot.findChat(client.id)?.replyKeyboard !== undefined,
      telegram: this.telegram.bubblesOf(client).slice(-SHOWN),
      deal: this.deals.of(client),
      bitrix24: dialogBubbles(this.sandbox, dialogOf(client), SHOWN),
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
    sendFiles(client, files, captionOf(body), reply);
  }

  private clientEdits(body: Body): void {
    const client = this.client(body);
    const id = Number(body['id']);
    const [file] = this.files(body);
    if (file) putFileOver(client, id, file, captionOf(body).caption);
    else client.edits(id, words(body['text']));
  }

  private clientReacts(body: Body): void {
    const client = this.client(body);
    const id = Number(body['id']);
    client.reacts(id, body['emoji'] === null ? undefined : '👍');
    this.telegram.reacted(client, id, body['emoji'] === null ? null : '👍');
  }

  private clientPresses(body: Body): void {
    this.client(body).presses(Number(body['id']), words(body['data']));
  }

  private clientSharesPhone(body: Body): void {
    this.client(body).sharesPhone();
  }

  /** The client presses Start behind the link of a campaign. */
  private async clientOpensLink(body: Body): Promise<void> {
    const client = this.client(body);
    client.starts(await this.deals.linkCode());
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
    const text = files.length === 0 ? words(body['text']) : asText(body['text']);
    if (body['whisper'] === true && files.length > 0) throw new Error('only words can be hidden from the client');
    if (body['whisper'] === true) this.operator.whispers(dialog, text);
    else if (body['quote'] !== undefined) this.operator.quotes(Number(body['quote']), { text, files });
    else this.operator.sends(dialog, { text, files });
  }

  private operatorEdits(body: Body): void {
    if (this.files(body).length > 0) throw new Error('no files can be added to what was sent');
    this.operator.edits(Number(body['id']), words(body['text']));
  }

  private files({ files }: Body): ShelvedFile[] {
    return Array.isArray(files) ? files.map((id) => this.shelf.get(String(id))) : [];
  }
}

function words(text: unknown): string {
  if (typeof text !== 'string' || text.trim() === '') throw new Error('nothing to send');
  return text;
}

/** The app finds links and the like by itself where nothing is formatted. */
function captionOf(body: Body): Caption {
  const { text: caption } = body;
  if (typeof caption !== 'string' || caption.trim() === '') return {};
  const caption_entities = entitiesOf(body);
  return caption_entities.length > 0 ? { caption, caption_entities } : { caption };
}

function entitiesOf({ entities }: Body): MessageEntity[] {
  return Array.isArray(entities) ? (entities as MessageEntity[]) : [];
}
