import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ArrivalWork } from '../../src/crm/links/arrival.work.js';
import { ArrivalsService } from '../../src/crm/links/arrivals.service.js';
import { RelayEvents } from '../../src/relay/relay-events.js';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import { PortalsRepository } from '../../src/storage/accounts/portals.repository.js';
import { ClientErasureRepository } from '../../src/storage/erasure/client-erasure.repository.js';
import { ArrivalsRepository } from '../../src/storage/crm/arrivals.repository.js';
import { LinksRepository, type NewLink } from '../../src/storage/crm/links.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { ClientUpdateRow } from '../../src/storage/intake/intake.rows.js';
import { eventually } from '../support/bridge.js';
import { BOT, createTestStorage, LINE_ID, PORTAL, update } from '../support/storage.js';

const [ANN, BEN] = [10, 11];

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;
let links: LinksRepository;
let arrivals: ArrivalsRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  intake = new IntakeRepository(storage.db);
  links = new LinksRepository(storage.db);
  arrivals = new ArrivalsRepository(storage.db);
  await storage.db.query(
    `INSERT INTO lines (portal_id, line_id, welcome_text, updated_at) VALUES ($1, $2, 'Of the line', now())
     ON CONFLICT (portal_id, line_id) DO UPDATE SET welcome_text = excluded.welcome_text`,
    [PORTAL, LINE_ID],
  );
});

afterEach(() => storage.close());

const HEAD = '🔗 The client came by the link: ';

function press(id: number, client: number, source: string): ClientUpdateRow {
  const base = update(id, client, `${HEAD}${source}`);
  const said = { ...base.said!, kind: 'start', source, sourceAt: HEAD.length };
  return { ...base, chat: { ...base.chat!, source }, said, starts: true };
}

async function make(link: Partial<NewLink> = {}): Promise<bigint> {
  const id = await links.create({
    portalId: PORTAL,
    botId: BOT,
    code: 'abc',
    name: 'Poster',
    utm: { source: 'poster', campaign: 'may' },
    welcomeText: null,
    expiresAt: null,
    singleUse: false,
    entity: null,
    clientPhone: null,
    createdBy: 'admin',
    ...link,
  });
  if (id === null) throw new Error('The code is taken.');
  return id;
}

const rowsOf = async (sql: string) => (await storage.db.query(sql)).rows;
const kept = () => rowsOf('SELECT payload, utm, entity_type, entity_id, obstacle, presses FROM arrivals ORDER BY id');
const said = () => rowsOf('SELECT kind, text FROM messages ORDER BY id');

