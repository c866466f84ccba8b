import { expect, it } from 'vitest';
import { EndpointConditions, type Driven } from './endpoint-conditions.js';

const lease = { endpoint: 'bot:1', owner: 'me', fence: 7n };
const driven = (health: Driven['health'], since = 0): Driven[] => [{ lease, since, health }];
const ILL = { healthy: false, detail: '409: Conflict' };

it('tells what changed, once', () => {
  const conditions = new EndpointConditions();
  const tell = (of: Driven[], now: number) => {
    const changed = conditions.changed(of, now);
    conditions.keep(changed, of);
    return changed.map(({ trouble }) => trouble);
  };
  expect(tell(driven(ILL), 0)).toEqual([{ code: 'ill', detail: '409: Conflict' }]);
  expect(tell(driven(ILL), 2_000)).toEqual([]);
  expect(tell(driven({ healthy: false, code: 'storing_fails', detail: '53100' }), 4_000)).toEqual([
    { code: 'storing_fails', detail: '53100' },
  ]);
  expect(tell(driven({ healthy: true }), 6_000)).toEqual([null]);
  expect(tell(driven({ healthy: true }), 8_000)).toEqual([]);
});

it('believes a driver that has just begun when it is ill, and only after a minute that it is well', () => {
  const conditions = new EndpointConditions();
  expect(conditions.changed(driven({ healthy: true }), 59_999)).toEqual([]);
  expect(conditions.changed(driven({ healthy: true }), 60_000)).toEqual([{ lease, trouble: null }]);
  expect(conditions.changed(driven(ILL, 59_000), 60_000)).toHaveLength(1);
});

it('tells again what could not be kept, and begins anew with a new lease', () => {
  const conditions = new EndpointConditions();
  expect(conditions.changed(driven(ILL), 0)).toHaveLength(1);
  expect(conditions.changed(driven(ILL), 2_000)).toHaveLength(1);
  conditions.keep(conditions.changed(driven(ILL), 4_000), driven(ILL));
  const taken = [{ ...driven(ILL)[0]!, lease: { ...lease, fence: 8n } }];
  expect(conditions.changed(taken, 6_000)).toHaveLength(1);
});
