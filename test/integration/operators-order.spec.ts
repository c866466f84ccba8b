import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { OperatorMessageRow } from '../../src/storage/intake/intake.rows.js';
import type { ClaimedLane } from '../../src/storage/work/claimed-lane.js';
import { DecisionsRepository } from '../../src/storage/work/decisions.repository.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import type { Settlement } from '../../src/storage/work/settlement.js';
import type { Lease } from '../../src/storage/work/lease.js';
import { PAUSE_SECONDS } from '../../src/storage/work/answer-pauses.js';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import { PortalsRepository } from '../../src/storage/accounts/portals.repository.js';
import { createTestStorage, endHolds, operatorMessage, PORTAL, update } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let endpoints: EndpointsRepository;
let intake: IntakeRepository;
let lanes: LanesRepository;
let portals: PortalsRepository;
let bot: Lease;

beforeEach(async () => {
  storage = await createTestStorage();
  endpoints = new EndpointsRepository(storage.db);
  intake = new IntakeRepository(storage.db);
  lanes = new LanesRepository(storage.db);
  portals = new PortalsRepository(storage.db);
  bot = (await endpoints.acquire('me', 10)).find(({ endpoint }) => endpoint === 'bot:1')!;
  await intake.acceptClientUpdates([update(1, 10, 'hello'), update(2, 11, 'hello')]);
});

afterEach(() => storage.close());

const says = (id: number, client = 10): OperatorMessageRow => operatorMessage(id, client, `said ${id}`);
const named = (bitrixMessageId: string): OperatorMessageRow => ({
  ...operatorMessage(0, 10, bitrixMessageId),
  bitrixMessageId,
});
const claim = (limit = 1) => lanes.claim(bot, limit, 1);

function settle(claimed: ClaimedLane[], outcome: Partial<Settlement> = {}) {
  const lanesOf = claimed.map((lane) => ({
    lane,
    dueInMs: 0,
    deliveries: lane.deliveries.map(({ seq }) => ({ seq, outcome: 'delivered' as const, ...outcome })),
  }));
  return lanes.settle([{ lease: bot, lanes: lanesOf }], 'instance');
}

/** Sends whatever waits, one after the other. */
async function sendAll(): Promise<string[]> {
  const sent: string[] = [];
  for (let claimed = await claim(); claimed.length > 0; claimed = await claim()) {
    sent.push(...claimed.flatMap(({ deliveries }) => deliveries.map(({ message }) => message.text)));
    await settle(claimed);
  }
  return sent;
}

