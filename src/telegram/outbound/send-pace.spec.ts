import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GRANTED } from '../../common/grant.js';
import { SendPace } from './send-pace.js';

/** Long enough after the start for every bucket to be full. */
const RESTED = 60_000;
const CLIENT = 101n;
const GROUP = -1001n;

/** Sends as soon as the pace allows, each message answered after `latencyMs`; the times of sending from 0 on. */
function sendAll(pace: SendPace, chat: bigint, count: number, latencyMs = 0): number[] {
  const times: number[] = [];
  for (let now = RESTED; times.length < count;) {
    if (pace.reserve(1, now) === 0) {
      now += pace.waitMs(now);
      continue;
    }
    const turn = pace.turn(chat);
    const grant = turn.take(1, now);
    if (grant.granted) {
      times.push(now - RESTED);
      now += latencyMs;
      turn.answered(now);
    }
    turn.end(now);
    if (!grant.granted) now += grant.retryAfterMs;
  }
  return times;
}

function most(times: number[], windowMs: number): number {
  return Math.max(...times.map((from) => times.filter((time) => time >= from && time <= from + windowMs).length));
}

/** Messages that begin together, at the earliest at `at`; counted by Telegram `there` later, answered `back` after that. */
interface Wish {
  at: number;
  messages: number;
  there: number;
  back: number;
  sentFor: 'people' | 'nobody';
}

interface Sent extends Wish {
  beganAt: number;
}

/** Sends to a chat each, all at the same time, as the driver does: people's first, and whoever has to wait comes again. */
function sendTogether(pace: SendPace, wishes: Wish[], from = RESTED): Sent[] {
  const sent: Sent[] = [];
  const answers: { at: number; answered: (now: number) => void }[] = [];
  let waiting = wishes.map((wish, index) => ({ ...wish, chat: BigInt(index + 1), dueAt: from + wish.at }));
  for (let now = from; waiting.length > 0 || answers.length > 0;) {
    for (const answer of answers.filter(({ at }) => at <= now)) {
      answer.answered(now);
      answers.splice(answers.indexOf(answer), 1);
    }
    const due = waiting
      .filter(({ dueAt }) => dueAt <= now)
      .sort((a, b) => Number(a.sentFor === 'nobody') - Number(b.sentFor === 'nobody') || a.dueAt - b.dueAt);
    const nobodys = pace.freeForNobody(now);
    const granted = pace.reserve(due.length, now);
    const nobodysDue = due.filter(({ sentFor }) => sentFor === 'nobody').slice(0, nobodys);
    const taken = due.filter((wish) => wish.sentFor === 'people' || nobodysDue.includes(wish)).slice(0, granted);
    pace.release(granted - taken.length);
    for (const wish of taken) {
      const turn = pace.turn(wish.chat, wish.sentFor);
      const grant = turn.take(wish.messages, now);
      if (!grant.granted) {
        turn.end(now);
        wish.dueAt = now + grant.retryAfterMs;
        continue;
      }
      waiting = waiting.filter((other) => other !== wish);
      sent.push({ ...wish, beganAt: now });
      const answered = (end: number) => {
        for (let item = 0; item < wish.messages; item++) turn.answered(end);
        turn.end(end);
      };
      answers.push({ at: now + wish.there + wish.back, answered });
    }
    const next = [
      ...answers.map(({ at }) => at),
      ...waiting.map(({ dueAt }) => dueAt),
      now + pace.waitMs(now),
      now + pace.waitMs(now, 1, 'nobody'),
    ].filter((time) => time > now);
    now = next.length === 0 ? now + 1 : Math.min(...next);
  }
  return sent;
}

/** When Telegram counted each of them; an album item by item. */
const counted = (sent: Sent[]): number[] =>
  sent.flatMap(({ beganAt, there, messages }) => Array.from({ length: messages }, () => beganAt + there));

