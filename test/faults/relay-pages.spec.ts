import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
});

afterAll(async () => bridge?.stop());

/** Whatever the doctor says of the bot and its ways. */
async function doctor(): Promise<{ id: string; ok: boolean; what: string; advice: string }[]> {
  const { json } = await bridge.program.admin('GET', '/doctor');
  return json.checks.filter(({ id }: { id: string }) => id.startsWith('bot:'));
}

describe('a page in place of an answer of the Bot API', () => {
  it.concurrent.each([302, 400, 403, 404, 407, 421, 429, 502, 503, 521, 522, 523, 525, 526, 530])(
    'with %d was not sent, and is sent again',
    async (status) => {
      const chat = await Conversation.begin(bridge, 10_000 + status);
      const fault = { gateway: status, performed: false, headers: { location: 'http://127.0.0.1:1/login' } };
      bridge.telegram.faults.next('sendMessage', fault, 1, chat.toClient);
      chat.answers('through the relay');
      await chat.client.receives(1, 30_000);
      expect(await chat.becomes('through the relay', 'delivered')).toMatchObject({ attempts: 2 });
      expect(chat.reached).toEqual(['through the relay']);
      expect(chat.notes).toEqual([]);
    },
  );

  it.concurrent.each([200, 500, 504, 520, 524, 527])(
    'with %d proves nothing, and nothing is sent again',
    async (status) => {
      const chat = await Conversation.begin(bridge, 10_000 + status);
      bridge.telegram.faults.next('sendMessage', { gateway: status, performed: true }, 1, chat.toClient);
      chat.answers('who knows');
      await chat.becomes('who knows', 'uncertain', 30_000);
      expect(await chat.hasNotes(1)).toEqual([expect.stringContaining('It is not known')]);
      expect(chat.reached).toEqual(['who knows']);
    },
  );

  it('with 413 is about the file alone', async () => {
    const chat = await Conversation.begin(bridge, 10_413);
    bridge.telegram.faults.next('sendMessage', { gateway: 413, performed: false }, 1, chat.toClient);
    chat.answers('too much');
    expect(await chat.becomes('too much', 'failed')).toMatchObject({ error: { code: 'file_too_large' } });
    expect(await chat.hasNotes(1)).toHaveLength(1);
  });

  it('says itself when to come back', async () => {
    const chat = await Conversation.begin(bridge, 10_001);
    const fault = { gateway: 429, performed: false, headers: { 'retry-after': '4' } };
    bridge.telegram.faults.next('sendMessage', fault, 1, chat.toClient);
    const began = Date.now();
    chat.answers('not so fast');
    await chat.client.receives(1, 15_000);
    expect(Date.now() - began).toBeGreaterThanOrEqual(4_000);
    expect(chat.reached).toEqual(['not so fast']);
  });

  it('is shown to the administrator: the doctor and the message name its title, and the bot is not well', async () => {
    const chat = await Conversation.begin(bridge, 10_002);
    const title = 'relay.example.com | 403: Sorry, you have been blocked';
    bridge.telegram.faults.next('sendMessage', { gateway: 403, performed: false, title }, Infinity);
    chat.answers('blocked on the way');
    const told = await eventually(
      doctor,
      (checks) => checks.some(({ ok, what }) => !ok && what.includes(title)),
      30_000,
    );
    const { what, advice } = told.find((check) => check.what.includes(title))!;
    expect(what).toContain('answered with a page');
    expect(advice).toContain('TG_API_ROOT');
    expect((await chat.becomes('blocked on the way', 'queued')).error).toMatchObject({
      code: '403',
      detail: expect.stringContaining(title),
    });
    await eventually(
      async () => (await bridge.program.get('/health/ready')).json.details.endpoints.status,
      (status) => status === 'degraded',
    );
    bridge.telegram.faults.clear();
    await chat.becomes('blocked on the way', 'delivered', 20_000);
    await eventually(doctor, (checks) => checks.every(({ ok }) => ok), 20_000);
    expect((await bridge.program.get('/health/ready')).json.details.endpoints.status).toBe('up');
  });

  it('is named by the doctor when it stands in the way of updates', async () => {
    const title = 'Error 521: Web server is down';
    bridge.telegram.faults.next('*', { gateway: 521, performed: false, title }, Infinity);
    await eventually(doctor, (checks) => checks.some(({ ok, what }) => !ok && what.includes(title)), 30_000);
    bridge.telegram.faults.clear();
    const chat = await Conversation.begin(bridge, 10_003);
    expect(chat.received).toEqual(['hello']);
  });
});
