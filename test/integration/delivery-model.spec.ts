import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { UpstreamError, type UpstreamErrorKind } from '../../src/common/upstream-error.js';
import type { DeliveryResult, EndpointDriver, HeldLease, LaneResult } from '../../src/relay/endpoint-driver.js';
import { EndpointWorker } from '../../src/relay/endpoint-worker.js';
import { LaneClaims } from '../../src/relay/lane-claims.js';
import { LaneSettlements } from '../../src/relay/lane-settlements.js';
import { RelayEvents } from '../../src/relay/relay-events.js';
import { DatabaseService } from '../../src/storage/postgres/database.service.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { ClaimedDelivery, ClaimedLane } from '../../src/storage/work/claimed-lane.js';
import { DecisionsRepository } from '../../src/storage/work/decisions.repository.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import type { Lease } from '../../src/storage/work/lease.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { runs } from '../support/random-runs.js';
import { endHolds } from '../support/storage.js';

/*
 * The way of operators' messages to Telegram, as a machine of a few lines, next to the real one on PostgreSQL. After
 * every step both must agree about everything that is kept: messages, lanes, deliveries, attempts, follow-up work.
 */

type Policy = 'hold' | 'resend';
type State = 'queued' | 'delivered' | 'failed' | 'uncertain' | 'ignored';

/** Longer than a run: what waits so long waits until the clock is moved. */
const LATER_MS = 3_600_000;
const CHATS = 2;

let database: TestDatabase;
let db: DatabaseService;
let lanes: LanesRepository;
let decisions: DecisionsRepository;
let intake: IntakeRepository;
let endpoints: EndpointsRepository;
let portalId: bigint;
let counter = 0;

beforeAll(async () => {
  Logger.overrideLogger(false);
  database = await createTestDatabase();
  db = new DatabaseService(database.url);
  lanes = new LanesRepository(db);
  decisions = new DecisionsRepository(db);
  intake = new IntakeRepository(db);
  endpoints = new EndpointsRepository(db);
  const portal = await db.query<{ id: bigint }>(
    `INSERT INTO portals (member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
     VALUES ('m', 'p.example', 'https://p.example/rest/', 'https://oauth.example', 'local.1', 'tg_1') RETURNING id`,
  );
  portalId = portal.rows[0]!.id;
});

afterAll(async () => {
  await db?.onApplicationShutdown();
  await database?.drop();
  Logger.overrideLogger(['log', 'warn', 'error']);
});

// The machine

interface Message {
  id: bigint;
  state: State;
  /** Outcomes of its attempts, decisions of people among them. */
  attempts: string[];
  /** Attempts that were sends. */
  sends: number;
  parts: bigint[];
  /** How often the driver said that it arrived. */
  arrivals: number;
}

interface Entry {
  message: Message;
  /** Of this entry: a message that a person sends again begins anew. */
  tries: number;
  unknown: boolean;
}

interface Lane {
  queue: Entry[];
  messages: Message[];
  waits: boolean;
  inFlight: boolean;
  notes: bigint[];
  statuses: bigint[];
}

interface Model {
  policy: Policy;
  chats: Lane[];
}

const isReady = (lane: Lane) => lane.queue.length > 0 && !lane.waits && !lane.inFlight;

function ends(lane: Lane, state: 'delivered' | 'failed' | 'uncertain'): void {
  const { message } = lane.queue.shift()!;
  message.state = state;
  message.attempts.push(state);
  if (state === 'delivered') lane.statuses.push(message.id);
  else lane.notes.push(message.id);
}

function outcomeUnknown(policy: Policy, lane: Lane): void {
  const [head] = lane.queue;
  if (policy === 'hold' || head!.unknown) return ends(lane, 'uncertain');
  head!.unknown = true;
  head!.message.attempts.push('unknown');
  lane.waits = true;
}

// The real thing

