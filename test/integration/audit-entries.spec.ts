import { afterEach, beforeEach, expect, it } from 'vitest';
import { AuditRepository } from '../../src/storage/accounts/audit.repository.js';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import { PortalsRepository } from '../../src/storage/accounts/portals.repository.js';
import { ERASING, PortalErasureRepository } from '../../src/storage/erasure/portal-erasure.repository.js';
import { MessageRetentionRepository } from '../../src/storage/history/message-retention.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { BOT, createTestStorage, PORTAL, update } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let audit: AuditRepository;
let portals: PortalsRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  audit = new AuditRepository(storage.db);
  portals = new PortalsRepository(storage.db);
});

afterEach(() => storage.close());

const run = (sql: string) => storage.db.query(sql);
const entries = async () =>
  (await audit.list({}, 100)).toReversed().map(({ actor, action, subject, portalId, detail, outcome }) => ({
    actor,
    action,
    subject,
    portalId,
    detail,
    outcome,
  }));

it('an installation and those after it are on record, with who installed', async () => {
  await run(`SELECT setval(pg_get_serial_sequence('portals', 'id'), 100)`);
  const installation = {
    memberId: 'new',
    domain: 'new.bitrix24.com',
    clientEndpoint: 'https://new.bitrix24.com/rest/',
    oauthOrigin: 'https://oauth.bitrix24.tech',
    clientId: 'local.1',
    scope: '',
    connectorId: 'tg_bridge',
  };
  const { id } = await portals.upsertInstalled({ ...installation, userId: '7' });
  await portals.upsertInstalled({ ...installation, clientId: 'local.2' });
  const about = { subject: `portal:${id}`, portalId: id, outcome: 'done' };
  expect(await entries()).toEqual([
    {
      ...about,
      action: 'portal.install',
      actor: `portal:${id}/user:7`,
      detail: { domain: 'new.bitrix24.com', clientId: 'local.1' },
    },
    {
      ...about,
      action: 'portal.reinstall',
      actor: `portal:${id}`,
      detail: { domain: 'new.bitrix24.com', clientId: 'local.2' },
    },
  ]);
});

it('a removal of the application is on record with CLEAN, and again when the data are erased', async () => {
  await portals.recordUninstalled(PORTAL, ERASING, { clean: true });
  const erasure = new PortalErasureRepository(storage.db);
  for (let n = 0; n < 3; n++) await erasure.eraseSome(PORTAL);
  const about = { subject: 'portal:1', portalId: PORTAL, outcome: 'done' };
  expect(await entries()).toEqual([
    { ...about, action: 'portal.uninstall', actor: 'portal:1', detail: { clean: true } },
    { ...about, action: 'portal.erase', actor: 'program', detail: {} },
  ]);
  expect(await portals.findById(PORTAL)).toMatchObject({ state: 'uninstalled' });
});

it('the adoption of a bot is on record, and nothing when the line has one', async () => {
  const bots = new BotsRepository(storage.db);
  await bots.adoptUnassigned(PORTAL, '1');
  await run(`UPDATE bots SET portal_id = NULL, line_id = NULL`);
  const before = (await entries()).length;
  await bots.adoptUnassigned(PORTAL, '7');
  await bots.adoptUnassigned(PORTAL, '7');
  expect((await entries()).slice(before)).toEqual([
    {
      actor: 'program',
      action: 'bot.adopt',
      subject: `bot:${BOT}`,
      portalId: PORTAL,
      detail: { lineId: '7' },
      outcome: 'done',
    },
  ]);
});

it('what retention erases is counted in one entry a day, in the transaction that erases it', async () => {
  const intake = new IntakeRepository(storage.db);
  const retention = new MessageRetentionRepository(storage.db);
  await portals.setRetention(PORTAL, 30);
  const grow = async (first: number) => {
    await intake.acceptClientUpdates([update(first, 10, 'a'), update(first + 1, 10, 'b')]);
    await run(`DELETE FROM deliveries; UPDATE lanes SET pending = 0;
      UPDATE messages SET state = 'delivered', created_at = now() - interval '31 days';
      INSERT INTO events (portal_id, name, raw, received_at) VALUES (1, 'ONX', '{}', now() - interval '31 days')`);
  };
  const expire = async () => {
    await retention.expireMessages(PORTAL, 0n, 100);
    await retention.expireEvents(PORTAL, 0n, 100);
  };
  await grow(1);
  await expire();
  await expire();
  const entry = { actor: 'program', action: 'portal.expire', subject: 'portal:1', portalId: PORTAL, outcome: 'done' };
  expect(await entries()).toEqual([{ ...entry, detail: { messages: 2, events: 1 } }]);
  await grow(3);
  await expire();
  expect(await entries()).toEqual([{ ...entry, detail: { messages: 4, events: 2 } }]);
  await run(`UPDATE audit_entries SET at = at - interval '25 hours'`);
  await grow(5);
  await expire();
  expect((await entries()).map(({ detail }) => detail)).toEqual([
    { messages: 4, events: 2 },
    { messages: 2, events: 1 },
  ]);

  await grow(7);
  await run(`ALTER TABLE audit_entries ADD CONSTRAINT no_more CHECK (detail -> 'messages' < '4'::jsonb) NOT VALID`);
  await expect(retention.expireMessages(PORTAL, 0n, 100)).rejects.toThrow('no_more');
  expect((await run(`SELECT FROM messages`)).rowCount).toBe(2);
});

it('a change is completed in its own row, or withdrawn; what is over stays', async () => {
  const begun = { actor: 'admin@::1', action: 'bot.update', subject: 'bot:1', portalId: null, detail: {} } as const;
  const id = await audit.record({ ...begun, outcome: 'begun' });
  await audit.complete(id, {
    ...begun,
    portalId: PORTAL,
    detail: { token: 's3cret', mode: 'webhook' },
    outcome: 'failed',
  });
  await audit.withdraw(id);
  await audit.withdraw(await audit.record({ ...begun, outcome: 'begun' }));
  expect(await entries()).toEqual([{ ...begun, portalId: PORTAL, detail: { mode: 'webhook' }, outcome: 'failed' }]);
});
