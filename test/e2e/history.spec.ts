import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';

// oxlint-disable-next-line typescript/no-explicit-any
type Item = any;

const STORED = 12_000;
const CLIENT = { id: 901, first_name: 'Ann' };

let bridge: Bridge;
let portalId: string;

beforeAll(async () => {
  bridge = await Bridge.start({ bitrix24: { limits: false }, oneProcess: 'exports are counted per process' });
  client().sends('=HYPERLINK("http://evil")');
  await delivered('=HYPERLINK("http://evil")');
  client().sendsFile('document', { fileName: 'offer.pdf', mimeType: 'application/pdf' });
  await eventually(
    () => bridge.messages('&direction=inbound'),
    (items) => items.length === 2 && items.every(({ state }) => state === 'delivered'),
  );
  portalId = (await admin('GET', '/portals')).json.items[0].id;
  await sql(`
    INSERT INTO chat_links (id, bot_id, portal_id, external_id, external_user_id, telegram_chat_id, title)
    SELECT 500000 + n, id, portal_id, 'tg:' || 700000 + n, 'tg:' || 700000 + n, 700000 + n, 'Client'
      FROM bots, generate_series(1, 10) n;
    INSERT INTO messages (portal_id, bot_id, chat_id, direction, state, kind, text, raw, created_at, delivered_at)
    SELECT c.portal_id, c.bot_id, c.id, 'inbound', 'delivered', 'text', 'stored ' || n || ', "quoted"' || E'\\n' || repeat('длинный ', 60),
           '{}', now() - interval '2 hours' + n * interval '500 ms', now() - interval '2 hours' + n * interval '500 ms' + interval '50 ms'
      FROM generate_series(1, ${STORED}) n JOIN chat_links c ON c.id = 500001 + n % 10 ORDER BY n;
    -- As autovacuum would, a minute later.
    ANALYZE messages, chat_links`);
});

afterAll(async () => bridge?.stop());

const admin = (method: string, path: string, body?: unknown) => bridge.program.admin(method, path, body);
const client = () => bridge.bot.client(CLIENT);
const delivered = (text: string) =>
  eventually(
    () => bridge.messages(`&q=${encodeURIComponent(text)}`),
    (items) => items.some(({ state }) => state === 'delivered'),
  );
const open = (query: string, signal?: AbortSignal) =>
  fetch(`${bridge.program.url}/admin/export/messages?${query}`, {
    headers: { authorization: `Bearer ${bridge.program.adminKey}` },
    ...(signal ? { signal } : {}),
  });

async function sql(text: string, values: unknown[] = []) {
  const database = new Client({ connectionString: bridge.database.directUrl });
  await database.connect();
  return database.query(text, values).finally(() => database.end());
}

