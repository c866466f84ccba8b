import { badRequest } from './bot-api.error.js';

/** Seconds for which a pressed button waits for the bot. */
export const CALLBACK_LIFETIME = 150;

/** The pressed buttons of one bot that were not answered yet. */
export class CallbackQueries {
  private readonly waiting = new Map<string, number>();
  private last = 0;

  constructor(
    private readonly botId: number,
    private readonly unixTime: () => number,
  ) {}

  open(): string {
    this.last += 1;
    const id = `${this.botId}${String(this.last).padStart(9, '0')}`;
    this.waiting.set(id, this.unixTime() + CALLBACK_LIFETIME);
    return id;
  }

  /** Throws 400 for one that was answered, that is too old or that never was. */
  answer(id: string): void {
    const until = this.waiting.get(id);
    this.waiting.delete(id);
    if (until === undefined || until < this.unixTime()) {
      throw badRequest('query is too old and response timeout expired or query ID is invalid');
    }
  }
}