describe('the pace of a bot', () => {
  it('lets three messages at once into a private chat, then one a second', () => {
    expect(sendAll(new SendPace(0), CLIENT, 6)).toEqual([0, 0, 0, 1_000, 2_000, 3_000]);
  });

  it('lets two messages at once into a group, and never more than 20 into one minute', () => {
    const times = sendAll(new SendPace(0), GROUP, 60);
    expect(times.slice(0, 3)).toEqual([0, 0, 3_334]);
    expect(most(times, 60_000)).toBe(20);
  });

  it('lets an album of ten go at once, from a full allowance, and makes what follows wait for all of it', () => {
    for (const [chat, nextInMs] of [
      [CLIENT, 8_000],
      [GROUP, 30_000],
    ] as const) {
      const pace = new SendPace(0);
      pace.reserve(1, RESTED);
      const turn = pace.turn(chat);
      expect(turn.ask(10, RESTED)).toEqual(GRANTED);
      expect(turn.take(10, RESTED)).toEqual(GRANTED);
      for (let item = 0; item < 10; item++) turn.answered(RESTED);
      expect(turn.end(RESTED)).toBe(nextInMs);
    }
  });

  it('does not let an album follow a message at once', () => {
    const pace = new SendPace(0);
    pace.reserve(1, RESTED);
    const turn = pace.turn(CLIENT);
    turn.take(1, RESTED);
    turn.answered(RESTED);
    expect(turn.take(10, RESTED)).toEqual({ granted: false, retryAfterMs: 1_000 });
    turn.end(RESTED);
    expect(turn.take(10, RESTED + 1_000)).toEqual(GRANTED);
  });

  it('lets 29 messages a second out to different chats', () => {
    const pace = new SendPace(0);
    const times: number[] = [];
    for (let now = RESTED, chat = 1n; times.length < 87; chat++) {
      while (pace.reserve(1, now) === 0) now += pace.waitMs(now);
      const turn = pace.turn(chat);
      expect(turn.take(1, now)).toEqual(GRANTED);
      turn.answered(now);
      turn.end(now);
      times.push(now - RESTED);
    }
    expect(times.filter((time) => time === 0)).toHaveLength(29);
    expect(times.at(-1)).toBeGreaterThanOrEqual(2_000);
    expect(times.at(-1)).toBeLessThan(2_100);
  });

  it('counts a message from its answer on: where it was counted in between is not known', () => {
    const times = sendAll(new SendPace(0), CLIENT, 5, 400);
    const gaps = times.slice(1).map((time, index) => time - times[index]!);
    // A token that came back at 0 would have let the fourth one go at 1200.
    expect(gaps.slice(0, 2)).toEqual([400, 400]);
    expect(times[3]).toBeGreaterThanOrEqual(1_400);
    expect(times[3]).toBeLessThan(1_410);
  });

  it('starts carefully: what another replica has sent is not known', () => {
    const pace = new SendPace(0);
    expect(pace.reserve(30, 0)).toBe(1);
    const turn = pace.turn(CLIENT);
    expect(turn.take(1, 0)).toEqual(GRANTED);
    turn.answered(0);
    expect(turn.end(0)).toBe(1_000);
  });

  it('gives back what is not sent', () => {
    const pace = new SendPace(0);
    expect(pace.reserve(100, RESTED)).toBe(29);
    expect(pace.reserve(1, RESTED)).toBe(0);
    pace.release(28);
    const turn = pace.turn(CLIENT);
    expect(turn.take(2, RESTED)).toEqual(GRANTED);
    turn.answered(RESTED);
    // The second one failed before it was sent.
    expect(turn.end(RESTED)).toBe(0);
    expect(pace.reserve(100, RESTED)).toBe(28);
    expect(pace.chatWaitMs(CLIENT, 2, RESTED)).toBe(0);
    expect(pace.chatWaitMs(CLIENT, 3, RESTED)).toBe(1_000);
  });

  it('counts what is under way, in the chat and for the bot', () => {
    const pace = new SendPace(0);
    pace.reserve(29, RESTED);
    pace.release(27);
    const [first, second] = [pace.turn(GROUP), pace.turn(GROUP)];
    expect(first.take(1, RESTED)).toEqual(GRANTED);
    expect(second.take(1, RESTED)).toEqual(GRANTED);
    expect(pace.chatWaitMs(GROUP, 1, RESTED)).toBeGreaterThan(3_000);
    expect(pace.reserve(100, RESTED)).toBe(27);
  });

  it('is silent in a chat that got a 429, and for the bot when a second chat gets one meanwhile', () => {
    const pace = new SendPace(0);
    pace.refused(CLIENT, 5_000, RESTED);
    expect(pace.chatWaitMs(CLIENT, 1, RESTED)).toBe(5_000);
    expect(pace.chatWaitMs(102n, 1, RESTED)).toBe(0);
    pace.refused(CLIENT, 4_000, RESTED + 1_000);
    expect(pace.waitMs(RESTED + 1_000)).toBe(0);
    pace.refused(102n, 3_000, RESTED + 2_000);
    expect(pace.waitMs(RESTED + 2_000)).toBe(3_000);
    expect(pace.reserve(1, RESTED + 4_999)).toBe(0);
    expect(pace.reserve(1, RESTED + 5_000)).toBe(1);
  });

  it('does not silence the bot for 429s that follow one another', () => {
    const pace = new SendPace(0);
    pace.refused(CLIENT, 1_000, RESTED);
    pace.refused(102n, 1_000, RESTED + 1_000);
    expect(pace.reserve(1, RESTED + 1_000)).toBe(1);
  });

  it('is never ahead of the bucket at the other side, whatever the answers take', () => {
    const sends = fc.array(fc.record({ pause: fc.nat(3_000), there: fc.nat(2_000), back: fc.nat(2_000) }), {
      minLength: 1,
      maxLength: 60,
    });
    fc.assert(
      fc.property(fc.constantFrom(CLIENT, GROUP), sends, (chat, script) => {
        const pace = new SendPace(0);
        const { perSecond, burst } = chat > 0n ? { perSecond: 1, burst: 3 } : { perSecond: 20 / 60, burst: 20 };
        let tokens = burst;
        let at = 0;
        let now = RESTED;
        for (const { pause, there, back } of script) {
          now += pause;
          pace.reserve(1, now);
          const turn = pace.turn(chat);
          const grant = turn.take(1, now);
          if (grant.granted) {
            const arrival = now + there;
            tokens = Math.min(burst, tokens + ((arrival - at) / 1_000) * perSecond) - 1;
            at = arrival;
            expect(tokens).toBeGreaterThanOrEqual(-1e-9);
            now = arrival + back;
            turn.answered(now);
          }
          turn.end(now);
          if (!grant.granted) now += grant.retryAfterMs;
        }
      }),
    );
  });

  it('never lets more than 30 messages into any second, whatever they are and whenever they are counted', () => {
    const wish = fc.record({
      at: fc.nat(4_000),
      messages: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, fc.integer({ min: 2, max: 10 })),
      there: fc.oneof(fc.nat(60), fc.nat(2_000)),
      back: fc.oneof(fc.nat(60), fc.nat(2_000)),
      sentFor: fc.constantFrom('people' as const, 'nobody' as const),
    });
    fc.assert(
      fc.property(fc.array(wish, { minLength: 30, maxLength: 90 }), fc.constantFrom(0, RESTED), (wishes, from) => {
        const sent = sendTogether(new SendPace(0), wishes, from);
        expect(sent).toHaveLength(wishes.length);
        // What another replica sent in the last moment before this one began.
        const before = from === 0 ? Array.from({ length: 29 }, () => 0) : [];
        expect(most([...before, ...counted(sent)], 1_000)).toBeLessThanOrEqual(30);
      }),
      { numRuns: 60 },
    );
  });

  describe('while a newsletter takes all that it is given', () => {
    const newsletter = (count: number): Wish[] =>
      Array.from({ length: count }, () => ({ at: 0, messages: 1, there: 20, back: 20, sentFor: 'nobody' }));
    const answer = (at: number, messages = 1): Wish => ({ at, messages, there: 20, back: 20, sentFor: 'people' });
    const waited = (sent: Sent[]) =>
      sent.filter(({ sentFor }) => sentFor === 'people').map((s) => s.beganAt - RESTED - s.at);

    it('lets two answers a second go at once, and more within the second', () => {
      const calm = [3_010, 3_020, 4_500, 5_250, 6_800].map((at) => answer(at));
      expect(waited(sendTogether(new SendPace(0), [...newsletter(300), ...calm]))).toEqual([0, 0, 0, 0, 0]);
      const busy = Array.from({ length: 20 }, (_, n) => answer(3_010 + n));
      expect(Math.max(...waited(sendTogether(new SendPace(0), [...newsletter(300), ...busy])))).toBeLessThan(1_060);
    });

    it('lets two answers a second go at once also where the newsletter is made of albums, which go on', () => {
      const albums = newsletter(40).map((text) => ({ ...text, messages: 10 }));
      const calm = [3_010, 3_020, 4_500, 5_250, 6_800].map((at) => answer(at));
      const sent = sendTogether(new SendPace(0), [...albums, ...calm]);
      expect(waited(sent)).toEqual([0, 0, 0, 0, 0]);
      expect(Math.max(...sent.map(({ beganAt }) => beganAt)) - RESTED).toBeLessThan(25_000);
    });

    it('leaves nine tenths of the pace to the newsletter', () => {
      const answers = Array.from({ length: 20 }, (_, n) => answer(500 * n));
      const sent = sendTogether(new SendPace(0), [...newsletter(400), ...answers]);
      const lastOfThem = Math.max(...sent.filter(({ sentFor }) => sentFor === 'nobody').map(({ beganAt }) => beganAt));
      const alone = Math.max(
        ...sendTogether(
          new SendPace(0),
          newsletter(400).map((text) => ({ ...text, sentFor: 'people' })),
        ).map(({ beganAt }) => beganAt),
      );
      expect((alone - RESTED) / (lastOfThem - RESTED)).toBeGreaterThan(0.9);
    });

    it('saves up for an album, which needs several places at once', () => {
      const sent = sendTogether(new SendPace(0), [...newsletter(300), answer(3_010, 10)]);
      expect(waited(sent)[0]).toBeLessThan(1_100);
    });

    it('lets it go on where people write all the time', () => {
      const crowd = Array.from({ length: 300 }, (_, n) => answer(n));
      const pace = new SendPace(0);
      const sent = sendTogether(pace, [...newsletter(5), ...crowd]);
      expect(sent.filter(({ sentFor, beganAt }) => sentFor === 'nobody' && beganAt === RESTED)).toHaveLength(5);
      pace.reserve(29, RESTED * 2);
      for (let n = 0; n < 29; n++) pace.turn(BigInt(n + 1)).take(1, RESTED * 2);
      expect(pace.freeForNobody(RESTED * 2)).toBe(0);
    });
  });
});
