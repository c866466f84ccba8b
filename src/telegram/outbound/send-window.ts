/** "About 30 messages per second" for a bot (core.telegram.org/bots/faq#broadcasting-to-users). */
const TELEGRAMS_LIMIT = 30;
/** One is left for what the replica before this one sent last: nobody told us when. */
export const SEND_LIMIT = TELEGRAMS_LIMIT - 1;
/** Of them automatic texts leave these free, so that a person's words go at once while a newsletter goes out. */
export const PLACES_KEPT_FOR_PEOPLE = 2;
/** A second, both of its ends counted. */
const WINDOW_MS = 1_001;
/** What is saved up for somebody who does not come back for it is not kept longer. */
const SAVED_FOR_MS = 1_000;

/** Who wrote what is sent: a person, or nobody (a newsletter, a closing text). */
export type SentFor = 'people' | 'nobody';

/**
 * The messages of one bot in the last second: never more than Telegram allows in any second, whatever the answers take.
 * Telegram counts a message at some moment between its beginning and its answer, so its place is free again a second
 * after the answer. Times are milliseconds of one monotonic clock.
 */
export class SendWindow {
  private readonly underWay: Record<SentFor, number> = { people: 0, nobody: 0 };
  /** Oldest first. */
  private answers: { at: number; sentFor: SentFor }[];
  /** Places that are left free for a message that needs several at once, whose it is, and until when. */
  private saved: { messages: number; sentFor: SentFor; until: number } = { messages: 0, sentFor: 'people', until: 0 };

  /** It begins with one place at `born`: what was sent before, perhaps by another replica, is not known. */
  constructor(born: number) {
    this.answers = Array.from({ length: SEND_LIMIT - 1 }, () => ({ at: born, sentFor: 'people' }));
  }

  /** How many messages may be begun now; `nobody`: of those, how many that nobody wrote. Less than 0: none. */
  free(now: number): { all: number; nobody: number } {
    this.answers = this.answers.filter(({ at }) => now < at + WINDOW_MS);
    const all = SEND_LIMIT - this.used - this.answers.length;
    return { all, nobody: Math.min(all, this.freeForNobody) };
  }

  /**
   * The same for messages that need one place, and leave alone what is saved up for others. What is saved up for an
   * automatic text is not taken from the places that are kept for people.
   */
  unsaved(now: number): { all: number; nobody: number } {
    const { all, nobody } = this.free(now);
    const { messages, sentFor, until } = this.saved;
    const unsaved = all - (now < until ? messages : 0);
    const kept = sentFor === 'nobody' ? Math.min(all, PLACES_KEPT_FOR_PEOPLE) : 0;
    return { all: Math.max(0, kept, unsaved), nobody: Math.max(0, Math.min(nobody, unsaved)) };
  }

  /**
   * Milliseconds, rounded up, until so many messages may be begun if none is begun meanwhile. More than there are
   * places begin when all are free.
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

  /** So many are needed together: whoever needs one place leaves them free until then. People go before automatic texts. */
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

  /** Places of automatic texts that none of them takes. */
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

/** Milliseconds until so many of the places are free again; those under way still have all of their second to come. */
function untilAnswer(answers: { at: number }[], places: number, now: number): number {
  if (places <= 0) return 0;
  const answer = answers[places - 1];
  return answer ? Math.max(1, Math.ceil(answer.at + WINDOW_MS - now)) : WINDOW_MS;
}
