import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UpstreamError } from '../../src/common/upstream-error.js';
import { openPortalFile, PATIENCE, type Download } from '../../src/connector/dialogs/portal-download.js';
import { Bitrix24Simulator } from '../support/bitrix24-simulator.js';
import type { MessageFile, NewFile } from '../support/bitrix24-simulator/portal-files.js';
import type { Portal } from '../support/bitrix24-simulator/portal.js';

const PDF = { name: 'offer.pdf', mime: 'application/pdf', content: 'the offer' };
const MEBIBYTE = 1 << 20;

let b24: Bitrix24Simulator;
let portal: Portal;
/** Somebody else's server on this machine; it counts who comes. */
let stranger: Server;
let visits = 0;

beforeAll(async () => {
  b24 = await Bitrix24Simulator.start();
  portal = await b24.addPortal({});
  stranger = createServer((_request, response) => {
    visits++;
    response.end('secrets');
  });
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
});

beforeEach(() => {
  visits = 0;
});

afterAll(async () => {
  stranger.close();
  await b24.stop();
});

const strangersUrl = (host = '127.0.0.1') => `http://${host}:${(stranger.address() as AddressInfo).port}/`;
const file = (given: Partial<NewFile> = {}): MessageFile => portal.files.add({ ...PDF, ...given });

function open(address: string, more: Partial<Download> = {}) {
  return openPortalFile({
    address,
    origin: portal.url,
    rules: { portalOrigin: portal.url, oauthOrigin: undefined },
    maxBytes: 50 * MEBIBYTE,
    signal: new AbortController().signal,
    ...more,
  });
}

/** `<kind> <code>` of the attempt to read it whole; the words never name the address. */
async function failure(address: string, more: Partial<Download> = {}): Promise<string> {
  try {
    for await (const _ of (await open(address, more)).stream);
    return 'read whole';
  } catch (error) {
    expect(error).toBeInstanceOf(UpstreamError);
    const { kind, code, message, network } = error as UpstreamError;
    expect(network).toBe('bitrix24');
    expect(message).not.toMatch(/SIGN=|~|127\.0\.0\.1/);
    return `${kind} ${code}`;
  }
}

async function content(address: string): Promise<string> {
  return Buffer.concat(await (await open(address)).stream.toArray()).toString();
}

describe('a file of the portal', () => {
  it('is read by its signed link and by its short one', async () => {
    const { link, downloadLink } = file();
    expect(await content(downloadLink)).toBe('the offer');
    expect(await content(link)).toBe('the offer');
    const { mime, size, stream } = await open(link);
    stream.destroy();
    expect({ mime, size }).toEqual({ mime: 'application/pdf', size: 9 });
  });

  it('is asked for without credentials', async () => {
    const { downloadLink, id } = file();
    await content(downloadLink);
    expect(portal.files.requests.findLast(({ fileId }) => fileId === id)).toMatchObject({
      userAgent: 'telegram-openlines',
    });
  });

  it('may be a page that the operator sent as a file', async () => {
    expect(await content(file({ name: 'report.html', mime: 'text/html', content: '<p>' }).downloadLink)).toBe('<p>');
  });

  it('is fetched from where we know the portal, whatever name its links have for it', async () => {
    const { downloadLink, link } = file();
    for (const address of [downloadLink, link]) {
      const { pathname, search } = new URL(address);
      for (const inner of ['http://10.0.0.7:8080', 'https://portal', 'http://localhost', '']) {
        expect(await content(`${inner}${pathname}${search}`)).toBe('the offer');
      }
    }
  });

  it('may be empty', async () => {
    expect(await content(file({ content: '' }).downloadLink)).toBe('');
  });
});

