import { afterEach, beforeEach, expect, it } from 'vitest';
import { WaitingWorkRepository } from '../../src/storage/history/waiting-work.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { DecisionsRepository } from '../../src/storage/work/decisions.repository.js';
import { createTestStorage, update } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let waiting: WaitingWorkRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  waiting = new WaitingWorkRepository(storage.db);
});

afterEach(() => storage.close());

const ages = async () => {
  const [seconds, [ofPortal], [since]] = await Promise.all([
    waiting.oldestWaitingSeconds(),
    waiting.oldestWaitingByPortal(),
    waiting.oldestWaiting(),
  ]);
  return [seconds, ofPortal?.seconds, (Date.now() - since!.since.getTime()) / 1_000].map((age) => Math.round(age!));
};

it('an old message that is sent again has waited since then, and one that nobody took since it came', async () => {
  await new IntakeRepository(storage.db).acceptClientUpdates([update(1, 10, 'old'), update(2, 11, 'never taken')]);
  const { rows } = await storage.db.query<{ id: bigint }>(
    `UPDATE messages SET created_at = now() - interval '10 days', state = 'failed' WHERE text = 'old' RETURNING id`,
  );
  await storage.db.query(`DELETE FROM deliveries WHERE message_id = $1`, [rows[0]!.id]);
  expect(await new DecisionsRepository(storage.db).retry([rows[0]!.id])).toMatchObject({ retried: 1 });
  for (const age of await ages()) expect(age).toBeLessThan(60);

  await storage.db.query(`UPDATE deliveries SET created_at = now() - interval '1 hour' WHERE message_id <> $1`, [
    rows[0]!.id,
  ]);
  for (const age of await ages()) expect(age).toBeGreaterThanOrEqual(3_600);
});
