import type { LookupAddress } from 'node:dns';
import { expect, it, vi } from 'vitest';
import { openPortalFile } from './portal-download.js';

type Callback = (error: null, addresses: LookupAddress[]) => void;

vi.mock('node:dns', () => ({
  lookup: (_name: string, _options: object, callback: Callback) =>
    callback(null, [
      { address: '1.1.1.1', family: 4 },
      { address: '169.254.169.254', family: 4 },
    ]),
}));

it('connects to no portal whose name leads into a private network', async () => {
  const opened = openPortalFile({
    address: 'https://acme.bitrix24.com/~abc',
    origin: 'https://acme.bitrix24.com',
    rules: { portalOrigin: undefined, oauthOrigin: undefined },
    maxBytes: 1_000,
    signal: new AbortController().signal,
  });
  await expect(opened).rejects.toMatchObject({ kind: 'refused', code: 'file_refused_host' });
});
