import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import type { Answer } from '../support/program.js';
import { TcpProxy } from '../support/tcp-proxy.js';

/** What a webhook or an event may wait for its refusal; ms. */
const SOON = 8_000;

describe('with PostgreSQL away', () => {
  let bridge: Bridge;
  let proxy: TcpProxy;
  let lastId = 500_000;
  /** A key that is in the database. */
  let key: string;

  beforeAll(async () => {
    bridge = await Bridge.start({ installed: false });
    proxy = await TcpProxy.before(bridge.database.url);
    bridge.environment.DATABASE_URL = proxy.through(bridge.database.url);
    await bridge.restart();
    await bridge.install();
    bridge.bot.client({ id: 777, first_name: 'Ivan' }).sends('before');
    await bridge.portal.dialog('tg:777').receives(1, 10_000);
    key = (await bridge.program.admin('POST', '/keys', { name: 'Anna', role: 'owner' })).json.key;
  });

  afterAll(async () => {
    await bridge?.stop();
    await proxy?.stop();
  });

  function update(text: string) {
    lastId += 1;
    const person = { id: 779, first_name: 'Olga' };
    const message = { message_id: lastId, date: 1773265993, chat: { ...person, type: 'private' }, from: person, text };
    return { update_id: lastId, message };
  }

  const event = (id: string, text: string) => ({
    event: 'ONIMCONNECTORMESSAGEADD',
    data: { chat: { id: 'tg:777' }, message: { id, text } },
  });

  async function timed(request: Promise<Answer>): Promise<Answer & { ms: number }> {
    const began = performance.now();
    const answer = await request;
    return { ...answer, ms: performance.now() - began };
  }

  async function expectRefusals(): Promise<void> {
    const requests = [
      bridge.handler(event(`refused-${lastId}`, 'not taken')),
      bridge.handler(event(`refused-too-${lastId}`, 'not taken')),
      bridge.program.post('/tg/webhook', update('not taken')),
      bridge.program.post('/tg/webhook', update('not taken')),
      // It may be right: nobody is told that it is wrong.
      bridge.program.get('/admin/me', { authorization: `Bearer ${key}` }),
    ];
    for (const answer of await Promise.all(requests.map(timed))) {
      expect(answer.status, answer.text).toBe(503);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(answer.json).toMatchObject({ status: 503, code: 'storage_unavailable' });
      expect(answer.ms).toBeLessThan(SOON);
    }
    expect((await bridge.program.admin('GET', '/me')).status).toBe(200);
    const [live, ready] = await Promise.all([
      timed(bridge.program.get('/health/live')),
      timed(bridge.program.get('/health/ready')),
    ]);
    expect(live.status).toBe(200);
    expect(ready.status).toBe(503);
    expect(live.ms + ready.ms).toBeLessThan(SOON);
    expect(bridge.program.exitCode).toBeNull();
  }

  const state = async (text: string) => (await bridge.messages()).find((item) => item.text === text)?.state;

  it.each([
    { how: 'refused', leave: () => proxy.cut() },
    { how: 'silent', leave: async () => proxy.silence() },
  ])(
    'answers 503 soon, stays, and takes up its work again by itself: $how',
    { timeout: 60_000 },
    async ({ how, leave }) => {
      const ivan = bridge.bot.client({ id: 777, first_name: 'Ivan' });
      const dialog = bridge.portal.dialog('tg:777');
      const seen = dialog.clientMessages.length;

      // Both are on their way, performed by the networks and not yet settled, when the database goes.
      bridge.bitrix24.latencyMs = 1_500;
      bridge.telegram.faults.next('sendMessage', { delayMs: 1_500 });
      ivan.sends(`taken, ${how}`);
      const answer = bridge.portal.operator({ id: 27, name: 'Samantha' }).sends('tg:777', `answered, ${how}`);
      await eventually(
        () => [dialog.clientMessages.length, bridge.telegram.ledger().some(({ text }) => text === `answered, ${how}`)],
        ([received, sent]) => received === seen + 1 && sent === true,
      );
      await leave();
      bridge.bitrix24.latencyMs = 0;

      await expectRefusals();
      ivan.sends(`said meanwhile, ${how}`);

      await proxy.restore();
      await bridge.program.ready(20_000);
      await dialog.receives(seen + 2, 30_000);
      expect(dialog.clientMessages.slice(seen).map(({ text }) => text)).toEqual([
        `taken, ${how}`,
        `said meanwhile, ${how}`,
      ]);
      for (const text of [`taken, ${how}`, `said meanwhile, ${how}`, `answered, ${how}`]) {
        await eventually(
          () => state(text),
          (is) => is === 'delivered',
          30_000,
        );
      }
      await dialog.delivered(answer, 20_000);
      const sent = bridge.telegram.ledger().map(({ text }) => text);
      expect(sent.filter((each) => each === `answered, ${how}`)).toHaveLength(1);
      expect((await bridge.program.post('/tg/webhook', update(`pushed, ${how}`))).status).toBe(200);
      await bridge.portal.dialog('tg:779').waitFor(({ text }) => text === `pushed, ${how}`, 10_000);
    },
  );

  it('has repeated and lost nothing', () => {
    expect(
      bridge.portal.ledger().dialogs.every(({ duplicates, reordered }) => !duplicates.length && !reordered.length),
    ).toBe(true);
    expect(bridge.program.log.filter((line) => line.includes('"level":"fatal"'))).toEqual([]);
  });
});