/** Grants one claim at a time, when it is asked for, and lets the test answer. */
class ScriptedDriver implements EndpointDriver {
  readonly concurrency = CHATS + 1;
  readonly inDoubt = CHATS + 1;
  readonly headsPerLane = 1;
  /** By chat. */
  readonly inFlight = new Map<bigint, { seq: bigint; answer: (result: LaneResult) => void }>();
  private asked: ((lane: ClaimedLane | null) => void) | null = null;

  /** The next lane that is claimed; null when none is due. */
  next(worker: EndpointWorker): Promise<ClaimedLane | null> {
    return new Promise((resolve) => {
      this.asked = resolve;
      // It said that asking again is worth nothing for long.
      worker.refresh();
    });
  }

  permits(): Promise<{ granted: number; retryInMs: number }> {
    return Promise.resolve(this.asked ? { granted: 1, retryInMs: 0 } : { granted: 0, retryInMs: LATER_MS });
  }

  giveBack(): void {
    this.answered(null);
  }

  send(claimed: ClaimedLane[]): Promise<LaneResult>[] {
    expect(claimed).toHaveLength(1);
    const [lane] = claimed;
    const [{ seq }] = lane!.deliveries as [ClaimedDelivery];
    const result = new Promise<LaneResult>((answer) => this.inFlight.set(lane!.chat.id, { seq, answer }));
    this.answered(lane!);
    return [result];
  }

  private answered(lane: ClaimedLane | null): void {
    const { asked } = this;
    this.asked = null;
    asked?.(lane);
  }

  start(): void {}
  stop(): Promise<void> {
    return Promise.resolve();
  }
  refresh(): void {}
  health(): { healthy: boolean } {
    return { healthy: true };
  }
}

class Replica {
  readonly driver = new ScriptedDriver();
  readonly worker: EndpointWorker;
  private readonly controller = new AbortController();

  constructor(
    readonly lease: Lease,
    policy: Policy,
  ) {
    const { controller } = this;
    const held: HeldLease = {
      lease,
      signal: controller.signal,
      get held() {
        return !controller.signal.aborted;
      },
    };
    const events = new RelayEvents();
    const claims = new LaneClaims(lanes, events);
    this.worker = new EndpointWorker(held, this.driver, lanes, events, {
      policy,
      claims,
      settlements: new LaneSettlements(lanes, events, lease.owner),
    });
    this.worker.start();
    void claims.reconcile([this.worker]);
  }

  async dies(): Promise<void> {
    this.controller.abort();
    await this.worker.stop(0);
  }
}

class World {
  private constructor(
    readonly botId: bigint,
    readonly chats: { id: bigint; externalId: string }[],
    private readonly policy: Policy,
    public replica: Replica,
  ) {}

  static async begin(policy: Policy): Promise<World> {
    const n = ++counter;
    const { rows } = await db.query<{ id: bigint }>(
      `INSERT INTO bots (key, telegram_id, token, portal_id, line_id)
       VALUES ($1::text, $1::bigint, '', $2, $1::text) RETURNING id`,
      [String(n), portalId],
    );
    const botId = rows[0]!.id;
    const externalIds = Array.from({ length: CHATS }, (_, index) => `tg:${n}${index}`);
    await intake.acceptClientUpdates(
      externalIds.map((externalId, index) => ({
        botId,
        updateId: index,
        said: null,
        sawChat: true,
        chat: {
          externalId,
          externalUserId: externalId,
          telegramChatId: BigInt(externalId.slice(3)),
          type: 'private',
          title: externalId,
        },
      })),
    );
    const chats = await db.query<{ id: bigint; externalId: string }>(
      `SELECT id, external_id AS "externalId" FROM chat_links WHERE bot_id = $1 ORDER BY external_id`,
      [botId],
    );
    return new World(botId, chats.rows, policy, new Replica(await acquire(botId), policy));
  }

