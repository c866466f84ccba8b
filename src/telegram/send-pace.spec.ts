import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
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
    const wait = turn.take(1, now);
    if (wait === 0) {
      times.push(now - RESTED);
      now += latencyMs;
      turn.answered(now);
    }
    turn.end(now);
    now += wait;
  }
  return times;
}

function most(times: number[], windowMs: number): number {
  return Math.max(...times.map((from) => times.filter((time) => time >= from && time <= from + windowMs).length));
}

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
      expect(turn.waitMs(10, RESTED)).toBe(0);
      expect(turn.take(10, RESTED)).toBe(0);
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
    expect(turn.take(10, RESTED)).toBe(1_000);
    turn.end(RESTED);
    expect(turn.take(10, RESTED + 1_000)).toBe(0);
  });

  it('lets 28 messages a second out to different chats', () => {
    const pace = new SendPace(0);
    const times: number[] = [];
    for (let now = RESTED, chat = 1n; times.length < 84; chat++) {
      while (pace.reserve(1, now) === 0) now += pace.waitMs(now);
      const turn = pace.turn(chat);
      expect(turn.take(1, now)).toBe(0);
      turn.answered(now);
      turn.end(now);
      times.push(now - RESTED);
    }
    expect(times.filter((time) => time === 0)).toHaveLength(28);
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
    expect(turn.take(1, 0)).toBe(0);
    turn.answered(0);
    expect(turn.end(0)).toBe(1_000);
  });

  it('gives back what is not sent', () => {
    const pace = new SendPace(0);
    expect(pace.reserve(100, RESTED)).toBe(28);
    expect(pace.reserve(1, RESTED)).toBe(0);
    pace.release(27);
    const turn = pace.turn(CLIENT);
    expect(turn.take(2, RESTED)).toBe(0);
    turn.answered(RESTED);
    // The second one failed before it was sent.
    expect(turn.end(RESTED)).toBe(0);
    expect(pace.reserve(100, RESTED)).toBe(27);
    expect(pace.chatWaitMs(CLIENT, 2, RESTED)).toBe(0);
    expect(pace.chatWaitMs(CLIENT, 3, RESTED)).toBe(1_000);
  });

  it('counts what is under way, in the chat and for the bot', () => {
    const pace = new SendPace(0);
    pace.reserve(28, RESTED);
    pace.release(26);
    const [first, second] = [pace.turn(GROUP), pace.turn(GROUP)];
    expect(first.take(1, RESTED)).toBe(0);
    expect(second.take(1, RESTED)).toBe(0);
    expect(pace.chatWaitMs(GROUP, 1, RESTED)).toBeGreaterThan(3_000);
    expect(pace.reserve(100, RESTED)).toBe(26);
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
          const wait = turn.take(1, now);
          if (wait === 0) {
            const arrival = now + there;
            tokens = Math.min(burst, tokens + ((arrival - at) / 1_000) * perSecond) - 1;
            at = arrival;
            expect(tokens).toBeGreaterThanOrEqual(-1e-9);
            now = arrival + back;
            turn.answered(now);
          }
          turn.end(now);
          now += wait;
        }
      }),
    );
  });
});
