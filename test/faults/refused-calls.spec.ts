import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

/** Bodies of the admin API; tests read them freely. */
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

const SEND = 'imconnector.send.messages';
const ERROR_CORE = { status: 400, error: 'ERROR_CORE', description: 'Something went wrong' };

/** The portal has its standard limits: more chats than requests share a batch. */
let bridge: Bridge;
let nextId = 1_000;

beforeAll(async () => {
  bridge = await Bridge.start();
});

afterEach(() => {
  bridge.bitrix24.faults.clear();
  bridge.portal.frontEnd.filter = null;
  bridge.portal.frontEnd.maxBodyBytes = Infinity;
});

afterAll(async () => {
  expect(bridge.portal.limits.rejectedByBucket).toBe(0);
  await bridge.stop();
});

const clients = (count: number) => Array.from({ length: count }, () => Conversation.of(bridge, nextId++));
const checks = async (): Promise<Json[]> => (await bridge.program.admin('GET', '/doctor')).json.checks;

/** The answers of the doctor are kept for a while. */
const doctor = (id: string | RegExp, fits: (check: Json) => boolean, timeoutMs = 20_000): Promise<Json> =>
  eventually(
    async () =>
      (await checks()).find((check: Json) => (typeof id === 'string' ? check.id === id : id.test(check.id))) ?? null,
    (check) => fits(check),
    timeoutMs,
  );

describe('a filter that judges words', { timeout: 90_000 }, () => {
  it.each([403, 406])('%i: only the message that it refuses alone fails, and the doctor says so', async (status) => {
    const chats = clients(40);
    const bad = chats[17]!;
    bridge.portal.frontEnd.filter = { words: /union\s+select/i, status, title: 'Not today' };
    for (const text of ['first', 'second']) {
      for (const chat of chats) {
        if (chat === bad && text === 'second') chat.client.sends("1' UNION SELECT password");
        chat.client.sends(text);
      }
    }
    const failed = await bad.becomes("1' UNION SELECT password", 'failed', 60_000);
    expect(failed.error).toMatchObject({ code: 'filtered', detail: expect.stringContaining('Not today') });
    await eventually(
      () => chats.map((chat) => chat.received),
      (all) => all.every((texts) => texts.length >= 2),
      60_000,
    );
    await bad.becomes('second', 'delivered');
    for (const chat of chats) expect(chat.received).toEqual(['first', 'second']);
    // Halves, not one by one: forty chats, and one of them refused.
    expect(bridge.portal.frontEnd.refused).toBeLessThan(40);
    bridge.portal.frontEnd.refused = 0;

    const attention = await doctor('attention', ({ ok }) => !ok);
    expect(attention.what).toMatch(/1 message of a client/);
    expect(attention.advice).toContain('/admin/messages?state=failed&direction=inbound');
    expect((await checks()).find(({ id }) => /^portal:\d+:rest$/.test(id))).toMatchObject({ ok: true });
    await bridge.program.admin('POST', `/messages/${failed.id}/discard`);
    await doctor('attention', ({ ok }) => ok);
  });

  it('the same for edits: what comes behind goes on', async () => {
    const chat = await Conversation.begin(bridge, nextId++);
    const { message_id: id } = chat.client.sends('as it was').message;
    await chat.becomes('as it was', 'delivered');
    bridge.portal.frontEnd.filter = { words: /forbidden words/, status: 403, title: 'Forbidden' };
    chat.client.edits(id, 'forbidden words');
    chat.client.sends('behind the edit');
    await chat.becomes('behind the edit', 'delivered', 25_000);
    expect(chat.received).toEqual(['hello', 'as it was', 'behind the edit']);
  });

  it('the same for statuses and notes', async () => {
    const chats = await Promise.all(clients(6).map(({ client }) => Conversation.begin(bridge, client.id)));
    const [bad, ...well] = chats as [Conversation, ...Conversation[]];
    const words = new RegExp(`tg:${bad.client.id}:\\d+`);
    bridge.portal.frontEnd.filter = { words, status: 403, title: 'Forbidden' };
    const answers = chats.map((chat) => chat.answers('answer'));
    await Promise.all(chats.map((chat) => chat.becomes('answer', 'delivered', 25_000)));
    await Promise.all(well.map((chat, index) => chat.dialog.delivered(answers[index + 1]!, 25_000)));
    bridge.portal.frontEnd.filter = null;

    const body = { ok: false, error_code: 400, description: 'Bad Request: chat not found' };
    bridge.portal.frontEnd.filter = { words: /a filtered answer/, status: 403, title: 'Forbidden' };
    bridge.telegram.faults.next('sendMessage', { status: 400, body }, 2, bad.toClient);
    bad.answers('a filtered answer');
    bad.answers('in vain');
    await bad.becomes('in vain', 'failed');
    expect(await bad.hasNotes(1)).toEqual([expect.stringContaining('in vain')]);
  });
});

