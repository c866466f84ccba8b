import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { DatabaseService } from '../../src/storage/postgres/database.service.js';
import { noticeRestoredBackup } from '../../src/storage/postgres/restored-backup.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import { createTestStorage, endHolds, operatorMessage, update } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let db: DatabaseService;
let url: string;
beforeEach(async () => {
  storage = await createTestStorage();
  ({ db } = storage);
  url = db.pool.options.connectionString!;
});
afterEach(() => storage.close());

const write = (updateId: number, client: number) =>
  new IntakeRepository(db).acceptClientUpdates([update(updateId, client, `text ${updateId}`)]);

/** Messages that are looked up before they are sent, in the order in which the portal's worker gets them. */
async function doubtedOfPortal(): Promise<string[]> {
  const leases = await new EndpointsRepository(db).acquire('me', 100);
  await endHolds(db);
  const portal = leases.find(({ endpoint }) => endpoint === 'portal:1')!;
  const lanes = await new LanesRepository(db).claim(portal, 100, 10);
  const doubted = lanes.flatMap(({ deliveries }) => deliveries.filter(({ unknown }) => unknown));
  return doubted.map(({ message }) => message.text);
}

it('doubts what waits at the first start and in a restored database, not at the starts in between', async () => {
  expect(await noticeRestoredBackup(url)).toBe(0);
  await write(1, 10);
  await write(2, 10);
  await write(3, 11);
  expect(await noticeRestoredBackup(url)).toBe(0);
  // As the dump of another server has it.
  await db.query(`UPDATE database_identity SET value = 'another server'`);
  const starts = Array.from({ length: 4 }, () => noticeRestoredBackup(url));
  expect((await Promise.all(starts)).toSorted()).toEqual([0, 0, 0, 3]);
  await write(4, 11);
  expect(await noticeRestoredBackup(url)).toBe(0);
  expect(await doubtedOfPortal()).toEqual(['text 1', 'text 2', 'text 3']);
});

it('doubts nothing of what operators wrote: nobody can look into Telegram', async () => {
  await write(1, 10);
  await new IntakeRepository(db).acceptOperatorMessages([operatorMessage(1, 10, 'answer')]);
  expect(await noticeRestoredBackup(url)).toBe(1);
});

it('tells a dump that replaced the tables of the same database', async () => {
  await write(1, 10);
  expect(await noticeRestoredBackup(url)).toBe(1);
  await db.query('CREATE TABLE again (LIKE deliveries INCLUDING ALL)');
  await db.query('INSERT INTO again SELECT lane_id, seq, message_id, kind FROM deliveries');
  await db.query('DROP TABLE deliveries');
  await db.query('ALTER TABLE again RENAME TO deliveries');
  expect(await noticeRestoredBackup(url)).toBe(1);
});

it('works for a role that may ask for little', async () => {
  const role = `role_${randomBytes(6).toString('hex')}`;
  await db.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);
  try {
    await db.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`);
    await write(1, 10);
    const asRole = new URL(url);
    [asRole.username, asRole.password] = [role, 'secret'];
    expect(await noticeRestoredBackup(asRole.href)).toBe(1);
    expect(await noticeRestoredBackup(asRole.href)).toBe(0);
    const { rows } = await db.query<{ value: string }>('SELECT value FROM database_identity');
    expect(rows[0]!.value).toMatch(/^\d+ \d+\.\d+ [0-9A-F]{8} $/);
  } finally {
    await db.query(`DROP OWNED BY ${role}`);
    await db.query(`DROP ROLE ${role}`);
  }
});