  async receives(chat: number, key: string): Promise<{ accepted: number; id: bigint }> {
    const { accepted } = await intake.acceptOperatorMessages([
      {
        portalId,
        connector: 'tg_1',
        lineId: null,
        externalChatId: this.chats[chat]!.externalId,
        bitrixMessageId: key,
        bitrixChatId: null,
        said: { kind: 'text', text: key, marks: [], raw: {} },
        unsigned: false,
      },
    ]);
    const { rows } = await db.query<{ id: bigint }>(`SELECT id FROM messages WHERE bitrix_message_id = $1`, [key]);
    expect(rows).toHaveLength(1);
    return { accepted, id: rows[0]!.id };
  }

  async answers(chat: number, result: Omit<DeliveryResult, 'seq'>, nextInMs: number): Promise<void> {
    const { id } = this.chats[chat]!;
    const { inFlight } = this.replica.driver;
    const { seq, answer } = inFlight.get(id)!;
    inFlight.delete(id);
    answer({ deliveries: [{ seq, ...result } as DeliveryResult], ...(nextInMs > 0 ? { nextInMs } : {}) });
    await this.settled(`chat_id = ${id} AND channel = 'outbound'`);
  }

  /** Another replica takes over; what the old one hears afterwards is too late. */
  async takeover(): Promise<void> {
    const old = this.replica;
    await old.dies();
    await endpoints.release(old.lease, { handOver: false });
    this.replica = new Replica(await acquire(this.botId), this.policy);
    await this.settled(`endpoint = 'bot:${this.botId}'`);
    for (const { seq, answer } of old.driver.inFlight.values()) {
      answer({ deliveries: [{ seq, delivered: true, reportDelivery: true }] });
    }
    await sleep(old.driver.inFlight.size * 5);
  }

  private async settled(where: string): Promise<void> {
    for (let look = 0; look < 2_000; look++) {
      const { rowCount } = await db.query(`SELECT FROM lanes WHERE ${where} AND busy_fence IS NOT NULL`);
      if (!rowCount) return;
      await sleep(1);
    }
    throw new Error(`Never settled: ${where}`);
  }

  async timePasses(): Promise<void> {
    await db.query(`UPDATE lanes SET due_at = now() - interval '1 second' WHERE endpoint = $1`, [`bot:${this.botId}`]);
  }

  /** Everything that is kept about a chat, in the words of the machine. */
  async kept(chat: number) {
    const { id } = this.chats[chat]!;
    const [messages, lane, queue, notes, statuses] = await Promise.all([
      db.query(
        `SELECT id, state::text, attempts AS sends, delivered_at IS NOT NULL AS arrived,
                ARRAY(SELECT outcome FROM attempts a WHERE a.message_id = m.id ORDER BY a.id) AS attempts,
                ARRAY(SELECT telegram_message_id FROM message_links l WHERE l.message_id = m.id ORDER BY part) AS parts
           FROM messages m WHERE chat_id = $1 ORDER BY id`,
        [id],
      ),
      db.query<{ pending: number; busy: boolean; waits: boolean }>(
        `SELECT pending, busy_fence IS NOT NULL AS busy, due_at > now() AS waits
           FROM lanes WHERE chat_id = $1 AND channel = 'outbound'`,
        [id],
      ),
      db.query(
        `SELECT d.message_id AS id, d.state::text, d.attempts AS tries, d.unknown_since IS NOT NULL AS unknown
           FROM deliveries d JOIN lanes l ON l.id = d.lane_id
          WHERE l.chat_id = $1 AND l.channel = 'outbound' ORDER BY d.seq`,
        [id],
      ),
      db.query<{ id: bigint }>(
        `SELECT d.message_id AS id FROM deliveries d JOIN lanes l ON l.id = d.lane_id
          WHERE l.chat_id = $1 AND l.channel <> 'outbound' ORDER BY d.seq`,
        [id],
      ),
      db.query<{ id: bigint }>(
        `SELECT r.message_id AS id FROM dialog_reports r JOIN messages m ON m.id = r.message_id
          WHERE m.chat_id = $1 AND r.kind = 'status' ORDER BY r.id`,
        [id],
      ),
    ]);
    return {
      messages: messages.rows,
      lane: lane.rows[0] ?? { pending: 0, busy: false, waits: false },
      queue: queue.rows,
      notes: notes.rows.map((work) => work.id),
      statuses: statuses.rows.map((work) => work.id),
    };
  }
}

