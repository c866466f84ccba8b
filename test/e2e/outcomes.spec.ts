import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { freePort } from '../support/program.js';

const FAST = { B24_REQUESTS_PER_SECOND: '1000' };
const UNLIMITED = { limits: false } as const;

describe('operator → client: what becomes of a send', () => {
  let bridge: Bridge;
  let proxy: TcpProxy;
  let silent: Conversation;

  beforeAll(async () => {
    // The proxy's port has to be known before the program starts, the simulator's before the proxy.
    const port = await freePort();
    proxy = await TcpProxy.before(`http://127.0.0.1:${port}`);
    bridge = await Bridge.start({
      environment: { ...FAST, TG_API_ROOT: proxy.through(`http://127.0.0.1:${port}`) },
      bitrix24: UNLIMITED,
      telegram: { port },
    });
    silent = await Conversation.begin(bridge, 100);
    // Longer than a call may take; looked at by the last test.
    bridge.telegram.faults.next('sendMessage', { delayMs: 40_000 }, 1, silent.toClient);
    silent.answers('no answer in time');
  });

  afterAll(async () => {
    await bridge?.stop();
    await proxy?.stop();
  });

  it('obeys a 429 of one chat while others go on', async () => {
    const [slow, other] = await Promise.all([Conversation.begin(bridge, 101), Conversation.begin(bridge, 102)]);
    bridge.telegram.faults.next('sendMessage', { tooManyRequests: 3 }, 1, slow.toClient);
    const began = Date.now();
    slow.answers('first');
    slow.answers('second');
    await eventually(
      () => slow.sends,
      (sends) => sends === 1,
    );
    other.answers('meanwhile');
    await other.client.receives(1, 2_500);
    expect(slow.reached).toEqual([]);
    await slow.client.receives(2, 10_000);
    expect(Date.now() - began).toBeGreaterThanOrEqual(3_000);
    expect(slow.reached).toEqual(['first', 'second']);
    const item = await slow.becomes('first', 'delivered');
    expect(item).toMatchObject({ attempts: 2, error: null });
    const attempts = (await slow.timeline(item.id)).filter(
      ({ what, kind }) => what === 'attempt' && kind === 'message',
    );
    expect(attempts.map(({ outcome, code }) => [outcome, code])).toEqual([
      ['retry', '429'],
      ['delivered', undefined],
    ]);
    expect(slow.notes).toEqual([]);
  });

  it.concurrent.each([
    { name: '502 of the gateway', id: 103, fault: { gateway: 502, performed: false } as const },
    { name: '503 of the gateway', id: 104, fault: { gateway: 503, performed: false } as const },
    {
      name: '500 with JSON',
      id: 105,
      fault: { status: 500, body: { ok: false, error_code: 500, description: 'Internal Server Error' } } as const,
    },
  ])('tries again after $name', async ({ id, fault }) => {
    const chat = await Conversation.begin(bridge, id);
    bridge.telegram.faults.next('sendMessage', fault, 2, chat.toClient);
    chat.answers('again, please');
    await chat.client.receives(1, 15_000);
    expect(await chat.becomes('again, please', 'delivered')).toMatchObject({ attempts: 3 });
    expect(chat.reached).toEqual(['again, please']);
    expect(chat.notes).toEqual([]);
  });

  it.each([
    {
      name: '400',
      id: 106,
      status: 400,
      description: 'Bad Request: chat not found',
      note: 'Telegram cannot find this chat for this bot',
    },
    {
      name: '403',
      id: 107,
      status: 403,
      description: 'Forbidden: bot was blocked by the user',
      note: 'the client blocked the bot',
    },
  ])('gives up at once after $name, tells the operator once and goes on', async ({ id, status, description, note }) => {
    const chat = await Conversation.begin(bridge, id);
    const body = { ok: false, error_code: status, description };
    bridge.telegram.faults.next('sendMessage', { status, body }, 1, chat.toClient);
    chat.answers('in vain');
    chat.answers('next');
    await chat.client.receives(1, 10_000);
    expect(chat.reached).toEqual(['next']);
    const item = await chat.becomes('in vain', 'failed');
    expect(item).toMatchObject({ attempts: 1, deliveredAt: null });
    expect(item.error.detail).toBe(description);
    const notes = await chat.hasNotes(1);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain(note);
    expect(notes[0]).toContain('in vain');
    const [system] = chat.dialog.messages.filter(({ author }) => author === 'system');
    expect(system).toMatchObject({ authorId: 0, sending: false });
  });

  it.each([
    { name: 'the socket died after the request', id: 108, fault: 'dropAfter' as const, reached: ['who knows'] },
    { name: 'the socket died before an answer', id: 109, fault: 'dropBefore' as const, reached: [] },
    { name: '504', id: 110, fault: { gateway: 504, performed: true } as const, reached: ['who knows'] },
  ])('is uncertain, and never sent again, when $name', async ({ id, fault, reached }) => {
    const chat = await Conversation.begin(bridge, id);
    bridge.telegram.faults.next('sendMessage', fault, 1, chat.toClient);
    chat.answers('who knows');
    chat.answers('next');
    await chat.becomes('who knows', 'uncertain');
    await chat.becomes('next', 'delivered');
    const notes = await chat.hasNotes(1);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain('It is not known whether the client received');
    expect(chat.reached).toEqual([...reached, 'next']);
    expect(chat.sends).toBe(2);
  });

  it('sends again what failed or is uncertain when a person says so: one, and by filter', async () => {
    const chat = await Conversation.begin(bridge, 111);
    const body = { ok: false, error_code: 400, description: 'Bad Request: not enough rights' };
    bridge.telegram.faults.next('sendMessage', { status: 400, body }, 2, chat.toClient);
    bridge.telegram.faults.next('sendMessage', 'dropBefore', 1, chat.toClient);
    chat.answers('one');
    chat.answers('two');
    chat.answers('three');
    const one = await chat.becomes('one', 'failed');
    await chat.becomes('two', 'failed');
    const three = await chat.becomes('three', 'uncertain');
    const admin = (path: string, json?: unknown) => bridge.program.admin('POST', path, json);
    expect((await admin(`/messages/${one.id}/retry`)).json).toEqual({ retried: 1 });
    await chat.becomes('one', 'delivered');
    expect((await admin(`/messages/${one.id}/retry`)).status).toBe(409);
    expect((await admin('/messages/retry', { state: 'failed', chat: one.chatId })).json).toEqual({ retried: 1 });
    await chat.becomes('two', 'delivered');
    expect((await admin(`/messages/${three.id}/retry`)).json).toEqual({ retried: 1 });
    await chat.becomes('three', 'delivered');
    expect(chat.reached).toEqual(['one', 'two', 'three']);
    expect(await chat.hasNotes(3)).toHaveLength(3);
  });

  it('tells the operator again when a retried message fails again', async () => {
    const chat = await Conversation.begin(bridge, 116);
    const body = { ok: false, error_code: 400, description: 'Bad Request: not enough rights' };
    bridge.telegram.faults.next('sendMessage', { status: 400, body }, 2, chat.toClient);
    chat.answers('stubborn');
    const item = await chat.becomes('stubborn', 'failed');
    await chat.hasNotes(1);
    await bridge.program.admin('POST', `/messages/${item.id}/retry`);
    expect(await chat.hasNotes(2)).toHaveLength(2);
  });

  it('takes a person’s word for what became of an uncertain message, and sends nothing', async () => {
    const chat = await Conversation.begin(bridge, 119);
    const long = `${'a'.repeat(4000)}\n\n${'b'.repeat(100)}`;
    bridge.telegram.faults.next('sendMessage', 'dropAfter', 1, chat.toClient);
    chat.answers('arrived');
    await chat.becomes('arrived', 'uncertain');
    bridge.telegram.faults.next('sendMessage', 'dropBefore', 1, chat.toClient);
    chat.answers('got lost');
    const lost = await chat.becomes('got lost', 'uncertain');
    bridge.telegram.faults.next('sendMessage', 'dropAfter', 1, (params) => String(params['text']).startsWith('bbb'));
    const parts = chat.answers(long);
    const half = await chat.becomes(long, 'uncertain');
    const arrived = await chat.becomes('arrived', 'uncertain');
    const resolve = (id: string, body: unknown) => bridge.program.admin('POST', `/messages/${id}/resolve`, body);

    expect((await resolve(arrived.id, { outcome: 'perhaps' })).status).toBe(400);
    expect((await resolve('999999999', { outcome: 'failed' })).status).toBe(404);
    const answer = await resolve(arrived.id, { outcome: 'delivered' });
    expect(answer.status, answer.text).toBe(200);
    expect(answer.json).toMatchObject({
      state: 'delivered',
      error: null,
      deliveredAt: expect.any(String),
      attempts: 1,
    });
    const story = answer.json.timeline.map(({ what, outcome }: { what: string; outcome?: string }) => [what, outcome]);
    expect(story).toContainEqual(['attempt', 'uncertain']);
    expect(story.slice(-2)).toEqual([
      ['resolved', 'delivered'],
      ['delivered', undefined],
    ]);
    const again = await resolve(arrived.id, { outcome: 'failed' });
    expect([again.status, again.json.code, again.json.state]).toEqual([409, 'not_uncertain', 'delivered']);

    const failed = (await resolve(lost.id, { outcome: 'failed' })).json;
    expect(failed).toMatchObject({ state: 'failed', error: lost.error, deliveredAt: null });

    // One of its Telegram ids is known: the portal can be told.
    expect((await resolve(half.id, { outcome: 'delivered' })).json.state).toBe('delivered');
    expect((await chat.dialog.delivered(parts)).externalIds).toHaveLength(1);
    expect(
      bridge.portal.deliveryReports.filter((report) => chat.dialog.messages.some(({ id }) => id === report.messageId)),
    ).toHaveLength(1);
    expect(chat.sends).toBe(4);
    const audit = (await bridge.program.admin('GET', '/audit?limit=200')).json.items;
    expect(audit).toContainEqual(
      expect.objectContaining({
        action: 'message.resolve',
        subject: `message:${arrived.id}`,
        detail: { outcome: 'delivered' },
      }),
    );
  });

  it('puts away what nobody wants to send again: one, and by filter', async () => {
    const chat = await Conversation.begin(bridge, 120);
    const body = { ok: false, error_code: 400, description: 'Bad Request: not enough rights' };
    bridge.telegram.faults.next('sendMessage', { status: 400, body }, 2, chat.toClient);
    bridge.telegram.faults.next('sendMessage', 'dropBefore', 1, chat.toClient);
    chat.answers('one');
    chat.answers('two');
    chat.answers('three');
    const one = await chat.becomes('one', 'failed');
    await chat.becomes('two', 'failed');
    const three = await chat.becomes('three', 'uncertain');
    const admin = (path: string, json?: unknown) => bridge.program.admin('POST', path, json);
    expect((await admin(`/messages/${one.id}/discard`)).json).toEqual({ discarded: 1 });
    expect(await chat.becomes('one', 'ignored')).toMatchObject({
      error: { code: 'discarded', detail: expect.stringMatching(/it was failed: no_rights: .*not enough rights/) },
    });
    const again = await admin(`/messages/${one.id}/discard`);
    expect([again.status, again.json.code]).toEqual([409, 'not_discardable']);
    expect((await admin('/messages/discard', { state: 'delivered' })).status).toBe(400);
    const failed = { state: 'failed', chat: one.chatId };
    expect((await admin('/messages/discard', { ...failed, dryRun: true })).json).toEqual({ discarded: 1 });
    expect((await admin('/messages/discard', { ...failed, from: new Date().toISOString() })).json).toEqual({
      discarded: 0,
    });
    await chat.becomes('two', 'failed');
    expect((await admin('/messages/discard', failed)).json).toEqual({ discarded: 1 });
    await chat.becomes('two', 'ignored');
    await chat.becomes('three', 'uncertain');
    expect((await admin('/messages/discard', { chat: one.chatId })).json).toEqual({ discarded: 1 });
    expect((await admin('/messages/retry', { chat: one.chatId })).json).toEqual({ retried: 0 });
    expect((await admin(`/messages/${three.id}/retry`)).status).toBe(409);
    expect((await chat.timeline(three.id)).map(({ what }) => what).slice(-2)).toEqual(['discarded', 'ignored']);
    expect(chat.reached).toEqual([]);
  });

  it('goes on with the part that was refused, never with one that arrived', async () => {
    const chat = await Conversation.begin(bridge, 112);
    const long = `${'a'.repeat(4000)}\n\n${'b'.repeat(4000)}\n\n${'c'.repeat(100)}`;
    bridge.telegram.faults.next(
      'sendMessage',
      { tooManyRequests: 1 },
      1,
      (params) => chat.toClient(params) && String(params['text']).startsWith('b'),
    );
    const message = chat.answers(long);
    await chat.client.receives(3, 10_000);
    expect(chat.reached.map((text) => text[0])).toEqual(['a', 'b', 'c']);
    const { externalIds } = await chat.dialog.delivered(message);
    expect(externalIds).toEqual(chat.client.inbox.map(({ message_id }) => `tg:112:${message_id}`));
  });

  it('reports a delivery once, with all ids as a list, and again only after a failure', async () => {
    const chat = await Conversation.begin(bridge, 113);
    bridge.bitrix24.faults.next(
      'imconnector.send.status.delivery',
      { status: 500, error: 'INTERNAL_SERVER_ERROR' },
      2,
      chat.fromClient,
    );
    const message = chat.answers('clock');
    await chat.dialog.delivered(message, 15_000);
    const reports = bridge.portal.deliveryReports.filter(({ messageId }) => messageId === message.id);
    expect(reports).toMatchObject([{ asArray: true, accepted: true, externalIds: [`tg:113:${inboxId(chat)}`] }]);
    expect(chat.reached).toEqual(['clock']);
    await chat.becomes('clock', 'delivered');
  });

  it('waits while connections are refused, and delivers when they stand again', async () => {
    const chat = await Conversation.begin(bridge, 115);
    // Its connection would be cut, too.
    await silent.becomes('no answer in time', 'uncertain', 45_000);
    await proxy.cut();
    chat.answers('patience');
    await eventually(
      async () => (await chat.timeline((await chat.becomes('patience', 'queued')).id)).map(({ code }) => code),
      (codes) => codes.includes('ECONNREFUSED'),
    );
    await proxy.restore();
    await chat.client.receives(1, 10_000);
    expect(chat.reached).toEqual(['patience']);
    expect(chat.notes).toEqual([]);
  });

  it('is uncertain when no answer came in time', async () => {
    const item = await silent.becomes('no answer in time', 'uncertain', 45_000);
    expect(item.error.code).toBe('TIMEOUT');
    expect(await silent.hasNotes(1)).toHaveLength(1);
    expect(silent.reached).toEqual(['no answer in time']);
  });

  it.each(['kz', 'ru'])('speaks Russian to a portal whose language is %s', async (language) => {
    bridge.portal.language = language;
    // Whoever opens the page may have another interface; the portal says which language is its own.
    const frame = await bridge.portal.openInstallFrame(bridge.app, { lang: 'en' });
    await frame.runInstallFinish();
    const chat = await Conversation.begin(bridge, language === 'ru' ? 117 : 1170);
    chat.client.blocks();
    chat.answers('Вы здесь?');
    const notes = await chat.hasNotes(2);
    // What the client did and what became of the answer come from two lanes, in either order.
    expect(notes).toHaveLength(2);
    for (const told of ['🚫', 'клиент заблокировал бота']) expect(notes).toContainEqual(expect.stringContaining(told));
    await chat.becomes('Вы здесь?', 'failed');
  });

  it('is uncertain when the program was killed while it sent', async () => {
    const chat = await Conversation.begin(bridge, 118);
    bridge.telegram.faults.next('sendMessage', { delayMs: 30_000 }, 1, chat.toClient);
    chat.answers('crash');
    chat.answers('after the crash');
    await eventually(
      () => chat.reached,
      (texts) => texts.includes('crash'),
    );
    await bridge.restart({}, 'kill');
    await chat.becomes('crash', 'uncertain', 20_000);
    await chat.becomes('after the crash', 'delivered');
    expect(chat.reached).toEqual(['crash', 'after the crash']);
    const notes = await chat.hasNotes(1);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain('Неизвестно');
  });
});

