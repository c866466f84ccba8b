import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UpstreamError } from '../../src/common/upstream-error.js';
import type { RequestSource, RequestStep } from '../../src/crm/requests/request-sources.js';
import { SendRequests } from '../../src/crm/requests/send-requests.service.js';
import { IntakeService } from '../../src/relay/intake.service.js';
import { LaneSettlements } from '../../src/relay/lane-settlements.js';
import { RelayEvents } from '../../src/relay/relay-events.js';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import { PortalsRepository } from '../../src/storage/accounts/portals.repository.js';
import { SendRequestsRepository, type RequestOutcome } from '../../src/storage/crm/send-requests.repository.js';
import { ClientErasureRepository } from '../../src/storage/erasure/client-erasure.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import type { Lease } from '../../src/storage/work/lease.js';
import type { Settlement } from '../../src/storage/work/settlement.js';
import { eventually } from '../support/bridge.js';
import { createTestStorage, endHolds, PORTAL, update } from '../support/storage.js';

const ANN = 10;
const words = (text: string) => ({ text, marks: [] });

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;
let lanes: LanesRepository;
let bot: Lease;
let chatId: bigint;
let running: SendRequests[];

beforeEach(async () => {
  storage = await createTestStorage();
  intake = new IntakeRepository(storage.db);
  lanes = new LanesRepository(storage.db);
  running = [];
  const leases = await new EndpointsRepository(storage.db).acquire('me', 10);
  bot = leases.find(({ endpoint }) => endpoint === 'bot:1')!;
  await endHolds(storage.db);
  await intake.acceptClientUpdates([update(1, ANN, 'hello')]);
  [{ id: chatId }] = (await storage.db.query<{ id: bigint }>('SELECT id FROM chat_links')).rows as [{ id: bigint }];
});

afterEach(async () => {
  await Promise.all(running.map((service) => service.beforeApplicationShutdown()));
  await storage.close();
});

const rows = async (sql: string) => (await storage.db.query(sql)).rows;
const requests = () =>
  rows('SELECT source, key, state, outcome, payload, report, error_code FROM send_requests ORDER BY id');

/** A process that works on the requests. */
function start(source?: RequestSource, events = new RelayEvents()): SendRequests {
  const repository = new SendRequestsRepository(storage.db);
  const service = new SendRequests(
    repository,
    new PortalsRepository(storage.db),
    new IntakeService(intake, events),
    events,
  );
  if (source) service.register(source);
  service.onApplicationBootstrap();
  running.push(service);
  return service;
}

/** A source that writes down what it was told. */
function robot(carryOut?: () => RequestStep) {
  const told: RequestOutcome[] = [];
  const troubles: UpstreamError[] = [];
  const source: RequestSource = {
    source: 'robot',
    ...(carryOut ? { carryOut: () => Promise.resolve(carryOut()) } : {}),
    report: (_portal, _request, outcome) => {
      const trouble = troubles.shift();
      if (trouble) return Promise.reject(trouble);
      told.push(outcome);
      return Promise.resolve();
    },
  };
  return { source, told, troubles };
}

const trouble = (kind: UpstreamError['kind'], code: string) =>
  new UpstreamError({ network: 'bitrix24', kind, code, detail: code, scope: 'method', retryAfterMs: 10 });

/** Telegram answers what waits for it. */
async function telegram(settlement: Omit<Settlement, 'seq'>): Promise<void> {
  const claimed = await lanes.claim(bot, 10, 1);
  const settled = claimed.map((lane) => ({
    lane,
    dueInMs: 0,
    deliveries: lane.deliveries.map(({ seq }) => ({ seq, ...settlement })),
  }));
  await lanes.settle([{ lease: bot, lanes: settled }], 'me');
}

const request = (key: string, more = {}) => ({
  portalId: PORTAL,
  source: 'robot' as const,
  key,
  chatId,
  words: words(key),
  report: { token: key },
  ...more,
});