describe('an export', () => {
  it('as NDJSON holds every message once, oldest first, as lists show it, without links to files', async () => {
    const { status, headers, text } = await admin('GET', '/export/messages?format=ndjson');
    expect([status, headers.get('content-type')]).toEqual([200, 'application/x-ndjson; charset=utf-8']);
    const today = new Date().toISOString().slice(0, 10);
    expect(headers.get('content-disposition')).toBe(`attachment; filename="messages-exported-${today}.ndjson"`);
    expect(headers.get('cache-control')).toBe('no-store');
    const lines = text.trimEnd().split('\n');
    const items: Item[] = lines.map((line) => JSON.parse(line));
    expect(items).toHaveLength(STORED + 2);
    expect(items.map(({ id }) => Number(id))).toEqual(items.map(({ id }) => Number(id)).toSorted((a, b) => a - b));
    const file = items.find(({ attachments }) => attachments.length > 0);
    const { attachments: listed } = (await admin('GET', `/messages/${file.id}`)).json;
    expect(file.attachments).toEqual(listed.map(({ url: _url, ...attachment }: Item) => attachment));
    expect(listed[0].url).toContain('/files/');
    expect(text).not.toContain('/files/');
    const [newest] = (await admin('GET', '/messages?limit=1')).json.items;
    expect(items.at(-1)).toEqual(newest);
  });

  it('takes the filters of lists; between two times it goes by time', async () => {
    const { rows } = await sql(
      `SELECT created_at AS from, created_at + interval '1 second' AS to FROM messages WHERE text LIKE 'stored 100,%'`,
    );
    const [from, to] = [rows[0].from.toISOString(), rows[0].to.toISOString()];
    const { text, headers } = await admin(
      'GET',
      `/export/messages?format=ndjson&portal=${portalId}&from=${from}&to=${to}`,
    );
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).text.split(',')[0]),
    ).toEqual(['stored 100', 'stored 101', 'stored 102']);
    expect(headers.get('content-disposition')).toContain(
      `messages-portal-${portalId}-from-${from.slice(0, 10)}-to-${to.slice(0, 10)}-exported-`,
    );
    const ofChat = await admin('GET', '/export/messages?format=ndjson&chat=500001&state=delivered');
    expect(ofChat.text.trimEnd().split('\n')).toHaveLength(STORED / 10);
    const found = await admin('GET', `/export/messages?format=ndjson&q=${encodeURIComponent('"stored 4711,"')}`);
    expect(found.text.trimEnd().split('\n')).toHaveLength(1);
    expect((await admin('GET', '/export/messages?format=ndjson&state=failed')).text).toBe('');
  });

  it('as CSV is readable by spreadsheets and runs nothing there', async () => {
    const { headers, text } = await admin('GET', '/export/messages?format=csv&direction=inbound');
    expect(headers.get('content-type')).toContain('text/csv');
    // `text()` of fetch takes the mark away.
    const bytes = new Uint8Array(await (await open('format=csv&chat=500001')).arrayBuffer());
    expect(bytes.slice(0, 3)).toEqual(new Uint8Array([0xef, 0xbb, 0xbf]));
    const records = parseCsv(text);
    expect(records).toHaveLength(1 + STORED + 2);
    expect(new Set(records.map(({ length }) => length)).size).toBe(1);
    const column = records[0]!.indexOf('text');
    expect(records[1]![column]).toBe(`'=HYPERLINK("http://evil")`);
    expect(records.at(-1)![column]).toMatch(/^stored 12000, "quoted"\nдлинный /);
    expect(records[2]![records[0]!.indexOf('files')]).toBe('offer.pdf');
  });

  it('is refused with a format that is none, and is on record otherwise', async () => {
    for (const query of ['', '?format=xlsx', '?format=csv&limit=5', '?format=csv&chat=x']) {
      expect([query, (await admin('GET', `/export/messages${query}`)).status]).toEqual([query, 400]);
    }
    const { items } = (await admin('GET', '/audit?limit=200')).json;
    const exports = items.filter(({ action }: Item) => action === 'messages.export');
    expect(exports.length).toBeGreaterThan(4);
    expect(exports).toContainEqual(
      expect.objectContaining({
        subject: 'messages',
        detail: { format: 'ndjson', chat: '500001', state: 'delivered' },
      }),
    );
    expect(JSON.stringify(exports)).not.toContain('4711');
  });

  it('runs twice at a time, and makes room when its reader goes away', async () => {
    const leave = new AbortController();
    const readers = await Promise.all([open('format=ndjson', leave.signal), open('format=csv', leave.signal)]);
    expect(readers.map(({ status }) => status)).toEqual([200, 200]);
    const third = await admin('GET', '/export/messages?format=ndjson');
    expect([third.status, third.json.code, third.headers.get('retry-after')]).toEqual([429, 'too_many_exports', '30']);
    leave.abort();
    await eventually(
      () => admin('GET', '/export/messages?format=ndjson&state=failed'),
      ({ status }) => status === 200,
    );
    const { rows } = await sql(
      `SELECT count(*)::int AS open FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`,
    );
    expect(rows).toEqual([{ open: 0 }]);
  });

  it('that fails on the way does not look whole', async () => {
    const response = await open('format=ndjson');
    const reader = response.body!.getReader();
    await reader.read();
    await sql('ALTER TABLE attachments RENAME TO attachments_away');
    const rest = (async () => {
      while (!(await reader.read()).done);
    })();
    await expect(rest).rejects.toThrow();
    await sql('ALTER TABLE attachments_away RENAME TO attachments');
  });
});