describe('a press by a link', () => {
  it('is told by the name of the link, greeted by its welcome, and counted once, however often the update comes', async () => {
    const id = await make({ welcomeText: 'Of the link, {first_name}' });
    await intake.acceptClientUpdates([press(1, ANN, 'abc')]);
    await intake.acceptClientUpdates([press(1, ANN, 'abc'), press(2, BEN, 'other')]);
    expect(await said()).toEqual([
      { kind: 'start', text: `${HEAD}Poster` },
      { kind: 'welcome', text: expect.stringMatching(/^Of the link/) },
      { kind: 'start', text: `${HEAD}other` },
      { kind: 'welcome', text: 'Of the line' },
    ]);
    expect(await kept()).toMatchObject([
      { payload: 'abc', utm: { source: 'poster', campaign: 'may' }, obstacle: null, presses: 1 },
      { payload: 'other', utm: { campaign: 'other' }, presses: 1 },
    ]);
    expect(await links.find(id)).toMatchObject({ pressed: 1, wrote: 0, leads: 0 });
  });

  it('is counted by clients, and by those who write afterwards', async () => {
    const id = await make();
    await intake.acceptClientUpdates([update(1, ANN, 'before'), press(2, ANN, 'abc'), press(3, BEN, 'abc')]);
    await intake.acceptClientUpdates([press(4, BEN, 'abc')]);
    await arrivals.noteWords(PORTAL);
    expect(await links.find(id)).toMatchObject({ pressed: 2, wrote: 0 });
    await intake.acceptClientUpdates([update(5, BEN, 'hello')]);
    await arrivals.noteWords(null);
    expect(await links.find(id)).toMatchObject({ pressed: 2, wrote: 1 });
    expect((await kept()).map(({ presses }) => presses)).toEqual([1, 2]);
    // Written before the program could take the press: they come together.
    await intake.acceptClientUpdates([press(90, 12, 'abc'), update(91, 12, 'hello')]);
    await arrivals.noteWords(null);
    expect(await links.find(id)).toMatchObject({ pressed: 3, wrote: 2 });
    const [newest, ...older] = await arrivals.list(id, 2);
    expect(newest).toMatchObject({ presses: 1, title: 'Client 12', outcome: null, dueAt: expect.any(Date) });
    expect(older).toHaveLength(1);
    expect(await arrivals.list(id, 5, older[0]!.id)).toHaveLength(1);
  });

  it('of a code of the tracker, or of a bot that serves another portal, is none', async () => {
    await make();
    await storage.db.query(
      `UPDATE links SET portal_id = (
      SELECT id FROM portals WHERE id <> $1 LIMIT 1) WHERE EXISTS (SELECT FROM portals WHERE id <> $1)`,
      [PORTAL],
    );
    await intake.acceptClientUpdates([press(1, ANN, 'btrx0123456789')]);
    expect(await kept()).toEqual([]);
  });

  it('of whatever somebody makes up does not keep the portal busy, and is forgotten after its time', async () => {
    await make();
    const due = () => rowsOf('SELECT payload FROM arrivals WHERE due_at IS NOT NULL ORDER BY id');
    await intake.acceptClientUpdates([1, 2, 3, 4].map((id) => press(id, ANN, `made-up-${id}`)));
    for (const id of [5, 6, 7]) await intake.acceptClientUpdates([press(id, ANN, `made-up-${id}`)]);
    expect(await due()).toHaveLength(5);
    await intake.acceptClientUpdates([8, 9, 10, 11, 12, 13].map((id) => press(id, BEN, `made-up-${id}`)));
    expect(await due()).toHaveLength(10);
    await intake.acceptClientUpdates([press(14, ANN, 'abc'), press(15, ANN, 'made-up-1')]);
    expect(await due()).toHaveLength(11);
    await storage.db.query(`UPDATE arrivals SET due_at = NULL, pressed_at = now() - interval '91 days'
      WHERE payload IN ('abc', 'made-up-1')`);
    expect(await arrivals.purge()).toBe(1);
  });

  it('at which the program fails stands in nobody’s way', async () => {
    await intake.acceptClientUpdates([press(1, ANN, 'bad'), press(2, BEN, 'good')]);
    await storage.db.query('UPDATE arrivals SET due_at = now() - make_interval(secs => 0.001)');
    const outcomeOf = (_: unknown, { payload }: { payload: string }) =>
      payload === 'bad'
        ? Promise.reject(new TypeError('Cannot read properties of undefined'))
        : Promise.resolve({ againInMs: null, outcome: 'nothing_to_write' });
    const service = new ArrivalsService(
      arrivals,
      links,
      new PortalsRepository(storage.db),
      { outcomeOf } as unknown as ArrivalWork,
      new RelayEvents(),
    );
    service.onApplicationBootstrap();
    const outcomes = () => rowsOf('SELECT payload, outcome, due_at > now() AS again FROM arrivals ORDER BY id');
    await eventually(outcomes, (all) => all.some(({ outcome }) => outcome === 'nothing_to_write'), 5_000).finally(() =>
      service.beforeApplicationShutdown(),
    );
    expect(await outcomes()).toEqual([
      { payload: 'bad', outcome: 'fault', again: true },
      { payload: 'good', outcome: 'nothing_to_write', again: null },
    ]);
  });

  it('is forgotten with the client, and still counted', async () => {
    const id = await make({ singleUse: true, entity: { type: 'deal', id: '12' } });
    await intake.acceptClientUpdates([press(1, ANN, 'abc')]);
    const [chat] = await rowsOf('SELECT id FROM chat_links');
    const [erasure] = await rowsOf(`INSERT INTO erasures (actor, subject) VALUES ('x', 'y') RETURNING id`);
    const erasures = new ClientErasureRepository(storage.db);
    await erasures.eraseChat(erasure!['id'], chat!['id'], 100, { force: true });
    expect(await rowsOf('SELECT chat_id, message_id, entity_id, due_at FROM arrivals')).toEqual([
      { chat_id: null, message_id: null, entity_id: null, due_at: null },
    ]);
    expect(await rowsOf('SELECT used_by, used_at IS NULL AS unused FROM links')).toEqual([
      { used_by: null, unused: false },
    ]);
    expect(await links.find(id)).toMatchObject({ pressed: 1 });
  });
});