describe('what is said', () => {
  it('is kept once for each key, also when both come at once', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => intake.acceptSendRequests([request('a')])));
    const said = answers.flatMap(({ answers: [answer] }) => answer!);
    expect(said.map(({ status }) => status).toSorted()).toEqual(['known', 'known', 'new']);
    expect(new Set(said.map((answer) => 'request' in answer && answer.request.messageId)).size).toBe(1);
    const batch = await intake.acceptSendRequests([request('b'), request('a'), request('b')]);
    expect(batch.answers.map(({ status }) => status)).toEqual(['new', 'known', 'known']);
    expect(await rows(`SELECT text, kind FROM messages WHERE direction = 'outbound' ORDER BY id`)).toEqual([
      { text: 'a', kind: 'robot' },
      { text: 'b', kind: 'robot' },
    ]);
  });

  it('goes to no chat of another portal, and is not kept', async () => {
    await storage.db
      .query(`INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
      VALUES (2, 'n', 'b', 'https://b/rest/', 'https://o', 'c', 'tg_bridge')`);
    const { answers } = await intake.acceptSendRequests([
      request('a', { portalId: 2n }),
      request('b', { chatId: 99n }),
    ]);
    expect(answers).toEqual([{ status: 'no_chat' }, { status: 'no_chat' }]);
    expect(await requests()).toEqual([]);
  });

  it('yields to conversations where it is bulk, and to nothing otherwise', async () => {
    const priority = () => rows(`SELECT priority FROM lanes WHERE channel = 'outbound'`);
    await intake.acceptSendRequests([request('a', { bulk: true })]);
    expect(await priority()).toEqual([{ priority: 5 }]);
    await intake.acceptSendRequests([request('b')]);
    expect(await priority()).toEqual([{ priority: 0 }]);
  });
});

