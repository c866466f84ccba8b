import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FileSpool, type SpooledFile } from './file-spool.js';

let opened: string[];
let spool: FileSpool;

beforeEach(() => {
  opened = [];
  const downloads = {
    open: (portalId: bigint, url: string) => {
      opened.push(`${portalId} ${url}`);
      if (url === '/gone') return Promise.reject(new Error('gone'));
      return Promise.resolve({
        stream: Readable.from([Buffer.from(`content of ${url}`)]),
        name: null,
        mime: null,
        size: null,
      });
    },
  };
  spool = new FileSpool(downloads);
});
afterEach(() => vi.useRealTimers());

const fetch = (url: string, portalId = 1n) => spool.fetchShared(portalId, url, 1_000, new AbortController().signal);
async function read(file: SpooledFile): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.content()) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe('the file of a mailing', () => {
  it('is fetched once for all who get it, also at once, and stays readable for each until it is given back', async () => {
    const files = await Promise.all([fetch('/a'), fetch('/a'), fetch('/a')]);
    await files[0].close();
    await files[1].close();
    expect(await read(files[2])).toBe('content of /a');
    await files[2].close();
    expect(await read(await fetch('/a'))).toBe('content of /a');
    expect(opened).toEqual(['1 /a']);
    expect(spool.holds(1n, '/a')).toBe(true);
  });

  it('is another one in another portal', async () => {
    await Promise.all([fetch('/a'), fetch('/a', 2n)]);
    expect(opened).toEqual(['1 /a', '2 /a']);
  });

  it('is asked for again where it could not be fetched', async () => {
    await expect(fetch('/gone')).rejects.toThrow('gone');
    await expect(fetch('/gone')).rejects.toThrow('gone');
    expect(opened).toHaveLength(2);
    expect(spool.holds(1n, '/gone')).toBe(false);
  });

  it('is forgotten a while after its last use', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const file = await fetch('/a');
    vi.advanceTimersByTime(60_000);
    expect(spool.holds(1n, '/a')).toBe(true);
    await file.close();
    vi.advanceTimersByTime(60_000);
    expect(spool.holds(1n, '/a')).toBe(false);
  });
});
