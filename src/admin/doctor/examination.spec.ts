import { expect, it } from 'vitest';
import type { PortalView } from '../../storage/accounts/portal-views.repository.js';
import type { BotFacts } from '../../storage/history/overview.repository.js';
import type { Check } from './doctor.dto.js';
import { diagnosis, type Examination } from './examination.js';

const check = (id: string, ok: boolean, what: string, advice: string): Check => ({
  id,
  ok,
  code: 'any',
  params: {},
  what,
  advice,
});
const portal = (id: bigint) => ({ id, state: 'active' }) as PortalView;
const bot = (id: bigint, portalId: bigint | null) => ({ id, portalId, state: 'active' }) as BotFacts;
const part = (portalId: bigint | null, id: string, ok = true) => ({
  portalId,
  checks: [check(id, ok, '', 'Mend it.')],
});

const found: Examination = {
  program: [check('database', true, '', '')],
  traffic: {
    portals: [portal(1n), portal(2n)],
    bots: [bot(1n, 1n), bot(2n, 2n), bot(3n, null)],
    parts: [
      part(1n, 'portal:1:state'),
      part(2n, 'portal:2:state', false),
      part(1n, 'bot:1:state'),
      part(null, 'bot:3:line'),
    ],
    waiting: [
      { portalId: 2n, seconds: 900 },
      { portalId: null, seconds: 10 },
    ],
    attention: [{ portalId: 2n, failed: 3, uncertain: 1 }],
  },
};

it('tells everything to whoever sees every portal', () => {
  const { ok, checks } = diagnosis(found);
  expect(ok).toBe(false);
  expect(checks.map(({ id }) => id)).toEqual([
    'database',
    'portals',
    'bots',
    'portal:1:state',
    'portal:2:state',
    'bot:1:state',
    'bot:3:line',
    'queue',
    'attention',
  ]);
  expect(checks.find(({ id }) => id === 'portals')?.what).toBe('2 of 2 portals are connected');
  expect(checks.find(({ id }) => id === 'queue')).toMatchObject({
    ok: false,
    what: 'The oldest waiting message has waited for 15 minutes',
  });
});

it('tells of one portal as if there were no other: a neighbour who is ill makes nobody else ill', () => {
  const { ok, checks } = diagnosis(found, 1n);
  expect(ok).toBe(true);
  expect(checks.map(({ id, what }) => `${id} ${what}`)).toEqual([
    'database ',
    'portals 1 of 1 portals are connected',
    'bots 1 of 1 bots are in service',
    'portal:1:state ',
    'bot:1:state ',
    'queue No message waits',
    'attention No message of the last 24 hours waits for a person',
  ]);
  expect(diagnosis(found, 2n).ok).toBe(false);
});

it('tells what it can while the database is away', () => {
  const program = [check('database', false, 'PostgreSQL does not answer', 'Start it.')];
  expect(diagnosis({ program, traffic: null }, 1n)).toEqual({ ok: false, checks: program });
});
