import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { RestRequestLog } from '../../src/bitrix/rest-request-log.js';
import { type NewRestRequest, RestRequestsRepository } from '../../src/storage/work/rest-requests.repository.js';
import { createTestStorage, PORTAL } from '../support/storage.js';

const DAY_MS = 86_400_000;

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let requests: RestRequestsRepository;

beforeAll(async () => {
  storage = await createTestStorage();
  requests = new RestRequestsRepository(storage.db);
});

afterAll(() => storage.close());

beforeEach(() => storage.db.query(`DELETE FROM rest_requests`));

const request = (more: Partial<NewRestRequest> = {}): NewRestRequest => ({
  portalId: PORTAL,
  method: 'profile',
  commands: [],
  agoMs: 0,
  durationMs: 12,
  status: 200,
  errorCode: null,
  bytes: 100,
  operating: null,
  ...more,
});

it('keeps three days, and forgets in batches', async () => {
  const ages = [2.9, 3.1, 3.2, 3.3].map((days) => request({ agoMs: days * DAY_MS }));
  await requests.add(ages);
  expect([await requests.forget(2), await requests.forget(2), await requests.forget(2)]).toEqual([2, 1, 0]);
  expect(await requests.list(PORTAL, {}, 10)).toHaveLength(1);
});

it('takes nothing of portals that are gone, and everything of the others', async () => {
  await requests.add([request({ portalId: 4711n }), request({ method: 'batch', commands: ['event.get', 'app.info'] })]);
  expect(await requests.list(4711n, {}, 10)).toEqual([]);
  expect(await requests.list(PORTAL, { method: 'app.info' }, 10)).toMatchObject([
    { method: 'batch', commands: ['event.get', 'app.info'] },
  ]);
});

it('keeps memory bounded, stores in groups, and goes on after a failure', async () => {
  const groups: number[] = [];
  let fails = true;
  const log = new RestRequestLog({
    add: async (group: unknown[]) => {
      if (fails) throw new Error('the disk is full');
      groups.push(group.length);
    },
  } as unknown as RestRequestsRepository);
  const { agoMs: _ago, durationMs: _took, ...logged } = request();
  const add = (times: number) => {
    for (let n = 0; n < times; n++) log.add(logged, performance.now());
  };
  add(15_000);
  await log.store();
  fails = false;
  add(2_500);
  await log.store();
  expect(groups).toEqual([1_000, 1_000, 500]);
});
