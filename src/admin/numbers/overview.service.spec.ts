import { describe, expect, it } from 'vitest';
import { Cached } from '../cached.js';
import { summarise } from './overview.service.js';

describe('summarise', () => {
  it('adds up in all, per portal and per bot', () => {
    const early = new Date(1_000);
    const overview = summarise(
      [
        { portalId: 1n, botId: 1n, direction: 'inbound', state: 'delivered', count: 5 },
        { portalId: 1n, botId: 2n, direction: 'inbound', state: 'delivered', count: 2 },
        { portalId: null, botId: 2n, direction: 'inbound', state: 'queued', count: 1 },
        { portalId: 1n, botId: 1n, direction: 'outbound', state: 'failed', count: 3 },
      ],
      [
        { portalId: null, botId: 2n, direction: 'inbound', since: early },
        { portalId: 1n, botId: 1n, direction: 'inbound', since: new Date(2_000) },
      ],
      new Date(3_000),
    );
    expect(overview.messages).toEqual({ inbound: { delivered: 7, queued: 1 }, outbound: { failed: 3 } });
    expect(overview.oldestWaiting).toEqual(early);
    expect(overview.byPortal.find(({ portalId }) => portalId === '1')?.messages.inbound).toEqual({ delivered: 7 });
    expect(overview.byBot.find(({ botId }) => botId === '2')).toMatchObject({
      messages: { inbound: { delivered: 2, queued: 1 }, outbound: {} },
      oldestWaiting: early,
    });
  });
});

describe('Cached', () => {
  it('makes one value for all who ask meanwhile, and keeps it for a while', async () => {
    let now = 0;
    let made = 0;
    const cached = new Cached(
      async () => {
        now += 10;
        return ++made;
      },
      50,
      () => now,
    );
    expect(await Promise.all([cached.get(), cached.get()])).toEqual([1, 1]);
    now = 59;
    expect(await cached.get()).toBe(1);
    now = 61;
    expect(await cached.get()).toBe(2);
  });

  it('does not keep a failure', async () => {
    let fail = true;
    const cached = new Cached(
      async () => {
        if (fail) throw new Error('away');
        return 'back';
      },
      1_000,
      () => 0,
    );
    await expect(cached.get()).rejects.toThrow('away');
    fail = false;
    expect(await cached.get()).toBe('back');
  });
});
