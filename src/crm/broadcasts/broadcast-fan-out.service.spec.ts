import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { IntakeService } from '../../relay/intake.service.js';
import { RelayEvents } from '../../relay/relay-events.js';
import type { BroadcastsRepository } from '../../storage/crm/broadcasts.repository.js';
import type {
  ActiveBroadcast,
  BroadcastPortionsRepository,
} from '../../storage/intake/broadcast-portions.repository.js';
import { BroadcastFanOut } from './broadcast-fan-out.service.js';

it('makes the portions of many portals a few at a time, and those of all of them', async () => {
  const running = Array.from({ length: 40 }, (_, n) => ({
    id: BigInt(n),
    portalId: BigInt(n),
    state: 'running',
    isOver: false,
    clientEndpoint: 'https://acme.bitrix24.com/rest/',
  })) as ActiveBroadcast[];
  const looked = new Set<bigint>();
  let atOnce = 0;
  let most = 0;
  const portions = {
    haltWithoutFile: () => Promise.resolve(),
    noteEnds: () => Promise.resolve(0),
    letWordsPass: () => Promise.resolve(),
    active: () => Promise.resolve(running),
    haltStranded: () => Promise.resolve(),
    next: async ({ portalId }: ActiveBroadcast) => {
      most = Math.max(most, ++atOnce);
      await pause(1);
      atOnce--;
      looked.add(portalId);
      return [];
    },
  } as unknown as BroadcastPortionsRepository;
  const fanOut = new BroadcastFanOut(portions, {} as BroadcastsRepository, {} as IntakeService, new RelayEvents());
  fanOut.onApplicationBootstrap();
  await expect.poll(() => looked.size, { timeout: 5_000 }).toBe(running.length);
  await fanOut.beforeApplicationShutdown();
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(4);
});
