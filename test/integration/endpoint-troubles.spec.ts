import { afterEach, beforeEach, expect, it } from 'vitest';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { createTestStorage } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let endpoints: EndpointsRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  endpoints = new EndpointsRepository(storage.db);
});

afterEach(() => storage.close());

const troubles = async () => [...(await endpoints.endpointTroubles())];

it('an endpoint is ill from its first trouble until it is well, whichever trouble comes on top', async () => {
  const held = await endpoints.acquire('me', 10);
  const lease = held.find(({ endpoint }) => endpoint === 'bot:1')!;
  const tell = (detail: string | null, by = lease) =>
    endpoints.keepConditions([{ lease: by, trouble: detail === null ? null : { code: 'ill', detail } }]);
  await tell('ECONNREFUSED');
  const [[, first] = []] = await troubles();
  expect(first).toMatchObject({ code: 'ill', detail: 'ECONNREFUSED', since: expect.any(Date) });
  await tell('409: Conflict');
  expect(await troubles()).toEqual([['bot:1', { code: 'ill', detail: '409: Conflict', since: first!.since }]]);

  await tell(null, { ...lease, fence: lease.fence - 1n });
  expect(await troubles()).toHaveLength(1);
  await tell(null);
  expect(await troubles()).toEqual([]);
});
