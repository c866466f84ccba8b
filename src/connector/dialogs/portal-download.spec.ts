import dns, { type LookupAddress } from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import { afterEach, expect, it } from 'vitest';
import { openPortalFile } from './portal-download.js';

const { lookup } = dns;

/** The resolver itself, not a mock of the module: another file of this worker may have loaded who uses it. */
const resolvesTo = (found: unknown) => {
  dns.lookup = found as typeof lookup;
  syncBuiltinESMExports();
};

afterEach(() => resolvesTo(lookup));

it('connects to no portal whose name leads into a private network', async () => {
  resolvesTo((_name: string, _options: object, callback: (error: null, addresses: LookupAddress[]) => void) =>
    callback(null, [
      { address: '1.1.1.1', family: 4 },
      { address: '169.254.169.254', family: 4 },
    ]),
  );
  const opened = openPortalFile({
    address: 'https://acme.bitrix24.com/~abc',
    origin: 'https://acme.bitrix24.com',
    rules: { portalOrigin: undefined, oauthOrigin: undefined },
    maxBytes: 1_000,
    signal: new AbortController().signal,
  });
  await expect(opened).rejects.toMatchObject({ kind: 'refused', code: 'file_refused_host' });
});
