import type { Dialog } from './bitrix24-simulator/dialog.js';
import type { LineMessage } from './bitrix24-simulator/open-lines.js';
import { eventually, type Bridge } from './bridge.js';
import type { LedgerEntry } from './telegram-simulator.js';
import type { SimulatedClient } from './telegram-simulator/simulated.client.js';

/** Items and details of /admin/messages; tests read them freely. */
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

/** One client and the operator who answers him, with everything that a test asks about them. */
export class Conversation {
  /** Its opaque id in the admin API; '' before it began. */
  chatId = '';

  private constructor(
    private readonly bridge: Bridge,
    readonly client: SimulatedClient,
    readonly dialog: Dialog,
  ) {}

  /** The client's first message has arrived in the dialog, and the program knows. */
  static async begin(
    bridge: Bridge,
    id: number,
    profile: { language_code?: string; username?: string } = {},
  ): Promise<Conversation> {
    const conversation = Conversation.of(bridge, id, profile);
    conversation.client.sends('hello');
    conversation.chatId = (await conversation.becomes('hello', 'delivered')).chatId;
    return conversation;
  }

  /** Nobody has written yet. */
  static of(bridge: Bridge, id: number, profile: { language_code?: string; username?: string } = {}): Conversation {
    const client = bridge.bot.client({ id, first_name: `Client ${id}`, ...profile });
    return new Conversation(bridge, client, bridge.portal.dialog(`tg:${id}`));
  }

  answers(text: string): LineMessage {
    return this.bridge.portal.operator({ id: 27, name: 'Samantha Johnson' }).sends(`tg:${this.client.id}`, text);
  }

  /** Matches calls to Telegram that go to this client. */
  readonly toClient = (params: Readonly<Record<string, unknown>>): boolean =>
    String(params['chat_id']) === String(this.client.id);

  /** Matches calls to Bitrix24 that bring words of this client. */
  readonly fromClient = (params: Record<string, unknown>): boolean =>
    JSON.stringify(params).includes(`"tg:${this.client.id}"`);

  /** What really reached the client, whatever the program was told. */
  get reached(): string[] {
    return this.bridge.telegram
      .ledger()
      .filter(({ chatId }: LedgerEntry) => chatId === this.client.id)
      .map(({ text }) => text);
  }

  /** Every sendMessage to this client, answered or not. */
  get sends(): number {
    return this.bridge.telegram.calls.filter(
      ({ method, params }) => method.toLowerCase() === 'sendmessage' && this.toClient(params),
    ).length;
  }

  get notes(): string[] {
    return this.dialog.messages.filter(({ author }) => author === 'system').map(noteOf);
  }

  get received(): string[] {
    return this.dialog.clientMessages.map(({ text }) => text);
  }

  /** The message with this text, as soon as it is in the state. */
  async becomes(text: string, state: string, timeoutMs = 15_000): Promise<Json> {
    const [item] = await eventually<Json[]>(
      async () =>
        (await recentMessages(this.bridge)).filter(
          (message) => message.externalChatId === `tg:${this.client.id}` && message.text === text,
        ),
      (items) => items[0]?.state === state,
      timeoutMs,
    );
    return item;
  }

  async timeline(id: string): Promise<Json[]> {
    const { json } = await this.bridge.program.admin('GET', `/messages/${id}`);
    return json.timeline;
  }

  /** Waits for `n` notes and a moment more, in which no further one may come. */
  async hasNotes(n: number): Promise<string[]> {
    await eventually(
      () => this.notes,
      (notes) => notes.length >= n,
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    return this.notes;
  }
}

/** Without the name of the application, with which the messenger begins a line of the system that came by REST. */
export function noteOf({ author, text }: LineMessage): string {
  return author !== 'system' ? text : text.replace(/^\[b\][^[\]]*\[\/b\]\n/, '');
}

const READ_EVERY_MS = 200;
const reads = new WeakMap<Bridge, { at: number; items: Promise<Json[]> }>();

/** The admin API takes some ten requests a second from one address: conversations that wait together read together. */
function recentMessages(bridge: Bridge): Promise<Json[]> {
  const last = reads.get(bridge);
  if (last && Date.now() - last.at < READ_EVERY_MS) return last.items;
  const items: Promise<Json[]> = bridge.messages();
  reads.set(bridge, { at: Date.now(), items });
  return items;
}
