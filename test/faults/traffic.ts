import { setTimeout as sleep } from 'node:timers/promises';
import type { SimulatedClient } from '../support/telegram-simulator/simulated.client.js';
import { until, type Stage } from './stage.js';

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

/** The people on both sides. Remembers everything they said, in their order. */
export class Traffic {
  /** By chat: how many messages either side has written. */
  readonly questions = new Map<number, number>();
  readonly answers = new Map<number, number>();
  /** Words of operators whose event no program took: Bitrix24 posts each event once. */
  readonly eventsLost = new Set<string>();
  private readonly clients: SimulatedClient[];
  private timer: NodeJS.Timeout | undefined;
  private owed = { clients: 0, operators: 0 };
  private at = 0;

  constructor(
    private readonly stage: Stage,
    chats: number,
  ) {
    this.clients = Array.from({ length: chats }, (_, n) =>
      stage.bot.client({ id: FIRST_CLIENT + n, first_name: `Client ${n}` }),
    );
  }

  /** Everybody has written once, and the operators see it. */
  static async begin(stage: Stage, chats: number): Promise<Traffic> {
    const traffic = new Traffic(stage, chats);
    for (const { id } of traffic.clients) traffic.ask(id);
    const opened = await until(
      () => stage.portal.lines.chats.size,
      (count) => count === chats,
      60_000,
    );
    if (!opened.ok) throw new Error(`Only ${opened.value} of ${chats} first messages arrived`);
    return traffic;
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
    return this.clients[chat - FIRST_CLIENT]!.sends(question(chat, n));
  }

  /** An operator writes. */
  reply(chat: number): string {
    const n = (this.answers.get(chat) ?? 0) + 1;
    this.answers.set(chat, n);
    this.stage.portal.operator(OPERATOR).sends(`tg:${chat}`, answer(chat, n));
    return answer(chat, n);
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
    const { journal } = this.stage.portal.events;
    for (const { outcome, body } of journal.slice(-200)) {
      const [words] = outcome === 'lost' ? (WORDS.exec(decodeURIComponent(body.replaceAll('+', ' '))) ?? []) : [];
      if (words) this.eventsLost.add(words);
    }
  }

  private anyChat(): number {
    return FIRST_CLIENT + Math.floor(Math.random() * this.clients.length);
  }
}