describe('what will never be had', () => {
  it('a file that was deleted, a forged link', async () => {
    const gone = file();
    portal.files.remove(gone);
    expect(await failure(gone.downloadLink)).toBe('refused file_gone');
    expect(await failure(gone.link)).toBe('refused file_gone');
    expect(await failure(`${portal.url}/pub/im.file.php?FILE_ID=1&SIGN=1`)).toBe('refused file_gone');
  });

  it('a page in the place of the file', async () => {
    const { id, downloadLink } = file();
    portal.files.breakFile(id, { page: 200 });
    expect(await failure(downloadLink)).toBe('refused file_html');
    portal.files.breakFile(id, { contentType: 'text/html; charset=UTF-8' });
    expect(await failure(downloadLink)).toBe('refused file_html');
  });

  it('a file that is too large, as it says or as it turns out', async () => {
    const { id, downloadLink } = file();
    expect(await failure(downloadLink, { maxBytes: 8 })).toBe('refused file_too_large');
    portal.files.breakFile(id, { endless: true });
    expect(await failure(downloadLink, { maxBytes: MEBIBYTE })).toBe('refused file_too_large');
  });

  it('a stream without end, of which no more is held than passes', async () => {
    const { id, downloadLink } = file();
    portal.files.breakFile(id, { endless: true });
    const { stream } = await open(downloadLink, { maxBytes: 3_000 * MEBIBYTE });
    const before = process.memoryUsage().rss;
    let read = 0;
    for await (const chunk of stream) {
      read += (chunk as Buffer).length;
      if (read > 192 * MEBIBYTE) break;
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(96 * MEBIBYTE);
    expect(stream.destroyed).toBe(true);
  });
});

describe('another host than the portal', () => {
  it.each(['file:///etc/passwd', 'ftp://127.0.0.1/', 'javascript:alert(1)', ''])('%s', async (address) => {
    expect(await failure(address)).toBe('refused file_refused_host');
  });

  it('is not asked, by whatever name: the portal is', async () => {
    for (const address of [
      strangersUrl(),
      strangersUrl('localhost'),
      strangersUrl('[::1]'),
      strangersUrl('2130706433'),
      'http://169.254.169.254/latest/',
      '//localhost/',
      'http://user:word@localhost/~x',
    ]) {
      expect([address, await failure(address)]).toEqual([address, 'refused file_gone']);
    }
    expect(visits).toBe(0);
  });

  it('is not asked after a redirect', async () => {
    const { id, downloadLink, link } = file();
    for (const redirectTo of [strangersUrl(), strangersUrl('localhost'), 'http://169.254.169.254/', '//localhost/']) {
      portal.files.breakFile(id, { redirectTo });
      expect(await failure(downloadLink)).toBe('refused file_gone');
      expect(await failure(link)).toBe('refused file_gone');
    }
    portal.files.breakFile(id, { redirectTo: 'http://[' });
    expect(await failure(downloadLink)).toBe('refused file_refused_host');
    expect(visits).toBe(0);
  });

  it('is the portal too at an address that nobody has named', async () => {
    const rules = { portalOrigin: undefined, oauthOrigin: undefined };
    for (const origin of ['http://acme.bitrix24.com', 'https://acme.bitrix24.com:8443', 'https://127.0.0.1']) {
      expect(await failure('/~x', { origin, rules })).toBe('refused file_refused_host');
    }
  });

  it('leads in circles at most three times', async () => {
    const { id, downloadLink } = file();
    portal.files.breakFile(id, { redirectTo: downloadLink });
    const before = portal.files.requests.length;
    expect(await failure(downloadLink)).toBe('refused file_gone');
    expect(portal.files.requests.length - before).toBe(4);
  });
});

describe('what cannot be had now', () => {
  it.each([502, 503, 429])('an answer %i', async (status) => {
    const { id, downloadLink } = file();
    portal.files.breakFile(id, { page: status });
    expect(await failure(downloadLink)).toBe(`not_sent HTTP_${status}`);
  });

  it('a connection that is cut in the middle', async () => {
    const { id, downloadLink } = file({ content: Buffer.alloc(100_000) });
    portal.files.breakFile(id, { cutAfter: 10 });
    expect(await failure(downloadLink)).toBe('not_sent ECONNRESET');
  });

  it('a portal that is away', async () => {
    const address = 'http://127.0.0.1:1';
    const away = { origin: address, rules: { portalOrigin: address, oauthOrigin: undefined } };
    expect(await failure(`${address}/~x`, away)).toBe('not_sent ECONNREFUSED');
  });

  it('a trickle, and a file that takes longer than its size allows', async () => {
    const { id, downloadLink } = file({ content: Buffer.alloc(1_000) });
    portal.files.breakFile(id, { bytesPerSecond: 100 });
    const slow = { ...PATIENCE, pace: { bytes: 100, withinMs: 200 } };
    expect(await failure(downloadLink, { patience: slow })).toBe('not_sent too_slow');
    const long = { ...PATIENCE, startMs: 200, bytesPerSecond: 10_000 };
    expect(await failure(downloadLink, { patience: long })).toBe('not_sent too_slow');
  });

  it('a portal that does not answer, until the caller has enough', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const origin = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const asked = { origin, rules: { portalOrigin: origin, oauthOrigin: undefined } };
    const patience = { ...PATIENCE, answerMs: 100 };
    expect(await failure(`${origin}/~x`, { ...asked, patience })).toBe('not_sent TIMEOUT');
    expect(await failure(`${origin}/~x`, { ...asked, signal: AbortSignal.timeout(100) })).toBe('not_sent ABORT_ERR');
    silent.closeAllConnections();
    silent.close();
  });

  it('a file of which the caller has enough', async () => {
    const { id, downloadLink } = file();
    portal.files.breakFile(id, { endless: true });
    expect(await failure(downloadLink, { signal: AbortSignal.timeout(200) })).toMatch(/^not_sent /);
  });
});
