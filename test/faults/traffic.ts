import { setTimeout as sleep } from 'node:timers/promises';
import type { Chat } from '../support/bitrix24-simulator/open-lines.js';
import type { Portal } from '../support/bitrix24-simulator/portal.js';
import type { SimulatedClient } from '../support/telegram-simulator/simulated.client.js';
import { until, type Company } from './stage.js';

const TICK_MS = 20;
const FIRST_CLIENT = 1_000;
const OPERATOR = { id: 27, name: 'Samantha Johnson' };

/** Messages a second, all chats together. */
export interface Rates {
  clients: number;
  operators: number;
}

/** The words of message `n` of one side in a chat; each is said once, so that it is known again everywhere. */
export const question = (chat: number, n: number): string => `Question ${n} of ${chat}`;
export const answer = (chat: number, n: number): string => `Answer ${n} to ${chat}`;
/** Finds those words, also below a remark that they may be repeated. */
export const WORDS = /(?:Question \d+ of|Answer \d+ to) \d+/;

/** The people on both sides of one bot. Remembers everything they said, in their order. */
export class Traffic {
  /** By chat: how many messages either side has written. */
  readonly questions = new Map<number, number>();
  readonly answers = new Map<number, number>();
  /** When everything was said, Unix ms, and with which portal. */
  readonly said = new Map<string, { at: number; in: Portal }>();
  /** Words of operators whose event no program took: Bitrix24 posts each event once. */
  readonly eventsLost = new Set<string>();
  private readonly clients: SimulatedClient[];
  private timer: NodeJS.Timeout | undefined;
  private owed = { clients: 0, operators: 0 };
  private at = 0;

  /** All that the bot has served, the one it serves now last. */
  readonly portals: Portal[];

  constructor(
    { portal, bot }: Company,
    chats: number,
    private readonly firstClient: number,
  ) {
    this.portals = [portal];
    this.clients = Array.from({ length: chats }, (_, n) =>
      bot.client({ id: firstClient + n, first_name: `Client ${n}` }),
    );
  }

  /** Everybody has written once, and the operators see it. */
  static async begin(company: Company, chats: number, firstClient = FIRST_CLIENT): Promise<Traffic> {
    const traffic = new Traffic(company, chats, firstClient);
    for (const { id } of traffic.clients) traffic.ask(id);
    const opened = await until(
      () => traffic.chats.filter((chat) => traffic.dialogs(chat).length > 0).length,
      (count) => count === chats,
      60_000,
    );
    if (!opened.ok) throw new Error(`Only ${opened.value} of ${chats} first messages arrived`);
    return traffic;
  }

  /** What operators have of this client, oldest first: one dialog in each line that its bot has served. */
  dialogs(chat: number): Chat[] {
    return this.portals.flatMap(({ lines }) =>
      [...lines.chats.values()].filter((each) => each.externalId === `tg:${chat}`),
    );
  }

  /** The bot serves this portal from now on, or another line of it. */
  movesTo(portal: Portal): void {
    this.portals.splice(0, Infinity, ...this.portals.filter((each) => each !== portal), portal);
  }

  get chats(): number[] {
    return this.clients.map(({ id }) => id);
  }

  get written(): number {
    return [...this.questions.values(), ...this.answers.values()].reduce((sum, count) => sum + count, 0);
  }

  /** A client writes; returns the update that Telegram makes of it. */
  ask(chat: number) {
    const n = (this.questions.get(chat) ?? 0) + 1;
    this.questions.set(chat, n);
    this.said.set(question(chat, n), { at: Date.now(), in: this.portals.at(-1)! });
    return this.clients[chat - this.firstClient]!.sends(question(chat, n));
  }

  /** An operator writes where the client was heard last, if the portal lets anybody write there; null: it does not. */
  reply(chat: number): string | null {
    const heard = ({ messages }: Chat) => messages.findLast(({ author }) => author === 'client')?.at ?? 0;
    const dialog = this.dialogs(chat).reduce((last, each) => (heard(each) >= heard(last) ? each : last));
    const portal = this.portals.find(({ lines }) => lines.chatById(dialog.id) === dialog)!;
    if (!portal.lines.canSend(dialog)) return null;
    const words = answer(chat, (this.answers.get(chat) ?? 0) + 1);
    this.answers.set(chat, (this.answers.get(chat) ?? 0) + 1);
    this.said.set(words, { at: Date.now(), in: portal });
    portal.operator(OPERATOR).sends(dialog.id, words);
    return words;
  }

  /** From now on people write at these rates, the chats at random; at most so many messages, when said. */
  flow(rates: Rates, atMost = Infinity): void {
    this.at = performance.now();
    let left = atMost;
    this.timer = setInterval(() => {
      const now = performance.now();
      const seconds = (now - this.at) / 1000;
      this.at = now;
      this.owed.clients += rates.clients * seconds;
      this.owed.operators += rates.operators * seconds;
      for (; this.owed.clients >= 1 && left > 0; this.owed.clients--, left--) this.ask(this.anyChat());
      for (; this.owed.operators >= 1 && left > 0; this.owed.operators--, left--) this.reply(this.anyChat());
      this.noteLostEvents();
    }, TICK_MS);
  }

  pause(): void {
    clearInterval(this.timer);
    this.noteLostEvents();
  }

  async flowFor(rates: Rates, ms: number): Promise<void> {
    this.flow(rates);
    await sleep(ms);
    this.pause();
  }

  /** The queue of events forgets its oldest entries, so this is looked at often. */
  noteLostEvents(): void {
    for (const { events } of this.portals) {
      for (const { outcome, body } of events.journal.slice(-200)) {
        const [words] = outcome === 'lost' ? (WORDS.exec(decodeURIComponent(body.replaceAll('+', ' '))) ?? []) : [];
        if (words) this.eventsLost.add(words);
      }
    }
  }

  private anyChat(): number {
    return this.firstClient + Math.floor(Math.random() * this.clients.length);
  }
}
