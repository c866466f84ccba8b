import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fault } from '../support/bitrix24-simulator/faults.js';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

const SEND = 'imconnector.send.messages';

describe('client → operator: a portal in trouble', () => {
  let bridge: Bridge;

  beforeAll(async () => {
    bridge = await Bridge.start({
      environment: { B24_REQUESTS_PER_SECOND: '1000' },
      bitrix24: { limits: false },
    });
  });

  afterAll(async () => bridge?.stop());

  const portals = async () => (await bridge.program.admin('GET', '/portals')).json.items;
  const refreshes = () =>
    bridge.portal.ledger().refreshes[bridge.app.clientId] ?? { refreshes: 0, concurrent: 0, reused: 0 };

  describe.concurrent('each message arrives exactly once', () => {
    const troubles: { name: string; fault: Fault; times: number }[] = [
      { name: 'QUERY_LIMIT_EXCEEDED', fault: { status: 503, error: 'QUERY_LIMIT_EXCEEDED' }, times: 2 },
      { name: '500', fault: { status: 500, error: 'INTERNAL_SERVER_ERROR' }, times: 2 },
      { name: 'an answer that never came, the call performed', fault: 'dropAfter', times: 1 },
      { name: 'an answer that never came, the call not performed', fault: 'dropBefore', times: 1 },
      { name: 'a 502 page, performed', fault: { html: 502, performed: true }, times: 1 },
      { name: 'a 502 page, not performed', fault: { html: 502, performed: false }, times: 1 },
      { name: 'a 504 page, performed', fault: { html: 504, performed: true }, times: 1 },
      { name: 'a 504 page, not performed', fault: { html: 504, performed: false }, times: 1 },
      { name: 'a 503 page', fault: { html: 503, performed: false }, times: 1 },
    ];
    const cases = troubles.flatMap((trouble, index) => [
      { ...trouble, id: 300 + index, known: false, where: 'the first message of a chat' },
      { ...trouble, id: 350 + index, known: true, where: 'a chat with a session' },
    ]);

    it.each(cases)('$name: $where', async ({ id, fault, times, known }) => {
      const chat = known ? await Conversation.begin(bridge, id) : Conversation.of(bridge, id);
      const before = chat.received;
      bridge.bitrix24.faults.next(SEND, fault, times, chat.fromClient);
      chat.client.sends('precious');
      chat.client.sends('next');
      await chat.becomes('next', 'delivered', 25_000);
      await chat.becomes('precious', 'delivered');
      expect(chat.received).toEqual([...before, 'precious', 'next']);
    });

    it('finds what arrived in a session that began only then', async () => {
      const chat = await Conversation.begin(bridge, 380);
      chat.dialog.closeSession();
      bridge.bitrix24.faults.next(SEND, 'dropAfter', 1, chat.fromClient);
      chat.client.sends('in a new session');
      await chat.becomes('in a new session', 'delivered', 25_000);
      expect(chat.received).toEqual(['hello', 'in a new session']);
    });

    it('a note, too', async () => {
      const chat = await Conversation.begin(bridge, 381);
      bridge.bitrix24.faults.next(SEND, 'dropAfter', 1, chat.fromClient);
      const body = { ok: false, error_code: 400, description: 'Bad Request: chat not found' };
      bridge.telegram.faults.next('sendMessage', { status: 400, body }, 1, chat.toClient);
      chat.answers('in vain');
      await chat.becomes('in vain', 'failed');
      await chat.hasNotes(1);
      chat.client.sends('behind the note');
      await chat.becomes('behind the note', 'delivered', 25_000);
      expect(chat.notes).toHaveLength(1);
    });

    it.each([
      {
        name: 'ERROR_ARGUMENT',
        id: 382,
        fault: { status: 400, error: 'ERROR_ARGUMENT', description: 'The incorrect structure of a message' },
        code: 'ERROR_ARGUMENT',
      },
      { name: 'an error of the element', id: 383, fault: { elementError: ['Wrong email.'] }, code: 'element_error' },
    ])('$name fails that message alone', async ({ id, fault, code }) => {
      const chat = await Conversation.begin(bridge, id);
      // However often it is tried, alone or together with others.
      const match = (params: Record<string, unknown>) => JSON.stringify(params).includes(`impossible ${id}`);
      bridge.bitrix24.faults.next(SEND, fault, 100, match);
      chat.client.sends(`impossible ${id}`);
      chat.client.sends('next');
      expect(await chat.becomes(`impossible ${id}`, 'failed', 25_000)).toMatchObject({ error: { code }, attempts: 1 });
      await chat.becomes('next', 'delivered');
      expect(chat.received).toEqual(['hello', 'next']);
    });
  });

  it('one chat that is always refused does not delay nineteen others', async () => {
    const chats = Array.from({ length: 20 }, (_, index) => Conversation.of(bridge, 400 + index));
    const [ill, ...well] = chats as [Conversation, ...Conversation[]];
    bridge.bitrix24.faults.next(SEND, { status: 500, error: 'INTERNAL_SERVER_ERROR' }, 1_000, ill.fromClient);
    for (let n = 1; n <= 3; n++) for (const chat of chats) chat.client.sends(`message ${n}`);
    await Promise.all(well.map((chat) => chat.dialog.receives(3, 10_000)));
    for (const chat of well) expect(chat.received).toEqual(['message 1', 'message 2', 'message 3']);
    expect(ill.received).toEqual([]);
    bridge.bitrix24.faults.clear();
    await ill.dialog.receives(3, 10_000);
    expect(ill.received).toEqual(['message 1', 'message 2', 'message 3']);
  });

  it('waits while the portal cannot be reached', async () => {
    const chat = await Conversation.begin(bridge, 421);
    const port = Number(new URL(bridge.portal.url).port);
    await bridge.portal['servers'].pop()!.close();
    chat.client.sends('is anybody there?');
    const waiting = await chat.becomes('is anybody there?', 'queued');
    await eventually(
      async () => (await chat.timeline(waiting.id)).map(({ code, what, detail }) => code ?? `${what} ${detail}`),
      (codes) => codes.includes('ECONNREFUSED'),
    );
    await bridge.portal.rename(port);
    await chat.becomes('is anybody there?', 'delivered', 10_000);
    expect(chat.received).toEqual(['hello', 'is anybody there?']);
  });

  it('a method that has used up its time rests until the portal says', async () => {
    const chat = await Conversation.begin(bridge, 422);
    const reset = Date.now() / 1000 + 4;
    const extra = { time: { finish: Date.now() / 1000, operating: 481, operating_reset_at: reset } };
    bridge.bitrix24.faults.next(SEND, { status: 429, error: 'OPERATION_TIME_LIMIT', extra }, 1, chat.fromClient);
    chat.client.sends('too much');
    await chat.becomes('too much', 'delivered', 15_000);
    const times = bridge.portal.calls.filter(({ method, at }) => method === SEND && at / 1000 > reset - 4.5);
    expect(times.filter(({ status }) => status === 429)).toHaveLength(1);
    expect(times.at(-1)!.at).toBeGreaterThanOrEqual((reset - 0.2) * 1000);
    expect(chat.received).toEqual(['hello', 'too much']);
  });

  it('waits for the line to be switched on again', async () => {
    const chat = await Conversation.begin(bridge, 423);
    bridge.portal.disableConnector(bridge.connectorId, LINE);
    chat.client.sends('closed?');
    const item = await chat.becomes('closed?', 'queued');
    await eventually(
      async () => (await chat.timeline(item.id)).map(({ code }) => code),
      (codes) => codes.includes('NOT_ACTIVE_LINE'),
    );
    const [portal] = await portals();
    const answer = await bridge.program.admin('POST', `/portals/${portal.id}/connector/activate`, { lineId: LINE });
    expect(answer.json.ok).toBe(true);
    await chat.becomes('closed?', 'delivered', 5_000);
    expect(chat.received).toEqual(['hello', 'closed?']);
  });

  it('refreshes an expired token once, however many messages wait for it', async () => {
    const chats = await Promise.all(Array.from({ length: 8 }, (_, index) => Conversation.begin(bridge, 430 + index)));
    const before = refreshes().refreshes;
    bridge.portal.expireTokens();
    for (const chat of chats) chat.client.sends('with a new token');
    await Promise.all(chats.map((chat) => chat.becomes('with a new token', 'delivered')));
    expect(refreshes()).toMatchObject({ refreshes: before + 1, concurrent: 0, reused: 0 });
    for (const chat of chats) expect(chat.received).toEqual(['hello', 'with a new token']);
  });

  it('follows a renamed portal and remembers its address', async () => {
    const chat = await Conversation.begin(bridge, 440);
    const old = bridge.portal.domain;
    await bridge.portal.rename();
    expect(bridge.portal.domain).not.toBe(old);
    chat.client.sends('moved');
    await chat.becomes('moved', 'delivered');
    expect(chat.received).toEqual(['hello', 'moved']);
    expect(await portals()).toMatchObject([{ domain: bridge.portal.domain, state: 'active' }]);
  });

  it('parks a portal whose refresh token was revoked until it is installed again', async () => {
    const chat = await Conversation.begin(bridge, 441);
    bridge.bitrix24.tokens.revoke(bridge.app);
    chat.client.sends('waiting');
    await eventually(portals, ([portal]) => portal.state === 'reauthorise');
    expect(await chat.becomes('waiting', 'queued')).toMatchObject({ state: 'queued' });
    const { checks } = (await bridge.program.admin('GET', '/doctor')).json;
    expect(checks.filter(({ ok }: { ok: boolean }) => !ok).map(({ id }: { id: string }) => id)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^portal:\d+:state$/)]),
    );
    await bridge.install();
    await chat.becomes('waiting', 'delivered', 10_000);
    expect(chat.received).toEqual(['hello', 'waiting']);
    expect(await portals()).toMatchObject([{ state: 'active' }]);
  });
});