async function acquire(botId: bigint): Promise<Lease> {
  const leases = await endpoints.acquire(`replica-${++counter}`, 1_000);
  await endHolds(db);
  return leases.find(({ endpoint }) => endpoint === `bot:${botId}`)!;
}

async function agree(model: Model, world: World): Promise<void> {
  for (const [chat, lane] of model.chats.entries()) {
    expect(await world.kept(chat)).toEqual({
      messages: lane.messages.map(({ id, state, sends, attempts, parts }) => ({
        id,
        state,
        sends,
        arrived: state === 'delivered',
        attempts,
        parts,
      })),
      lane: {
        pending: lane.queue.length,
        busy: lane.inFlight,
        // A lane whose head is under way keeps the time at which it was due.
        waits: lane.waits,
      },
      queue: lane.queue.map(({ message, tries, unknown }, place) => ({
        id: message.id,
        state: lane.inFlight && place === 0 ? 'sending' : 'queued',
        tries,
        unknown,
      })),
      notes: lane.notes,
      statuses: lane.statuses,
    });
    for (const message of lane.messages) {
      expect(message.arrivals).toBeLessThanOrEqual(1);
      expect(lane.queue.filter((entry) => entry.message === message)).toHaveLength(message.state === 'queued' ? 1 : 0);
    }
  }
}

// What may happen

type Step = fc.AsyncCommand<Model, World>;

class Receive implements Step {
  constructor(
    readonly chat: number,
    readonly twice: boolean,
  ) {}
  check = () => true;
  async run(model: Model, world: World): Promise<void> {
    const lane = model.chats[this.chat]!;
    const key = `b${++counter}`;
    const { accepted, id } = await world.receives(this.chat, key);
    expect(accepted).toBe(1);
    if (this.twice) expect(await world.receives(this.chat, key)).toEqual({ accepted: 0, id });
    const message: Message = { id, state: 'queued', attempts: [], sends: 0, parts: [], arrivals: 0 };
    lane.messages.push(message);
    lane.queue.push({ message, tries: 0, unknown: false });
    await agree(model, world);
  }
  toString = () => `receive(${this.chat}${this.twice ? ', twice' : ''})`;
}

class Begin implements Step {
  check = () => true;
  async run(model: Model, world: World): Promise<void> {
    const ready = model.chats.filter(isReady);
    let claimed = await world.replica.driver.next(world.replica.worker);
    // A time is kept in milliseconds, rounded: what is due now may be due in half of one.
    for (let look = 0; !claimed && ready.length > 0 && look < 5; look++) {
      await sleep(2);
      claimed = await world.replica.driver.next(world.replica.worker);
    }
    if (!claimed) {
      expect(ready).toEqual([]);
    } else {
      const lane = model.chats[world.chats.findIndex(({ id }) => id === claimed.chat.id)]!;
      expect(ready).toContain(lane);
      const [head] = lane.queue;
      expect(claimed.deliveries).toMatchObject([
        {
          attempt: head!.tries + 1,
          unknown: head!.unknown,
          message: { id: head!.message.id, telegramMessageIds: head!.message.parts },
        },
      ]);
      head!.tries++;
      lane.inFlight = true;
    }
    await agree(model, world);
  }
  toString = () => 'begin';
}

/** Telegram answers for one of the lanes in flight. */
abstract class Answer implements Step {
  constructor(readonly pick: number) {}
  check = (model: Readonly<Model>) => model.chats.some(({ inFlight }) => inFlight);

  async run(model: Model, world: World): Promise<void> {
    const inFlight = [...model.chats.keys()].filter((chat) => model.chats[chat]!.inFlight);
    const chat = inFlight[this.pick % inFlight.length]!;
    const lane = model.chats[chat]!;
    const [head] = lane.queue;
    const { nextInMs = 0, ...result } = this.result(head!.message);
    await world.answers(chat, result, nextInMs);
    lane.inFlight = false;
    lane.waits = nextInMs > 0;
    this.happens(model, lane, head!);
    await agree(model, world);
  }

