import { afterEach, beforeEach, expect, it } from 'vitest';
import { PortalFeaturesRepository } from '../../src/storage/crm/portal-features.repository.js';
import { createTestStorage, PORTAL } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let features: PortalFeaturesRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  features = new PortalFeaturesRepository(storage.db);
});
afterEach(() => storage.close());

const card = { portalId: PORTAL, feature: 'card' } as const;
const choose = (wanted: boolean) => features.choose(PORTAL, 'card', wanted);
const end = (state: 'ready' | 'off') => ({ state, detail: null, stamp: null, dueInMs: 86_400_000 });
const now = async () => (await features.list(PORTAL))[0];
/** Whoever has claimed it takes too long. */
const claimsAreOver = () => storage.db.query(`UPDATE portal_features SET claimed_until = now()`);

it('is looked at by one at a time; what came meanwhile is looked at afterwards', async () => {
  await choose(true);
  const [record] = await features.claim(10);
  await features.lookAgain({ portalId: PORTAL });
  await choose(true);
  expect(await features.claim(10)).toEqual([]);
  expect(await features.claim(1, card)).toEqual([]);
  await features.settle(record!, { ...end('ready'), stamp: 'digest' });
  expect(await features.claim(10)).toMatchObject([{ state: 'ready', stamp: 'digest' }]);
});

it('what a slow process has registered is taken away again, although another one has withdrawn it meanwhile', async () => {
  await choose(true);
  const [slow] = await features.claim(1, card);
  await choose(false);
  await claimsAreOver();
  const [withdrawing] = await features.claim(1, card);
  await features.settle(withdrawing!, end('off'));
  // Only now the slow one has bound its tabs.
  await features.settle(slow!, end('ready'));
  expect(await now()).toMatchObject({ wanted: false });
  expect(await features.claim(10)).toMatchObject([{ feature: 'card', wanted: false }]);
});

it('what a slow process has withdrawn is registered again, and shown as it was until then', async () => {
  await choose(true);
  await choose(false);
  const [slow] = await features.claim(1, card);
  await choose(true);
  await claimsAreOver();
  const [registering] = await features.claim(1, card);
  await features.settle(registering!, end('ready'));
  await features.settle(slow!, end('off'));
  expect(await now()).toMatchObject({ wanted: true, state: 'ready' });
  expect(await features.claim(10)).toMatchObject([{ feature: 'card', wanted: true }]);
});

it('what was settled as it is wanted is left alone until its time', async () => {
  await choose(false);
  const [record] = await features.claim(1, card);
  await features.settle(record!, end('off'));
  expect(await features.claim(10)).toEqual([]);
});
