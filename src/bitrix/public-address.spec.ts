import { expect, it } from 'vitest';
import { isPublicAddress, PRIVATE_ADDRESS, publicLookup } from './public-address.js';

it.each(['1.1.1.1', '77.88.55.242', '172.15.255.255', '172.32.0.1', '2a02:6b8::2:242', '2606:4700:4700::1111'])(
  '%s is public',
  (address) => expect(isPublicAddress(address)).toBe(true),
);

it.each([
  '127.0.0.1',
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '169.254.169.254',
  '172.16.0.1',
  '192.168.1.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:10.0.0.1',
  '::ffff:1.1.1.1',
  '64:ff9b::a00:1',
  'fc00::1',
  'fe80::1',
  'ff02::1',
  '2001:db8::1',
  '2002:a00:1::',
])('%s is not', (address) => expect(isPublicAddress(address)).toBe(false));

it('does not resolve a name into a private network', async () => {
  for (const all of [true, false]) {
    const error = await new Promise((resolve) => publicLookup('localhost', { all }, resolve));
    expect(error).toMatchObject({ code: PRIVATE_ADDRESS });
  }
});