  toString = () => `${this.constructor.name.toLowerCase()}(${this.pick})`;
  protected abstract result(message: Message): Omit<DeliveryResult, 'seq'> & { nextInMs?: number };
  protected abstract happens(model: Model, lane: Lane, head: Entry): void;
}

const error = (kind: UpstreamErrorKind, retryAfterMs?: number) =>
  new UpstreamError({ network: 'telegram', kind, scope: 'chat', code: kind, detail: kind, retryAfterMs });

class Delivered extends Answer {
  constructor(
    pick: number,
    readonly paced: boolean,
  ) {
    super(pick);
  }
  override toString = () => `delivered(${this.pick}${this.paced ? ', paced' : ''})`;
  result({ parts, id }: Message) {
    return {
      delivered: true,
      reportDelivery: true,
      telegramMessageIds: [...parts, id],
      nextInMs: this.paced ? LATER_MS : 0,
    };
  }
  happens(_model: Model, lane: Lane, { message }: Entry): void {
    message.sends++;
    message.arrivals++;
    message.parts = [...message.parts, message.id];
    ends(lane, 'delivered');
  }
}

class Refused extends Answer {
  result() {
    return { delivered: false, error: error('refused') };
  }
  happens(_model: Model, lane: Lane, { message }: Entry): void {
    message.sends++;
    ends(lane, 'failed');
  }
}

class NotSent extends Answer {
  result() {
    return { delivered: false, error: error('not_sent', LATER_MS) };
  }
  happens(_model: Model, lane: Lane, { message }: Entry): void {
    message.sends++;
    message.attempts.push('retry');
    lane.waits = true;
  }
}

class Unknown extends Answer {
  result() {
    return { delivered: false, error: error('unknown') };
  }
  happens({ policy }: Model, lane: Lane, { message }: Entry): void {
    message.sends++;
    outcomeUnknown(policy, lane);
  }
}

/** The pace did not let any of it go: as if it had not been claimed. */
class Postponed extends Answer {
  result() {
    return { delivered: false, postponed: { begun: false }, nextInMs: LATER_MS };
  }
  happens(_model: Model, _lane: Lane, head: Entry): void {
    head.tries--;
  }
}

/** One part went, the others must wait. */
class Partly extends Answer {
  result({ parts, id }: Message) {
    return {
      delivered: false,
      postponed: { begun: true },
      telegramMessageIds: [...parts, id * 1_000n + BigInt(parts.length)],
      nextInMs: LATER_MS,
    };
  }
  happens(_model: Model, _lane: Lane, head: Entry): void {
    const { message } = head;
    message.sends++;
    message.attempts.push('retry');
    message.parts = [...message.parts, message.id * 1_000n + BigInt(message.parts.length)];
    head.unknown = false;
  }
}

class Kill implements Step {
  check = (model: Readonly<Model>) => model.chats.some(({ inFlight }) => inFlight);
  async run(model: Model, world: World): Promise<void> {
    await world.takeover();
    for (const lane of model.chats) {
      if (!lane.inFlight) continue;
      lane.inFlight = false;
      lane.waits = false;
      lane.queue[0]!.message.sends++;
      outcomeUnknown(model.policy, lane);
    }
    await agree(model, world);
  }
  toString = () => 'kill';
}

class TimePasses implements Step {
  check = (model: Readonly<Model>) => model.chats.some(({ waits }) => waits);
  async run(model: Model, world: World): Promise<void> {
    await world.timePasses();
    for (const lane of model.chats) lane.waits = false;
    await agree(model, world);
  }
  toString = () => 'time passes';
}

const isOpen = ({ state }: Message) => state === 'failed' || state === 'uncertain';

