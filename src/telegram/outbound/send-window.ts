/** "About 30 messages per second" for a bot (core.telegram.org/bots/faq#broadcasting-to-users). */
const TELEGRAMS_LIMIT = 30;
/** One is left for the last message of the replica before this one: nobody told us when it went. */
export const SEND_LIMIT = TELEGRAMS_LIMIT - 1;
/** Places that automatic texts leave free, so that a person's words go at once while a newsletter goes out. */
export const PLACES_KEPT_FOR_PEOPLE = 2;
/** A second, including both ends. */
const WINDOW_MS = 1_001;
/** How long saved places are kept for a message that does not come back for them. */
const SAVED_FOR_MS = 1_000;

/** Who wrote what is sent: a person, or nobody (a newsletter, a closing text). */
export type SentFor = 'people' | 'nobody';

/**
 * The messages of one bot in the last second: never more than Telegram allows, however long the answers take.
 * Telegram counts a message at some moment between its beginning and its answer, so its place is free again a second
 * after the answer. Times are milliseconds of one monotonic clock.
 */
export class SendWindow {
  private readonly underWay: Record<SentFor, number> = { people: 0, nobody: 0 };
  /** Oldest first. */
  private answers: { at: number; sentFor: SentFor }[];
  /** Places kept free for a message that needs several at once, who wrote it, and until when. */
  private saved: { messages: number; sentFor: SentFor; until: number } = { messages: 0, sentFor: 'people', until: 0 };

  /** It starts with one place at `born`: what was sent before, perhaps by another replica, is unknown. */
  constructor(born: number) {
    this.answers = Array.from({ length: SEND_LIMIT - 1 }, () => ({ at: born, sentFor: 'people' }));
  }

  /** How many messages may start now; `nobody`: how many of them may be automatic texts. Below 0: none. */
  free(now: number): { all: number; nobody: number } {
    this.answers = this.answers.filter(({ at }) => now < at + WINDOW_MS);
    const all = SEND_LIMIT - this.used - this.answers.length;
    return { all, nobody: Math.min(all, this.freeForNobody) };
  }

  /**
   * The same for messages that need one place and must leave saved places alone. Saving for an automatic text takes
   * none of the places that are kept for people.
   */
  unsaved(now: number): { all: number; nobody: number } {
    const { all, nobody } = this.free(now);
    const { messages, sentFor, until } = this.saved;
    const unsaved = all - (now < until ? messages : 0);
    const kept = sentFor === 'nobody' ? Math.min(all, PLACES_KEPT_FOR_PEOPLE) : 0;
    return { all: Math.max(0, kept, unsaved), nobody: Math.max(0, Math.min(nobody, unsaved)) };
  }

  /**
   * Milliseconds, rounded up, until this many messages may start if none starts meanwhile. More messages than there are
   * places start when all are free.
   */
  waitMs(messages: number, sentFor: SentFor, now: number): number {
    const free = this.free(now);
    const places = SEND_LIMIT - (sentFor === 'nobody' ? PLACES_KEPT_FOR_PEOPLE : 0);
    const needed = Math.min(messages, places);
    const wait = untilAnswer(this.answers, needed - free.all, now);
    return sentFor === 'people'
      ? wait
      : Math.max(wait, untilAnswer(this.answersTo('nobody'), needed - this.freeForNobody, now));
  }

  /** This many are needed together: messages that need one place leave them free. People go before automatic texts. */
  save(messages: number, sentFor: SentFor, waitMs: number, now: number): void {
    if (sentFor === 'nobody' && this.saved.sentFor === 'people' && now < this.saved.until) return;
    this.saved = { messages, sentFor, until: now + waitMs + SAVED_FOR_MS };
  }

  begin(messages: number, sentFor: SentFor): void {
    this.underWay[sentFor] += messages;
  }

  cancel(messages: number, sentFor: SentFor): void {
    this.underWay[sentFor] -= messages;
  }

  answered(sentFor: SentFor, now: number): void {
    this.underWay[sentFor]--;
    this.answers.push({ at: now, sentFor });
  }

  /** Places for automatic texts that are not taken. */
  private get freeForNobody(): number {
    return SEND_LIMIT - PLACES_KEPT_FOR_PEOPLE - this.underWay.nobody - this.answersTo('nobody').length;
  }

  private get used(): number {
    return this.underWay.people + this.underWay.nobody;
  }

  private answersTo(sentFor: SentFor): { at: number }[] {
    return this.answers.filter((answer) => answer.sentFor === sentFor);
  }
}

/** Milliseconds until this many places are free again; messages under way still have their whole second to come. */
function untilAnswer(answers: { at: number }[], places: number, now: number): number {
  if (places <= 0) return 0;
  const answer = answers[places - 1];
  return answer ? Math.max(1, Math.ceil(answer.at + WINDOW_MS - now)) : WINDOW_MS;
}
