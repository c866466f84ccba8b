import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Problem } from './problem.js';
import { networkOf, WrongKeys } from './wrong-keys.js';

describe('WrongKeys', () => {
  // Buckets refill with time, and a slow machine takes its time.
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const refused = (keys: WrongKeys, times: number, from: (n: number) => { ip: string; peer?: string }) => {
    const statuses = Array.from({ length: times }, (_, n) => {
      const { ip, peer = ip } = from(n);
      try {
        keys.count({ ip, socket: { remoteAddress: peer } });
        return 0;
      } catch (error) {
        return (error as Problem).getStatus();
      }
    });
    expect(new Set(statuses.filter((status) => status !== 0))).toEqual(new Set(statuses.includes(429) ? [429] : []));
    return statuses.filter((status) => status === 429).length;
  };

  it('refuses a client that guesses, and no other', () => {
    const keys = new WrongKeys();
    expect(refused(keys, 30, () => ({ ip: '203.0.113.1', peer: '10.0.0.1' }))).toBe(10);
    expect(refused(keys, 1, () => ({ ip: '203.0.113.2', peer: '10.0.0.1' }))).toBe(0);
  });

  it('is not fooled by addresses that are made up, whoever passes them on', () => {
    expect(refused(new WrongKeys(), 300, (n) => ({ ip: `203.0.113.${n}`, peer: '10.0.0.1' }))).toBe(100);
    expect(refused(new WrongKeys(), 300, (n) => ({ ip: `2001:db8::${n}`, peer: '10.0.0.1' }))).toBe(280);
  });
});

it.each([
  ['203.0.113.9', '203.0.113.9'],
  ['::ffff:203.0.113.9', '203.0.113.9'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
  ['2001:0db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['', ''],
])('counts %s as %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});
