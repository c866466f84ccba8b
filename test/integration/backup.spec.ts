import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DatabaseService } from '../../src/storage/postgres/database.service.js';
import { startEmbeddedPostgres } from '../../src/storage/postgres/embedded-postgres.js';
import {
  encryptionContext,
  EncryptionService,
  parseEncryptionKeys,
} from '../../src/storage/secrets/encryption.service.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { HistoryRepository } from '../../src/storage/history/history.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { encryptionKey } from '../../src/storage/secrets/key-file.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import { applyMigrations } from '../../src/storage/postgres/migration-runner.js';
import { endHolds, update } from '../support/storage.js';

const logger = { log: () => undefined, warn: process.emitWarning, error: process.emitWarning };
const TOKEN = encryptionContext('bots.token', 1n);

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'telegram-openlines-backup-'));
  // Where the account of PostgreSQL may not enter, the database would be elsewhere and this a link to it.
  await chmod(folder, 0o755);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** The database and the keys of a DATA_DIR, as the program opens them. */
async function inDataDir<Result>(
  dataDir: string,
  work: (db: DatabaseService, encryption: EncryptionService) => Promise<Result>,
): Promise<Result> {
  const postgres = await startEmbeddedPostgres({ dataDir, logger, fast: true });
  try {
    await applyMigrations(postgres.url);
    const db = new DatabaseService(postgres.url);
    const { value } = await encryptionKey(undefined, dataDir);
    return await work(db, new EncryptionService(parseEncryptionKeys(value))).finally(() => db.onApplicationShutdown());
  } finally {
    await postgres.stop();
  }
}

/** Everything that may be sent now, as the only replica would claim it. */
async function claimed(db: DatabaseService) {
  const leases = await new EndpointsRepository(db).acquire('me', 100);
  await endHolds(db);
  const portal = leases.find(({ endpoint }) => endpoint === 'portal:1')!;
  return { portal, lanes: await new LanesRepository(db).claim(portal, 100, 10) };
}

/** docs/backup.md, "Cold copy". The whole program with a restored database: npm run test:faults, row R17. */
it('a copy of DATA_DIR is a backup: history and keys are there, and only what waited is sent', async () => {
  const [data, copy] = [path.join(folder, 'data'), path.join(folder, 'copy')];
  await inDataDir(data, async (db, encryption) => {
    await db.query(`INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
      VALUES (1, 'm', 'acme.bitrix24.com', 'https://acme.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg_1')`);
    await db.query(
      `INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id) VALUES (1, 'k', 1, $1, 1, '7')`,
      [encryption.encrypt('1:secret', TOKEN)],
    );
    await new IntakeRepository(db).acceptClientUpdates([update(1, 10, 'delivered before the backup')]);
    const { portal, lanes } = await claimed(db);
    const [lane] = lanes;
    const deliveries = [{ seq: lane!.deliveries[0]!.seq, outcome: 'delivered' as const }];
    await new LanesRepository(db).settle([{ lease: portal, lanes: [{ lane: lane!, deliveries, dueInMs: 0 }] }], 'me');
    await new IntakeRepository(db).acceptClientUpdates([update(2, 10, 'waits')]);
  });
  await promisify(execFile)('cp', ['-a', data, copy]);
  await rm(data, { recursive: true });

  await inDataDir(copy, async (db, encryption) => {
    const kept = await new HistoryRepository(db).messages({ words: 'delivered backup' }, 10);
    expect(kept).toMatchObject([{ text: 'delivered before the backup', state: 'delivered' }]);
    const { rows } = await db.query<{ token: string }>('SELECT token FROM bots');
    expect(encryption.decrypt(rows[0]!.token, TOKEN)).toBe('1:secret');
    await db.query(`UPDATE endpoints SET expires_at = '-infinity'`);
    const { lanes } = await claimed(db);
    expect(lanes.flatMap(({ deliveries }) => deliveries.map(({ message }) => message.text))).toEqual(['waits']);
    // An update that Telegram repeats because nobody confirmed it is known already.
    const again = await new IntakeRepository(db).acceptClientUpdates([update(2, 10, 'waits')]);
    expect(again).toMatchObject({ accepted: 0, duplicates: 1 });
  });
});