describe('what became of it', () => {
  it('is reported once, with its reason, and then forgotten', async () => {
    const { source, told } = robot();
    const service = start(source);
    await service.send(request('a'));
    await telegram({ outcome: 'delivered', telegramMessageIds: [77n] });
    await service.send(request('b'));
    await telegram({ outcome: 'failed', code: 'bot_blocked', detail: 'Forbidden' });
    await eventually(
      () => told,
      ({ length }) => length === 2,
      15_000,
    );
    expect(told).toEqual([
      { status: 'delivered', messageId: expect.any(String), telegramMessageId: '77', at: expect.any(String) },
      { status: 'failed', code: 'bot_blocked', detail: 'Forbidden', messageId: expect.any(String) },
    ]);
    await eventually(requests, (all) => all.every(({ state }) => state === 'done'));
    expect((await requests())[1]).toMatchObject({ outcome: { status: 'failed' }, payload: {}, report: null });
  });

  it('is reported at once, also where its commit takes a moment', async () => {
    const { source, told } = robot();
    const events = new RelayEvents();
    const service = start(source, events);
    await service.send(request('a'));
    // The first look, and what follows from it, is over.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const [lane] = await lanes.claim(bot, 10, 1);
    events.emit('settled', { network: 'telegram', kind: 'message', outcome: 'delivered', ms: 1 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const deliveries = lane!.deliveries.map(({ seq }) => ({ seq, outcome: 'delivered' as const }));
    const held = { lease: bot, held: true, signal: new AbortController().signal };
    const begun = performance.now();
    expect(await new LaneSettlements(lanes, events, 'me').record(held, { lane: lane!, dueInMs: 0, deliveries })).toBe(
      true,
    );
    await eventually(
      () => told,
      ({ length }) => length === 1,
    );
    // Not with the look that comes every five seconds anyway.
    expect(performance.now() - begun).toBeLessThan(3_000);
  });

  it('is reported by the next process where one was killed, and where the portal did not answer', async () => {
    await intake.acceptSendRequests([request('a')]);
    await telegram({ outcome: 'uncertain', code: 'TIMEOUT' });
    const { source, told, troubles } = robot();
    // Killed in the middle of the report: the claim has run out.
    const repository = new SendRequestsRepository(storage.db);
    await repository.noteEnds();
    expect(await repository.claim(['robot'], 10, [])).toHaveLength(1);
    await storage.db.query(`UPDATE send_requests SET due_at = now() - make_interval(secs => 0.001)`);
    troubles.push(trouble('unknown', 'TIMEOUT'), trouble('not_sent', 'QUERY_LIMIT_EXCEEDED'));
    start(source);
    await eventually(
      () => told,
      ({ length }) => length > 0,
      20_000,
    );
    expect(told).toEqual([{ status: 'uncertain', code: 'TIMEOUT', messageId: expect.any(String) }]);
  });

  it('is given up where the portal refuses it, and says why', async () => {
    const { source, told, troubles } = robot();
    troubles.push(trouble('refused', 'ACCESS_DENIED'));
    const service = start(source);
    await service.send(request('a'));
    await telegram({ outcome: 'delivered' });
    await eventually(requests, (all) => all[0]!.state === 'done', 15_000);
    expect((await requests())[0]).toMatchObject({ error_code: 'ACCESS_DENIED' });
    expect(told).toEqual([]);
  });

  it('is told of a message that was erased meanwhile', async () => {
    const { source, told } = robot();
    await intake.acceptSendRequests([request('a')]);
    await storage.db.query('DELETE FROM chat_links');
    start(source);
    await eventually(
      () => told,
      ({ length }) => length > 0,
      15_000,
    );
    expect(told).toEqual([{ status: 'gone' }]);
  });

  it('nobody asks for is reported to nobody', async () => {
    await intake.acceptSendRequests([request('a', { report: undefined })]);
    expect((await requests())[0]).toMatchObject({ state: 'done' });
  });
});

describe('what was only received', () => {
  const received = (key: string) => ({
    portalId: PORTAL,
    source: 'robot' as const,
    key,
    payload: { text: 'secret words' },
    report: { token: key },
  });

  it('is carried out once, and its words stay nowhere but in the message', async () => {
    const { source, told } = robot(() => ({ send: { chatId, words: words('hi') } }));
    const services = [start(source), start(source)];
    const kept = await Promise.all([0, 1, 0, 1].map((at) => services[at]!.receive(received('a'))));
    expect(kept.filter(Boolean)).toHaveLength(1);
    await eventually(requests, (all) => all[0]!.state === 'sending');
    expect(JSON.stringify(await requests())).not.toContain('secret words');
    await telegram({ outcome: 'delivered' });
    await eventually(
      () => told,
      ({ length }) => length > 0,
      15_000,
    );
    expect(await rows(`SELECT text FROM messages WHERE direction = 'outbound'`)).toEqual([{ text: 'hi' }]);
  });

  it('ends without a message where there is nobody to write to', async () => {
    const nobody = robot(() => ({ outcome: { status: 'no_chat' } }));
    await start(nobody.source).receive(received('a'));
    await eventually(
      () => nobody.told,
      ({ length }) => length > 0,
    );
    expect(nobody.told).toEqual([{ status: 'no_chat' }]);
  });

  it('waits for the client’s next words, not for earlier ones, for a press of Start or for longer than it may', async () => {
    const waits = (ms: number) => robot(() => ({ wait: { chatId, until: new Date(Date.now() + ms) } }));
    const patient = waits(60_000);
    const service = start(patient.source);
    await service.receive(received('a'));
    await eventually(requests, (all) => all[0]!.state === 'waiting');
    const old = update(2, ANN, 'late words');
    await intake.acceptClientUpdates([
      { ...old, said: { ...old.said!, saidAt: new Date(Date.now() - 3_600_000) } },
      { ...update(3, ANN, '▶️'), said: { kind: 'start', text: '▶️', marks: [], raw: {} } },
    ]);
    await intake.acceptClientUpdates([update(4, ANN, 'yes'), update(5, ANN, 'and more')]);
    await eventually(
      () => patient.told,
      ({ length }) => length > 0,
      15_000,
    );
    expect(patient.told).toEqual([
      { status: 'answered', text: 'yes', messageId: expect.any(String), at: expect.any(String) },
    ]);
    await service.beforeApplicationShutdown();
    const hasty = waits(500);
    await start(hasty.source).receive(received('b'));
    await eventually(
      () => hasty.told,
      ({ length }) => length > 0,
      15_000,
    );
    expect(hasty.told).toEqual([{ status: 'timeout' }]);
  });

  const wait = (ms = 60_000) => robot(() => ({ wait: { chatId, until: new Date(Date.now() + ms) } }));
  const waiting = () => eventually(requests, (all) => all[0]!.state === 'waiting');
  const toAnotherPortal = async () => {
    await storage.db
      .query(`INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
      VALUES (2, 'n', 'b', 'https://b/rest/', 'https://o', 'c', 'tg_bridge')`);
    await new BotsRepository(storage.db).assign(1n, { portalId: 2n, lineId: '9' });
  };

  it('hears nothing of what the client says to another portal, to which the bot went meanwhile', async () => {
    const { source, told } = wait(3_000);
    await start(source).receive(received('a'));
    await waiting();
    await toAnotherPortal();
    await intake.acceptClientUpdates([update(2, ANN, 'words for the other portal')]);
    await eventually(
      () => told,
      ({ length }) => length > 0,
      15_000,
    );
    expect(told).toEqual([{ status: 'timeout' }]);
  });

  it('hears what was said in time while no program ran, and nothing that was said later', async () => {
    const first = wait(1_500);
    const service = start(first.source);
    await service.receive(received('a'));
    await waiting();
    const inTime = new Date();
    await service.beforeApplicationShutdown();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const second = wait();
    start(second.source);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect([...first.told, ...second.told]).toEqual([]);
    const said = (n: number, text: string, saidAt: Date) => {
      const one = update(n, ANN, text);
      return { ...one, said: { ...one.said!, saidAt } };
    };
    await intake.acceptClientUpdates([said(2, 'too late', new Date())]);
    await intake.acceptClientUpdates([said(3, 'yes', inTime)]);
    await eventually(
      () => second.told,
      ({ length }) => length > 0,
    );
    expect(second.told).toMatchObject([{ status: 'answered', text: 'yes' }]);
  });

  it('does not take the vote of a rating for the answer', async () => {
    const { source, told } = wait();
    await start(source).receive(received('a'));
    await waiting();
    await intake.acceptClientUpdates([
      { ...update(2, ANN, '1'), said: { kind: 'vote', text: '1', marks: [], raw: {} } },
    ]);
    await intake.acceptClientUpdates([update(3, ANN, 'yes')]);
    await eventually(
      () => told,
      ({ length }) => length > 0,
      15_000,
    );
    expect(told).toMatchObject([{ status: 'answered', text: 'yes' }]);
  });

  it('is reported again where the portal does not answer, however long it has waited before', async () => {
    const { source, told, troubles } = wait();
    troubles.push(trouble('not_sent', 'QUERY_LIMIT_EXCEEDED'));
    await start(source).receive(received('a'));
    await waiting();
    await storage.db.query(`UPDATE send_requests SET created_at = now() - interval '4 days'`);
    await intake.acceptClientUpdates([update(2, ANN, 'yes')]);
    await eventually(requests, (all) => all[0]!.state === 'done', 15_000);
    expect(told).toMatchObject([{ status: 'answered', text: 'yes' }]);
  });

  it('is not said any more when it has waited for days', async () => {
    const { source, told } = robot(() => ({ send: { chatId, words: words('The courier comes today') } }));
    await storage.db.query(`UPDATE portals SET state = 'reauthorise'`);
    await start(source).receive(received('a'));
    await storage.db.query(`UPDATE send_requests SET created_at = now() - interval '4 days'`);
    await storage.db.query(`UPDATE portals SET state = 'active'`);
    await eventually(
      () => told,
      ({ length }) => length > 0,
      15_000,
    );
    expect(told).toEqual([{ status: 'failed', code: 'too_late' }]);
    expect(await rows(`SELECT text FROM messages WHERE direction = 'outbound'`)).toEqual([]);
  });

  it('stands in nobody’s way where the program itself fails at it, and ends after its time', async () => {
    const { source, told } = robot(() => ({ outcome: { status: 'no_chat' } }));
    const { carryOut } = source;
    source.carryOut = (portal, claimed) => {
      if (claimed.key === 'bad') throw new TypeError('Cannot read properties of undefined');
      return carryOut!(portal, claimed);
    };
    const repository = new SendRequestsRepository(storage.db);
    await repository.receive(received('bad'));
    await repository.receive(received('good'));
    start(source);
    await eventually(
      () => told,
      ({ length }) => length === 1,
      5_000,
    );
    await storage.db.query(
      `UPDATE send_requests SET step_at = now() - interval '4 days', due_at = now() - make_interval(secs => 0.001)`,
    );
    await eventually(
      () => told,
      ({ length }) => length === 2,
      15_000,
    );
    expect(told).toEqual([{ status: 'no_chat' }, { status: 'failed', code: 'INTERNAL', detail: expect.any(String) }]);
  });

  it('is forgotten after its time where the portal never comes back', async () => {
    const repository = new SendRequestsRepository(storage.db);
    await repository.receive(received('a'));
    await repository.receive(received('b'));
    await storage.db.query(`UPDATE send_requests SET created_at = due, due_at = due
      FROM (SELECT now() - interval '91 days' AS due) d WHERE key = 'a'`);
    await storage.db.query(`UPDATE portals SET state = 'uninstalled'`);
    expect(await repository.purge(90)).toBe(1);
    expect(await requests()).toMatchObject([{ key: 'b' }]);
  });

  it('keeps nothing of an answer whose client was erased before it was told', async () => {
    const repository = new SendRequestsRepository(storage.db);
    await repository.receive(received('a'));
    const [claimed] = await repository.claim(['robot'], 1, []);
    await repository.wait(claimed!, { chatId, until: new Date(Date.now() + 60_000) });
    await intake.acceptClientUpdates([update(2, ANN, 'my secret')]);
    await repository.noteAnswers();
    expect(JSON.stringify(await requests())).toContain('my secret');
    const [erasure] = await rows(`INSERT INTO erasures (actor, subject) VALUES ('x', 'y') RETURNING id`);
    await new ClientErasureRepository(storage.db).eraseChat(erasure!['id'], chatId, 100, { force: true });
    expect(JSON.stringify(await requests())).not.toContain('my secret');
    expect(await requests()).toMatchObject([{ state: 'reporting', outcome: { status: 'gone' } }]);
  });

  /** What a process asks for: its next robot. */
  const step = (key: string, process = 'p') => ({ ...received(key), process });
  const waitFor =
    (client: () => Promise<unknown>, before: () => Promise<unknown> = async () => undefined) =>
    async () => {
      const { source, told } = wait();
      await before();
      await client();
      await start(source).receive(step('wait'));
      await eventually(requests, (all) => all.at(-1)!.state !== 'received', 15_000);
      return { told, state: (await requests()).at(-1)!['state'] as string };
    };
  /** A robot of the process writes, and Telegram takes it. */
  async function robotWrites(process = 'p'): Promise<void> {
    const repository = new SendRequestsRepository(storage.db);
    await repository.receive(step(`says ${process}`, process));
    const [claimed] = await repository.claim(['robot'], 1, []);
    await intake.acceptSendRequests([request('x', { id: claimed!.id, key: claimed!.key })]);
    await telegram({ outcome: 'delivered', telegramMessageIds: [77n] });
  }

  it('hears what the client has said since a robot of the same process reached them', async () => {
    const begun = await waitFor(() => intake.acceptClientUpdates([update(2, ANN, 'quick yes')]), robotWrites)();
    const answers = () => begun.told.filter(({ status }) => status === 'answered').map(({ text }) => text);
    await eventually(answers, ({ length }) => length > 0, 15_000);
    // The answer is used up.
    await running[0]!.receive(step('another wait'));
    await eventually(requests, (all) => all.at(-1)!.state === 'waiting', 15_000);
    await intake.acceptClientUpdates([update(3, ANN, 'and then')]);
    await eventually(answers, ({ length }) => length > 1, 15_000);
    expect(answers()).toEqual(['quick yes', 'and then']);
  });

  it('hears nothing of what was said to a robot of another process, or before the robot wrote', async () => {
    await intake.acceptClientUpdates([update(2, ANN, 'before')]);
    await robotWrites();
    await robotWrites('q');
    expect((await waitFor(async () => undefined)()).state).toBe('waiting');
    await Promise.all(running.map((service) => service.beforeApplicationShutdown()));
    await storage.db.query('DELETE FROM send_requests');
    const other = await waitFor(
      () => intake.acceptClientUpdates([update(3, ANN, 'to the other one')]),
      () => robotWrites('q'),
    )();
    expect(other.state).toBe('waiting');
  });

  it('of a client on the ban list nothing is sent, and nobody waits for their words', async () => {
    await storage.db.query(`UPDATE chat_links SET banned_at = now()`);
    const sends = robot(() => ({ send: { chatId, words: words('hi') } }));
    await start(sends.source).receive(received('a'));
    const said = () => [...sends.told, ...waits.told];
    const waits = wait();
    await eventually(
      () => said(),
      ({ length }) => length > 0,
      15_000,
    );
    await running.pop()!.beforeApplicationShutdown();
    await start(waits.source).receive(received('b'));
    await eventually(
      () => said(),
      ({ length }) => length > 1,
      15_000,
    );
    expect(said()).toEqual(Array.from({ length: 2 }, () => ({ status: 'failed', code: 'banned' })));
    const { answers } = await intake.acceptSendRequests([request('by hand', { source: 'api' })]);
    expect(answers).toMatchObject([{ status: 'new' }]);
    expect(await rows(`SELECT text FROM messages WHERE direction = 'outbound'`)).toEqual([{ text: 'by hand' }]);
  });

  it('that waits for its portal is forgotten with its client, as far as it is known to be theirs', async () => {
    await storage.db.query(`UPDATE chat_links SET phone = '+7 999 000-00-10'`);
    await robotWrites();
    await storage.db.query(`UPDATE portals SET state = 'reauthorise'`);
    await storage.db.query(
      `INSERT INTO arrivals (portal_id, chat_id, payload, found_type, found_id) VALUES ($1, $2, 'x', 'deal', '7')`,
      [PORTAL, chatId],
    );
    const repository = new SendRequestsRepository(storage.db);
    const payloads = {
      bySms: { payload: { phone: '89990000010', text: 'secret' } },
      byRobot: { payload: { properties: { phone: '+79990000010', text: 'secret' } } },
      byDeal: { payload: { document: { type: 'deal', id: '7' }, text: 'secret' } },
      byBinding: { payload: { entities: [{ type: 'deal', id: '7' }], text: 'secret' } },
      byProcess: { payload: { text: 'secret' }, process: 'p' },
      // Of itself a wait does not say whose answer it waits for.
      byNumberOfProcess: { payload: { properties: { phone: '+79990000010' } }, process: 'q' },
      waitOfProcess: {
        payload: { document: { type: 'lead', id: '9' }, properties: { minutes: 'secret' } },
        process: 'q',
      },
      byNumberOfDocument: {
        payload: { document: { type: 'lead', id: '10' }, properties: { phone: '+79990000010' } },
        process: 'r',
      },
      waitOfDocument: {
        payload: { document: { type: 'lead', id: '10' }, properties: { minutes: 'secret' } },
        process: 's',
      },
      others: { payload: { document: { type: 'deal', id: '8' }, text: 'of somebody else' } },
    };
    for (const [key, more] of Object.entries(payloads)) await repository.receive({ ...received(key), ...more });
    const [erasure] = await rows(`INSERT INTO erasures (actor, subject) VALUES ('x', 'y') RETURNING id`);
    await new ClientErasureRepository(storage.db).eraseChat(erasure!['id'], chatId, 100, { force: true });
    const left = (await requests()).slice(1);
    expect(left.map(({ state, outcome }) => [state, outcome?.status])).toEqual([
      ...Array.from({ length: 9 }, () => ['reporting', 'gone']),
      ['received', undefined],
    ]);
    expect(JSON.stringify(left)).not.toContain('secret');
    // What nobody knows to be theirs is not kept for longer than it could be sent.
    await storage.db.query(`UPDATE send_requests SET created_at = now() - interval '4 days'`);
    await start(robot().source).forgetOld();
    expect((await requests()).at(-1)).toMatchObject({ state: 'reporting', payload: {}, outcome: { code: 'too_late' } });
  });

  it('is done by another process soon after the one that began was killed, and by nobody while that one lives', async () => {
    const { source, told } = robot(() => ({ outcome: { status: 'no_chat' } }));
    const repository = new SendRequestsRepository(storage.db);
    await repository.receive(received('a'));
    await repository.claim(['robot'], 1, []);
    const killedAt = Date.now();
    let carriedOut = 0;
    const slow: RequestSource = {
      ...source,
      carryOut: async () => {
        carriedOut += 1;
        await new Promise((resolve) => setTimeout(resolve, 16_500));
        return { outcome: { status: 'no_chat' } };
      },
    };
    start(slow);
    start(slow);
    await eventually(
      () => carriedOut,
      (count) => count > 0,
      30_000,
    );
    expect(Date.now() - killedAt).toBeLessThan(25_000);
    await eventually(
      () => told,
      ({ length }) => length > 0,
      40_000,
    );
    expect(carriedOut).toBe(1);
  }, 80_000);

  it('that was postponed is left alone by a renewal that was under way, and by whoever claimed it before', async () => {
    const repository = new SendRequestsRepository(storage.db);
    await repository.receive(received('a'));
    const [first] = await repository.claim(['robot'], 1, []);
    await storage.db.query('UPDATE send_requests SET due_at = now() - make_interval(secs => 0.001)');
    const [second] = await repository.claim(['robot'], 1, []);
    await repository.postpone(second!, { code: 'x', detail: 'x', delayMs: 3_600_000 });
    await repository.renew([second!]);
    await repository.postpone(first!, { code: 'y', detail: 'y', delayMs: 1_000 });
    expect(await rows(`SELECT due_at > now() + interval '50 minutes' AS late, error_code FROM send_requests`)).toEqual([
      { late: true, error_code: 'x' },
    ]);
  });

  it('waits while its portal is not there', async () => {
    const { source, told } = robot(() => ({ outcome: { status: 'no_chat' } }));
    await storage.db.query(`UPDATE portals SET state = 'reauthorise'`);
    await start(source).receive(received('a'));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(told).toEqual([]);
    await storage.db.query(`UPDATE portals SET state = 'active'`);
    await eventually(
      () => told,
      ({ length }) => length > 0,
    );
  });
});