/** A person acts on every message of a chat, whatever its state: only those that it concerns may change. */
class Person implements Step {
  constructor(
    readonly chat: number,
    readonly does: 'retry' | 'discard' | 'resolve',
  ) {}
  check = (model: Readonly<Model>) => model.chats[this.chat]!.messages.length > 0;
  async run(model: Model, world: World): Promise<void> {
    const lane = model.chats[this.chat]!;
    const ids = lane.messages.map(({ id }) => id);
    const open = lane.messages.filter(isOpen);
    if (this.does === 'retry') {
      expect((await decisions.retry(ids)).retried).toBe(open.length);
      for (const message of open) {
        message.state = 'queued';
        lane.queue.push({ message, tries: 0, unknown: false });
      }
    } else if (this.does === 'discard') {
      expect(await decisions.discard(ids)).toBe(open.length);
      for (const message of open) {
        message.state = 'ignored';
        message.attempts.push('discarded');
      }
    } else {
      for (const message of lane.messages) {
        const endpointsWithWork = await decisions.resolve(message.id, 'delivered');
        expect(endpointsWithWork !== null).toBe(message.state === 'uncertain');
        if (message.state !== 'uncertain') continue;
        message.state = 'delivered';
        message.attempts.push('resolved');
        if (message.parts.length > 0) lane.statuses.push(message.id);
      }
    }
    await agree(model, world);
  }
  toString = () => `${this.does}(${this.chat})`;
}

/** Whatever came before: once everything gets through, nothing is left waiting, and each arrived once at most. */
async function drain(model: Model, world: World): Promise<void> {
  const begin = new Begin();
  for (;;) {
    while (model.chats.some(({ inFlight }) => inFlight)) await new Delivered(0, false).run(model, world);
    if (model.chats.some(({ waits }) => waits)) await new TimePasses().run(model, world);
    if (model.chats.every(({ queue }) => queue.length === 0)) break;
    await begin.run(model, world);
  }
  for (const { messages } of model.chats) {
    for (const { state, arrivals, attempts } of messages) {
      expect(state).not.toBe('queued');
      if (state === 'delivered') expect(arrivals === 1 || attempts.includes('resolved')).toBe(true);
      if (state === 'uncertain') expect(attempts.at(-1)).toBe('uncertain');
    }
  }
}

it(
  'does with every message what the machine does, whatever happens',
  { timeout: Math.max(90_000, 2 * runs(45_000)) },
  async () => {
    const chat = fc.nat(CHATS - 1);
    const step = fc.commands(
      [
        fc.tuple(chat, fc.boolean()).map(([n, twice]) => new Receive(n, twice)),
        fc.tuple(chat, fc.boolean()).map(([n, twice]) => new Receive(n, twice)),
        fc.constant(new Begin()),
        fc.constant(new Begin()),
        fc.tuple(chat, fc.boolean()).map(([n, paced]) => new Delivered(n, paced)),
        fc.tuple(chat, fc.boolean()).map(([n, paced]) => new Delivered(n, paced)),
        chat.map((n) => new Refused(n)),
        chat.map((n) => new NotSent(n)),
        chat.map((n) => new Unknown(n)),
        chat.map((n) => new Postponed(n)),
        chat.map((n) => new Partly(n)),
        fc.constant(new Kill()),
        fc.constant(new TimePasses()),
        fc.tuple(chat, fc.constantFrom('retry', 'discard', 'resolve')).map(([n, does]) => new Person(n, does)),
      ],
      { maxCommands: 60, size: 'max' },
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom<Policy>('hold', 'resend'), step, async (policy, steps) => {
        const model: Model = {
          policy,
          chats: Array.from({ length: CHATS }, () => ({
            queue: [],
            messages: [],
            waits: false,
            inFlight: false,
            notes: [],
            statuses: [],
          })),
        };
        const world = await World.begin(policy);
        try {
          await fc.asyncModelRun(() => ({ model, real: world }), steps);
          await drain(model, world);
        } finally {
          await world.replica.dies();
        }
      }),
      // Some 0.5 s a run. The limit is for finding the shortest counterexample.
      { numRuns: runs(10), interruptAfterTimeLimit: runs(45_000) },
    );
  },
);