describe('UNCERTAIN_POLICY=resend', () => {
  let bridge: Bridge;

  beforeAll(async () => {
    bridge = await Bridge.start({ environment: { ...FAST, UNCERTAIN_POLICY: 'resend' }, bitrix24: UNLIMITED });
  });

  afterAll(async () => bridge?.stop());

  it('repeats once and says so; a second unknown outcome is left to a person', async () => {
    const [once, twice, long] = await Promise.all([
      Conversation.begin(bridge, 201),
      Conversation.begin(bridge, 202, { language_code: 'ru' }),
      Conversation.begin(bridge, 203),
    ]);
    bridge.telegram.faults.next('sendMessage', 'dropAfter', 1, once.toClient);
    bridge.telegram.faults.next('sendMessage', 'dropAfter', 2, twice.toClient);
    bridge.telegram.faults.next(
      'sendMessage',
      'dropAfter',
      1,
      (params) => long.toClient(params) && String(params['text']).startsWith('b'),
    );
    once.answers('words');
    twice.answers('слова');
    long.answers(`${'a'.repeat(4000)}\n\n${'b'.repeat(4000)}\n\n${'c'.repeat(100)}`);
    await once.becomes('words', 'delivered', 20_000);
    await twice.becomes('слова', 'uncertain', 20_000);
    await long.client.receives(4, 20_000);
    expect(once.reached).toEqual(['words', '(possibly repeated)\nwords']);
    expect(once.notes).toEqual([]);
    expect(twice.reached).toEqual(['слова', '(возможно, повтор)\nслова']);
    expect(await twice.hasNotes(1)).toHaveLength(1);
    expect(long.reached.map((text) => text.slice(0, 21))).toEqual([
      'a'.repeat(21),
      'b'.repeat(21),
      '(possibly repeated)\nb',
      'c'.repeat(21),
    ]);
  });
});

function inboxId({ client }: Conversation): number {
  return client.inbox[0]!.message_id;
}
