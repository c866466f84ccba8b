import { afterAll, beforeAll, expect, it } from 'vitest';
import { Client } from 'pg';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

const SEND = 'imconnector.send.messages';

let bridge: Bridge;
let conversation: Conversation;
let portalId: string;

beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
  portalId = (await bridge.program.admin('GET', '/portals')).json.items[0].id;
  conversation = await Conversation.begin(bridge, 501);
});

afterAll(async () => bridge?.stop());

interface Logged {
  id: string;
  at: string;
  method: string;
  commands: string[];
  durationMs: number;
  status: number | null;
  errorCode: string | null;
  bytes: number | null;
  operating: number | null;
}

async function requests(query = ''): Promise<{ items: Logged[]; nextCursor: string | null; text: string }> {
  const { status, json, text } = await bridge.program.admin('GET', `/portals/${portalId}/requests?limit=200${query}`);
  expect(status, text).toBe(200);
  return { ...json, text };
}

async function sql(statement: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: bridge.database.url });
  await client.connect();
  return client
    .query(statement)
    .then(({ rows }) => rows as Record<string, unknown>[])
    .finally(() => client.end());
}

it('holds what was called and how it ended, and nobody’s words', async () => {
  conversation.answers('a secret answer');
  await conversation.becomes('a secret answer', 'delivered');
  const { items, text } = await eventually(
    requests,
    ({ items: all }) => all.some(({ method }) => method === SEND),
    10_000,
  );
  const sent = items.find(({ method }) => method === SEND)!;
  expect(sent).toMatchObject({ status: 200, errorCode: null, commands: [] });
  expect(sent.bytes).toBeGreaterThan(50);
  expect(Math.abs(Date.parse(sent.at) - Date.now())).toBeLessThan(60_000);
  const batch = items.find(({ method }) => method === 'batch')!;
  expect(batch.commands.length).toBeGreaterThan(0);
  expect(batch.commands.every((method) => /^[a-z0-9_.]+$/i.test(method))).toBe(true);
  expect(items.map(({ at }) => at)).toEqual(
    items
      .map(({ at }) => at)
      .toSorted()
      .toReversed(),
  );
  expect(text).not.toMatch(/hello|secret answer|Client 501|tg:501|access|Bearer/);
});

it('names what went wrong: a code of Bitrix24, a page, no answer at all', async () => {
  const { faults } = bridge.bitrix24;
  faults.next(SEND, { status: 400, error: 'ERROR_ARGUMENT', description: 'words of a client' });
  conversation.client.sends('refused');
  await conversation.becomes('refused', 'failed');
  faults.next(SEND, { status: 400, error: 'It was hello that was wrong' });
  conversation.client.sends('refused with a sentence');
  await conversation.becomes('refused with a sentence', 'failed');
  faults.next(SEND, { html: 503, performed: false });
  faults.next(SEND, 'dropBefore');
  conversation.client.sends('at last');
  await conversation.becomes('at last', 'delivered', 30_000);
  const failed = await eventually(
    () => requests(`&method=${SEND}&outcome=failed`),
    ({ items }) => items.length >= 4,
  );
  expect(failed.items.map(({ status, errorCode }) => [status, errorCode]).toReversed()).toEqual([
    [400, 'ERROR_ARGUMENT'],
    [400, 'ERROR'],
    [503, 'HTTP_503'],
    [null, 'ECONNRESET'],
  ]);
  expect(failed.text).not.toContain('hello');
});

it('is read page by page, by method, outcome and time, and only by who may see the portal', async () => {
  const all = (await requests()).items;
  const pages: Logged[] = [];
  let cursor: string | null = '';
  do {
    const { json } = await bridge.program.admin(
      'GET',
      `/portals/${portalId}/requests?limit=3&to=${all[0]!.at}${cursor ? `&cursor=${cursor}` : ''}`,
    );
    pages.push(...json.items);
    cursor = json.nextCursor;
  } while (cursor);
  expect(pages.map(({ id }) => id)).toEqual(all.filter(({ at }) => at < all[0]!.at).map(({ id }) => id));
  const { items: well } = await requests('&outcome=ok');
  expect(well.length).toBeGreaterThan(0);
  expect(well.every(({ errorCode }) => errorCode === null)).toBe(true);
  const { items: inBatches } = await requests('&method=app.info');
  for (const { method, commands } of inBatches) expect([method, ...commands]).toContain('app.info');
  expect((await requests(`&from=${new Date(Date.now() + 60_000).toISOString()}`)).items).toEqual([]);
  for (const bad of ['method=a%20b', 'outcome=maybe', 'from=yesterday', 'cursor=x', 'limit=0'])
    expect((await bridge.program.admin('GET', `/portals/${portalId}/requests?${bad}`)).status).toBe(400);
  expect((await bridge.program.admin('GET', '/portals/999/requests')).status).toBe(404);
});

it('hinders no message when it cannot be stored, and says what is missing', async () => {
  await sql('ALTER TABLE rest_requests RENAME TO elsewhere');
  conversation.client.sends('without a log');
  await conversation.becomes('without a log', 'delivered');
  await eventually(
    () => bridge.program.log.join('\n'),
    (log) => log.includes('REST requests are missing from the log'),
    10_000,
  );
  await sql('ALTER TABLE elsewhere RENAME TO rest_requests');
  const before = (await requests()).items.length;
  conversation.client.sends('with one again');
  await eventually(requests, ({ items }) => items.length > before);
});

it('keeps what was asked before the program stopped, and is erased with the portal', async () => {
  conversation.client.sends('the last words');
  await conversation.becomes('the last words', 'delivered');
  const [{ count: before }] = (await sql('SELECT count(*)::int FROM rest_requests')) as [{ count: number }];
  await bridge.restart();
  const [{ count: after }] = (await sql('SELECT count(*)::int FROM rest_requests')) as [{ count: number }];
  expect(after).toBeGreaterThan(before - 1);
  expect((await bridge.program.admin('DELETE', `/portals/${portalId}`)).status).toBe(202);
  await eventually(
    () => sql('SELECT (SELECT count(*)::int FROM rest_requests) AS requests, state_reason FROM portals'),
    ([row]) => String(row!['state_reason']).includes('were erased') && row!['requests'] === 0,
    20_000,
  );
});