describe('an invitation', () => {
  const invitation = { singleUse: true, entity: { type: 'deal', id: '12' }, clientPhone: '+79990000001' };
  const phones = () => rowsOf('SELECT external_id, phone, invited_phone FROM chat_links ORDER BY id');

  it('is for the first who comes, who is introduced by the number of the CRM, and may come again', async () => {
    await make(invitation);
    await intake.acceptClientUpdates([press(1, ANN, 'abc'), press(2, BEN, 'abc')]);
    await intake.acceptClientUpdates([press(3, ANN, 'abc')]);
    expect(await kept()).toMatchObject([
      { entity_type: 'deal', entity_id: '12', obstacle: null, presses: 2 },
      { entity_type: 'deal', entity_id: '12', obstacle: 'used', presses: 1 },
    ]);
    expect(await phones()).toMatchObject([{ phone: null, invited_phone: '+79990000001' }, { invited_phone: null }]);
    expect(await rowsOf('SELECT client_phone FROM links')).toEqual([{ client_phone: null }]);
  });

  it('for many gives the number of the CRM to the first alone: the others are other people', async () => {
    await make({ ...invitation, singleUse: false });
    await intake.acceptClientUpdates([press(1, ANN, 'abc'), press(2, BEN, 'abc')]);
    await intake.acceptClientUpdates([press(3, 12, 'abc')]);
    expect((await kept()).map(({ obstacle }) => obstacle)).toEqual([null, null, null]);
    expect((await phones()).map(({ invited_phone }) => invited_phone)).toEqual(['+79990000001', null, null]);
    expect(await rowsOf('SELECT client_phone FROM links')).toEqual([{ client_phone: null }]);
  });

  it('tells no other portal the number, where the bot goes there before the client has written', async () => {
    await make(invitation);
    await intake.acceptClientUpdates([press(1, ANN, 'abc')]);
    await storage.db
      .query(`INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
      VALUES (2, 'n', 'b', 'https://b/rest/', 'https://o', 'c', 'tg_bridge')`);
    const bots = new BotsRepository(storage.db);
    await bots.assign(BOT, { portalId: PORTAL, lineId: '8' });
    expect(await phones()).toMatchObject([{ invited_phone: '+79990000001' }]);
    await bots.assign(BOT, { portalId: 2n, lineId: '9' });
    expect(await phones()).toMatchObject([{ invited_phone: null }]);
  });

  it('has one winner when two come at the same moment', async () => {
    await make(invitation);
    await Promise.all([
      intake.acceptClientUpdates([press(1, ANN, 'abc')]),
      intake.acceptClientUpdates([press(2, BEN, 'abc')]),
    ]);
    expect((await kept()).map(({ obstacle }) => obstacle).sort()).toEqual(['used', null].sort());
  });

  it('that has expired, or is opened in a group, is none', async () => {
    await make({ ...invitation, expiresAt: new Date(Date.now() - 1000), welcomeText: 'Come in' });
    await make({ ...invitation, code: 'grp' });
    await links.forgetExpired();
    const group = press(2, BEN, 'grp');
    await intake.acceptClientUpdates([
      press(1, ANN, 'abc'),
      { ...group, chat: { ...group.chat!, type: 'group' }, starts: undefined },
    ]);
    expect((await kept()).map(({ obstacle }) => obstacle)).toEqual(['expired', 'group']);
    expect(await rowsOf('SELECT used_at, client_phone FROM links ORDER BY id')).toEqual([
      { used_at: null, client_phone: null },
      { used_at: null, client_phone: '+79990000001' },
    ]);
    expect((await said()).map(({ text }) => text)).toContain('Of the line');
  });
});

describe('what the CRM is to be told', () => {
  it('is claimed once, comes again when nobody settles it, and ends once', async () => {
    await make();
    await intake.acceptClientUpdates([press(1, ANN, 'abc')]);
    const due = () => storage.db.query(`UPDATE arrivals SET due_at = now() - interval '1 s'`);
    expect(await arrivals.claim(10, [])).toEqual([]);
    await due();
    const [first] = await arrivals.claim(10, []);
    expect(first).toMatchObject({
      name: 'Poster',
      attempt: 1,
      looked: false,
      utm: { source: 'poster', campaign: 'may' },
    });
    expect(await arrivals.claim(10, [])).toEqual([]);
    await due();
    expect(await arrivals.claim(10, [PORTAL])).toEqual([]);
    const [second] = await arrivals.claim(10, []);
    const note = { code: 'ready', detail: '', words: { en: 'x', ru: 'x' } };
    expect(await arrivals.settle(first!, { againInMs: null, outcome: 'written', note })).toEqual([]);
    const work = await arrivals.settle(second!, {
      againInMs: null,
      outcome: 'written',
      found: { type: 'lead', id: '5' },
      note,
    });
    expect(work).toEqual([`portal:${PORTAL}`]);
    expect(await rowsOf(`SELECT kind FROM deliveries WHERE kind = 'note'`)).toHaveLength(1);
    expect(await rowsOf('SELECT due_at, outcome, found_id FROM arrivals')).toEqual([
      { due_at: null, outcome: 'written', found_id: '5' },
    ]);
    expect(await links.list({}, 10)).toMatchObject([{ leads: 1 }]);
  });
});