describe('a list', () => {
  const page = async (query: string): Promise<Item> => {
    const { status, json, text } = await admin('GET', query);
    expect(status, text).toBe(200);
    return { ...json, said: json.items.map(({ text: words }: Item) => Number(/^stored (\d+)/.exec(words)?.[1])) };
  };

  it('opens around a message and goes both ways from there', async () => {
    const { rows } = await sql(`SELECT id, created_at FROM messages WHERE text LIKE 'stored 6000,%'`);
    const [{ id, created_at: at }] = rows;
    const times = `&from=${new Date(at.getTime() - 3_600_000).toISOString()}`;
    for (const filter of ['', '&direction=inbound', times]) {
      const middle = await page(`/messages?limit=5&around=${id}${filter}`);
      expect(middle.said).toEqual([6002, 6001, 6000, 5999, 5998]);
      const older = await page(`/messages?limit=5&cursor=${middle.nextCursor}${filter}`);
      expect(older.said).toEqual([5997, 5996, 5995, 5994, 5993]);
      const newer = await page(`/messages?limit=5&cursor=${middle.previousCursor}${filter}`);
      expect(newer.said).toEqual([6007, 6006, 6005, 6004, 6003]);
      expect((await page(`/messages?limit=5&cursor=${newer.nextCursor}${filter}`)).said).toEqual(middle.said);
      expect((await page(`/messages?limit=5&cursor=${older.previousCursor}${filter}`)).said).toEqual(middle.said);
    }
    const last = await page(`/chats/500001/messages?limit=4&around=${id}`);
    expect(last.said).toEqual([6020, 6010, 6000, 5990]);
    expect((await page(`/messages?limit=1&around=${id}`)).said).toEqual([6000]);
    expect((await page(`/messages?limit=4&around=${id}&state=failed,uncertain`)).items).toEqual([]);
  });

  it('ends on both sides', async () => {
    const [newest] = (await page('/messages?limit=1')).items;
    const top = await page(`/messages?limit=4&around=${newest.id}`);
    expect([top.items.length, top.previousCursor]).toEqual([4, null]);
    const bottom = await page(`/messages?limit=4&around=1`);
    expect([bottom.items.at(-1).id, bottom.nextCursor]).toEqual(['1', null]);
    expect(await page('/messages?limit=1')).not.toHaveProperty('previousCursor');
    const { status } = await admin('GET', `/messages?cursor=${top.nextCursor.slice(2)}`);
    expect(status).toBe(400);
  });

  it('says how many there are when it is asked', async () => {
    const counted = async (query: string) => {
      const { count, more } = await page(`/messages?limit=1&count=1${query}`);
      return { count, more };
    };
    expect(await counted('')).toEqual({ count: STORED + 2, more: false });
    expect(await counted('&direction=inbound&state=delivered,failed')).toEqual({ count: STORED + 2, more: false });
    expect(await counted('&state=failed,uncertain')).toEqual({ count: 0, more: false });
    expect(await counted('&chat=500001')).toEqual({ count: STORED / 10, more: false });
    expect(await counted('&from=2026-01-01T00:00:00Z')).toEqual({ count: 10_000, more: true });
    expect(await page('/messages?limit=1')).not.toHaveProperty('count');
  });
});

describe('statistics', () => {
  it('count the traffic of the last day', async () => {
    const { status, json } = await admin('GET', `/statistics?portal=${portalId}`);
    expect(status).toBe(200);
    expect(json).toMatchObject({ stepSeconds: 900, from: expect.stringMatching(/Z$/) });
    expect(json.items.length).toBeLessThanOrEqual(96);
    expect(json.items.reduce((sum: number, { inbound }: Item) => sum + inbound, 0)).toBe(STORED + 2);
    const busy = json.items.find(({ inbound }: Item) => inbound > 1_000);
    expect(busy.inboundLatencyMs.p50).toBeGreaterThan(48);
    expect(busy.inboundLatencyMs.p95).toBeLessThan(52);
    for (const query of ['step=0', 'from=x', 'from=2020-01-01T00:00:00Z', 'portal=x']) {
      expect([query, (await admin('GET', `/statistics?${query}`)).status]).toEqual([query, 400]);
    }
  });
});

describe('the time that messages are kept', () => {
  it('is set per portal', async () => {
    expect((await admin('GET', `/portals/${portalId}`)).json.retentionDays).toBeNull();
    const changed = await admin('PATCH', `/portals/${portalId}`, { retentionDays: 365 });
    expect([changed.status, changed.json.retentionDays]).toEqual([200, 365]);
    expect((await admin('PATCH', `/portals/${portalId}`, {})).json.retentionDays).toBe(365);
    for (const retentionDays of [0, 3_651, 1.5, '7 days', true]) {
      expect((await admin('PATCH', `/portals/${portalId}`, { retentionDays })).status).toBe(400);
    }
    expect((await admin('PATCH', `/portals/${portalId}`, { retentionDays: null })).json.retentionDays).toBeNull();
    expect((await admin('PATCH', '/portals/999999', { retentionDays: 1 })).status).toBe(404);
  });
});