describe('the order of operators’ messages', () => {
  beforeEach(() => endHolds(storage.db));

  it('is that of their ids, however they came', async () => {
    await intake.acceptOperatorMessages([says(9), says(120)]);
    await intake.acceptOperatorMessages([says(11), says(10), says(300)]);
    await intake.acceptOperatorMessages([says(8)]);
    expect(await sendAll()).toEqual(['said 8', 'said 9', 'said 10', 'said 11', 'said 120', 'said 300']);
  });

  it('is that of their arrival between two portals, whose ids say nothing about one another', async () => {
    await storage.db.query(
      `INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
       VALUES (2, 'm2', 'b.bitrix24.com', 'https://b.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg_bridge')`,
    );
    await storage.db.query(`UPDATE messages SET state = 'delivered'`);
    await intake.acceptOperatorMessages([says(900), says(902)]);
    await new BotsRepository(storage.db).assign(1n, { portalId: 2n, lineId: '7' });
    await intake.acceptOperatorMessages([{ ...says(5), portalId: 2n }]);
    await intake.acceptOperatorMessages([says(901)]);
    await intake.acceptOperatorMessages([{ ...says(4), portalId: 2n }]);
    expect(await sendAll()).toEqual(['said 900', 'said 901', 'said 4', 'said 902', 'said 5']);
  });

  it('is kept in each chat for itself', async () => {
    await intake.acceptOperatorMessages([says(5, 10), says(4, 11), says(7, 10)]);
    await intake.acceptOperatorMessages([says(6, 11), says(3, 10)]);
    const rows = await storage.db.query(
      `SELECT m.text FROM deliveries d JOIN messages m ON m.id = d.message_id JOIN lanes l ON l.id = d.lane_id
        WHERE l.channel = 'outbound' ORDER BY l.chat_id, d.seq`,
    );
    expect(rows.rows.map(({ text }) => text)).toEqual(['said 3', 'said 5', 'said 7', 'said 4', 'said 6']);
  });

  it('never moves what is being sent', async () => {
    await intake.acceptOperatorMessages([says(5), says(7)]);
    const sending = await claim();
    await intake.acceptOperatorMessages([says(3)]);
    await settle(sending);
    expect(await sendAll()).toEqual(['said 3', 'said 7']);
    const rows = await storage.db.query(`SELECT text, state FROM messages WHERE text = 'said 5'`);
    expect(rows.rows).toEqual([{ text: 'said 5', state: 'delivered' }]);
  });

  it('never moves what was tried: parts of it may be there', async () => {
    await intake.acceptOperatorMessages([says(5)]);
    await settle(await claim(), { outcome: 'retry', code: '429', telegramMessageIds: [71n] });
    await intake.acceptOperatorMessages([says(7), says(3)]);
    expect(await sendAll()).toEqual(['said 5', 'said 3', 'said 7']);
  });

  it('leaves what a person sends again at its place', async () => {
    await intake.acceptOperatorMessages([says(5)]);
    await settle(await claim(), { outcome: 'failed' });
    await intake.acceptOperatorMessages([says(7)]);
    const { rows } = await storage.db.query<{ id: bigint }>(`SELECT id FROM messages WHERE text = 'said 5'`);
    await new DecisionsRepository(storage.db).retry(rows.map(({ id }) => id));
    await intake.acceptOperatorMessages([says(6)]);
    expect(await sendAll()).toEqual(['said 6', 'said 5', 'said 7']);
  });

  it('leaves messages whose ids are no numbers where they are', async () => {
    await intake.acceptOperatorMessages([says(5), named('b24:1'), says(7)]);
    await intake.acceptOperatorMessages([says(6), named('b24:0')]);
    expect(await sendAll()).toEqual(['said 5', 'b24:1', 'said 6', 'said 7', 'b24:0']);
  });

  it('keeps several deliveries of one message behind each other', async () => {
    await intake.acceptOperatorMessages([says(5)]);
    await storage.db.query(
      `INSERT INTO deliveries (lane_id, seq, message_id, kind, payload)
       SELECT lane_id, seq + 1, message_id, 'note', '{"follows":true}' FROM deliveries d JOIN lanes l ON l.id = d.lane_id
        WHERE l.channel = 'outbound'`,
    );
    await storage.db.query(`UPDATE lanes SET tail = tail + 1, pending = pending + 1 WHERE channel = 'outbound'`);
    await intake.acceptOperatorMessages([says(4)]);
    const { rows } = await storage.db.query(
      `SELECT m.text, d.kind, d.payload FROM deliveries d JOIN messages m ON m.id = d.message_id
        WHERE m.direction = 'outbound' ORDER BY d.seq`,
    );
    expect(rows).toEqual([
      { text: 'said 4', kind: 'message', payload: null },
      { text: 'said 5', kind: 'message', payload: null },
      { text: 'said 5', kind: 'note', payload: { follows: true } },
    ]);
  });

  it('does not hand out a message that the claim could not see: one that took a place while it waited', async () => {
    await intake.acceptOperatorMessages([says(5)]);
    let letGo = () => {};
    const blocked = storage.db.transaction(async (connection) => {
      await connection.query(`SELECT FROM endpoints WHERE id = 'bot:1' FOR UPDATE`);
      await new Promise<void>((resolve) => (letGo = resolve));
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const claiming = claim();
    await new Promise((resolve) => setTimeout(resolve, 200));
    await intake.acceptOperatorMessages([says(3)]);
    letGo();
    await blocked;
    const claimed = await claiming;
    expect(claimed.flatMap(({ deliveries }) => deliveries)).toEqual([]);
    await settle(claimed);
    expect(await sendAll()).toEqual(['said 3', 'said 5']);
  });
});

describe('where events may have been lost', () => {
  const pauseOf = async () => (await portals.findById(PORTAL))!.answersPausedUntil;
  const paused = async () => (await claim(10)).length === 0 && (await lanes.withWorkDue(['bot:1'])).length === 0;

  it('answers wait from the takeover of the portal on, those of other portals do not', async () => {
    await storage.db.query(
      `INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
       VALUES (2, 'm2', 'b.bitrix24.com', 'https://b.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg_bridge')`,
    );
    await storage.db.query(
      `INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id) VALUES (2, 'k2', 2, 't', 2, '7')`,
    );
    const other = (await endpoints.acquire('me', 10)).find(({ endpoint }) => endpoint === 'bot:2')!;
    await storage.db.query(`UPDATE portals SET hold_outbound_until = NULL WHERE id = 2`);
    await intake.acceptClientUpdates([{ ...update(1, 20, 'hello'), botId: 2n }]);
    await intake.acceptOperatorMessages([says(5), { ...says(6, 20), portalId: 2n }]);
    expect(await paused()).toBe(true);
    expect(await lanes.withWorkDue(['bot:1', 'bot:2', 'portal:1'])).toEqual(['bot:2', 'portal:1']);
    expect(await lanes.claim(other, 10, 1)).toHaveLength(1);

    await portals.resumeAnswers(PORTAL, (await pauseOf())!);
    expect(await lanes.withWorkDue(['bot:1'])).toEqual(['bot:1']);
    expect(await claim(10)).toHaveLength(1);
  });

  it('no answer waits longer than the limit', async () => {
    await intake.acceptOperatorMessages([says(5)]);
    const { rows } = await storage.db.query<{ seconds: number }>(
      `SELECT extract(epoch FROM hold_outbound_until - now())::float8 AS seconds FROM portals`,
    );
    expect(rows[0]!.seconds).toBeGreaterThan(0);
    expect(rows[0]!.seconds).toBeLessThanOrEqual(PAUSE_SECONDS);
    await storage.db.query(`UPDATE portals SET hold_outbound_until = hold_outbound_until - make_interval(secs => $1)`, [
      PAUSE_SECONDS,
    ]);
    expect(await lanes.withWorkDue(['bot:1'])).toEqual(['bot:1']);
    expect(await sendAll()).toEqual(['said 5']);
  });

  it('answers wait from the commit on that followed a refusal', async () => {
    await endHolds(storage.db);
    await intake.acceptOperatorMessages([says(5)], [PORTAL]);
    expect(await paused()).toBe(true);
    await intake.acceptOperatorMessages([says(3)]);
    await portals.resumeAnswers(PORTAL, (await pauseOf())!);
    expect(await sendAll()).toEqual(['said 3', 'said 5']);
  });

  it('a look that began before the latest pause does not end it', async () => {
    const before = (await pauseOf())!;
    await new Promise((resolve) => setTimeout(resolve, 5));
    await intake.acceptOperatorMessages([says(5)], [PORTAL]);
    await portals.resumeAnswers(PORTAL, before);
    expect(await paused()).toBe(true);
  });

  it('a portal that is parked pauses nothing', async () => {
    await endHolds(storage.db);
    await storage.db.query(`UPDATE portals SET state = 'reauthorise'`);
    await intake.acceptOperatorMessages([says(5)], [PORTAL]);
    expect(await sendAll()).toEqual(['said 5']);
  });

  it('portals are taken over before bots', async () => {
    await storage.db.query(`UPDATE endpoints SET expires_at = now() - interval '1 hour' WHERE id = 'bot:1'`);
    await storage.db.query(`UPDATE endpoints SET expires_at = now() - interval '1 second' WHERE id = 'portal:1'`);
    expect((await endpoints.acquire('heir', 1)).map(({ endpoint }) => endpoint)).toEqual(['portal:1']);
    expect(await pauseOf()).not.toBeNull();
  });
});

it('files of a message that was found before its event came get the links that the event brings', async () => {
  await endHolds(storage.db);
  const photo = { kind: 'audio', name: 'voice.ogg', label: 'voice.ogg' };
  const withFiles = (...attachments: object[]): OperatorMessageRow => {
    const row = operatorMessage(70, 10, 'listen');
    return { ...row, said: { ...row.said, attachments: attachments as never } };
  };
  await intake.acceptOperatorMessages([withFiles({ ...photo, url: 'disk:12' }, { ...photo, url: 'disk:13' })]);
  const links = [1, 2].map((n) => ({ ...photo, kind: 'voice', size: n, url: `https://acme.bitrix24.com/${n}` }));
  expect(await intake.acceptOperatorMessages([withFiles(...links)])).toMatchObject({ accepted: 0, duplicates: 1 });
  const [lane] = await claim();
  expect(lane!.deliveries[0]!.message.attachments).toMatchObject(links);
  // What has a link keeps it, and a message with other files is another one.
  await intake.acceptOperatorMessages([withFiles({ ...photo, url: 'https://acme.bitrix24.com/3' })]);
  await settle([lane!], { outcome: 'retry' });
  expect((await claim())[0]!.deliveries[0]!.message.attachments).toMatchObject(links);
});