it('a request that is too large is made smaller; only what is too large alone fails', { timeout: 90_000 }, async () => {
  const chats = clients(30);
  const long = 'слово '.repeat(300);
  const huge = 'больше '.repeat(2_500);
  bridge.portal.frontEnd.maxBodyBytes = 24_000;
  for (const chat of chats) chat.client.sends(long);
  chats[3]!.client.sends(huge.slice(0, 4_000));
  await Promise.all(chats.map((chat) => chat.dialog.receives(1, 60_000)));
  for (const chat of chats) expect(chat.received[0]!.trim()).toEqual(long.trim());
  bridge.portal.frontEnd.maxBodyBytes = 4_000;
  const alone = chats[4]!;
  alone.client.sends(huge.slice(0, 4_000).trim());
  alone.client.sends('small');
  const failed = await alone.becomes(huge.slice(0, 4_000).trim(), 'failed', 25_000);
  expect(failed.error).toMatchObject({ code: 'too_large' });
  await alone.becomes('small', 'delivered');
});

describe('ERROR_CORE', { timeout: 180_000 }, () => {
  it('of one message is tried a few times, then fails within 25 s; nobody waits for it', async () => {
    const chats = clients(20);
    const [bad, ...well] = chats as [Conversation, ...Conversation[]];
    bridge.bitrix24.faults.next(SEND, ERROR_CORE, Infinity, (params) => JSON.stringify(params).includes('cursed'));
    const began = Date.now();
    for (const chat of chats) chat.client.sends(chat === bad ? 'cursed' : 'well');
    bad.client.sends('behind');
    await Promise.all(well.map((chat) => chat.dialog.receives(1, 10_000)));
    expect(Date.now() - began).toBeLessThan(8_000);
    const failed = await bad.becomes('cursed', 'failed', 25_000);
    expect(failed).toMatchObject({ error: { code: 'ERROR_CORE' } });
    expect(failed.attempts).toBeGreaterThan(2);
    await bad.becomes('behind', 'delivered', 5_000);
    expect(bad.received).toEqual(['behind']);
  });

  it('that passes costs nothing', async () => {
    const chat = await Conversation.begin(bridge, nextId++);
    bridge.bitrix24.faults.next(SEND, ERROR_CORE, 2, chat.fromClient);
    chat.client.sends('precious');
    await chat.becomes('precious', 'delivered', 25_000);
    expect(chat.received).toEqual(['hello', 'precious']);
  });

  it('of the method makes it wait, the doctor names it, and nothing fails', async () => {
    const chats = clients(3);
    bridge.bitrix24.faults.next(SEND, ERROR_CORE, Infinity);
    for (const chat of chats) chat.client.sends('patient');
    const told = await doctor(/^portal:\d+:method:imconnector\.send\.messages$/, (check) => check?.ok === false);
    expect(told.what).toMatch(/imconnector\.send\.messages.*ERROR_CORE/);
    await new Promise((resolve) => setTimeout(resolve, 26_000));
    for (const chat of chats) await chat.becomes('patient', 'queued');
    bridge.bitrix24.faults.clear();
    await Promise.all(chats.map((chat) => chat.becomes('patient', 'delivered', 45_000)));
    for (const chat of chats) expect(chat.received).toEqual(['patient']);
    await eventually(checks, (all) => all.every(({ id }) => !/:method:/.test(id)), 20_000);
  });
});