describe('the requests that a portal takes', () => {
  it('are set per portal', async () => {
    const common = { requestsPerSecond: null, requestBurst: null };
    expect((await admin('GET', `/portals/${portalId}`)).json).toMatchObject(common);
    const enterprise = { requestsPerSecond: 5, requestBurst: 250 };
    expect(await admin('PATCH', `/portals/${portalId}`, enterprise)).toMatchObject({ status: 200, json: enterprise });
    expect((await admin('PATCH', `/portals/${portalId}`, { requestBurst: null })).json).toMatchObject({
      requestsPerSecond: 5,
      requestBurst: null,
    });
    for (const wrong of [
      { requestsPerSecond: 0 },
      { requestsPerSecond: '5' },
      { requestBurst: 1.5 },
      { requestBurst: 0 },
    ])
      expect([wrong, (await admin('PATCH', `/portals/${portalId}`, wrong)).status]).toEqual([wrong, 400]);
    expect((await admin('PATCH', `/portals/${portalId}`, common)).json).toMatchObject(common);
  });
});

describe('erasing a client', () => {
  it('needs his name again, and leaves a receipt that does not have it', async () => {
    bridge.portal.operator({ id: 27, name: 'Samantha Johnson' }).sends('tg:901', 'Good morning, Ann');
    await delivered('Good morning, Ann');
    const [chat] = (await admin('GET', '/chats?q=Ann')).json.items;
    for (const [body, status] of [
      [{}, 400],
      [{ confirm: 'tg:902' }, 422],
    ] as const) {
      expect((await admin('POST', `/chats/${chat.id}/erase`, body)).status).toBe(status);
    }
    expect((await admin('POST', '/chats/999999/erase', { confirm: 'tg:901' })).status).toBe(404);
    const { key, id: keyId } = (await admin('POST', '/keys', { name: 'admin', role: 'owner' })).json;
    const byKey = { authorization: `Bearer ${key}` };
    const path = `/admin/chats/${chat.id}/erase`;
    const erased = await bridge.program.request('POST', path, { confirm: chat.externalId }, byKey);
    expect(erased.status, erased.text).toBe(200);
    // A name may be anybody's: the receipt names the key.
    expect(erased.json.actor).toMatch(new RegExp(`^admin#${keyId}@`));
    expect(erased.json).toMatchObject({
      portalId,
      chats: 1,
      messages: 3,
      attachments: 1,
      finishedAt: expect.stringMatching(/Z$/),
    });
    expect((await admin('GET', `/chats/${chat.id}`)).status).toBe(404);
    expect(await bridge.messages('&q=morning')).toEqual([]);

    const receipts = await admin('GET', '/erasures');
    expect(receipts.json).toEqual({ items: [erased.json], nextCursor: null });
    expect((await admin('GET', '/erasures?user=tg:901')).json.items).toEqual([erased.json]);
    expect((await admin('GET', '/erasures?user=tg:902')).json.items).toEqual([]);
    const { items } = (await admin('GET', '/audit?limit=1')).json;
    expect(items).toMatchObject([{ action: 'chat.erase', subject: `chat:${chat.id}`, detail: {} }]);
    // Digests and times may hold any digits.
    const { subject, at: _at, finishedAt: _finishedAt, ...receipt } = erased.json;
    expect(subject).toMatch(/^[0-9a-f]{64}$/);
    const { at: _audited, ...entry } = items[0];
    expect(JSON.stringify([receipt, entry])).not.toContain('901');

    client().sends('It is me again');
    await delivered('It is me again');
    const [again] = (await admin('GET', '/chats?q=Ann')).json.items;
    expect(again.id).not.toBe(chat.id);
  });
});

/** RFC 4180, as its grammar has it. */
function parseCsv(text: string): string[][] {
  const records: string[][] = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/gy)) {
    records.at(-1)!.push(quoted?.replaceAll('""', '"') ?? plain!);
    if (end !== ',') records.push([]);
  }
  return records.filter(({ length }, index) => length > 1 || index === 0);
}
