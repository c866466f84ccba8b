import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BroadcastsRepository } from '../../src/storage/crm/broadcasts.repository.js';
import { KeptFilesRepository } from '../../src/storage/crm/kept-files.repository.js';
import { ReadyAnswersRepository, type ReadyAnswerRow } from '../../src/storage/crm/ready-answers.repository.js';
import { createTestStorage, PORTAL, somebodyWaits } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let answers: ReadyAnswersRepository;
let files: KeptFilesRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  answers = new ReadyAnswersRepository(storage.db);
  files = new KeptFilesRepository(storage.db);
});
afterEach(() => storage.close());

const LIMITS = { filesOfAnswer: 3, bytesOfPortal: 1_000 };

async function make(title: string, limit = 100): Promise<bigint | null> {
  const answer = { lineId: null, title, shortcut: null, text: '', language: null, createdBy: 'test' };
  return answers.create({ portalId: PORTAL, ...answer }, limit);
}
async function* arriving(content: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += 70_000) yield content.subarray(at, at + 70_000);
}
const keep = (answerId: bigint, name: string, content: Buffer) =>
  files.keep({ portalId: PORTAL, owner: { answerId }, name, mime: null, content: arriving(content) }, LIMITS);
const use = ({ id, files: theirs }: ReadyAnswerRow) => files.noteUse({ answerId: id }, theirs);
const titles = async () => (await answers.list({ portalId: PORTAL }, 100)).map(({ title }) => title);
const stored = async () =>
  (await storage.db.query<{ name: string }>(`SELECT name FROM answer_files ORDER BY id`)).rows.map(({ name }) => name);
const later = (days: number) =>
  storage.db.query(`UPDATE answer_files SET used_at = used_at - make_interval(days => $1)`, [days]);
async function read(id: bigint): Promise<Buffer | null> {
  const file = await files.open(PORTAL, id);
  if (!file) return null;
  const parts: Buffer[] = [];
  for await (const part of file.content) parts.push(part);
  return Buffer.concat(parts);
}

describe('at the same time', () => {
  it('no more are made than the portal may have', async () => {
    const made = await Promise.all(Array.from({ length: 8 }, (_, at) => make(`answer ${at}`, 5)));
    expect(made.filter((id) => id !== null)).toHaveLength(5);
    expect(await titles()).toHaveLength(5);
  });

  it('no more bytes are kept than the portal may have', async () => {
    const ids = [await make('a'), await make('b'), await make('c')];
    const kept = await Promise.all(ids.map((id) => keep(id!, 'x', Buffer.alloc(400))));
    expect(kept.toSorted()).toEqual(['full', 'kept', 'kept']);
  });

  it('they get one order', async () => {
    const ids = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((title) => make(title)));
    await Promise.all(ids.map((id, at) => answers.place(PORTAL, id!, (at * 3) % 5)));
    const { rows } = await storage.db.query<{ position: number }>(
      `SELECT position FROM ready_answers ORDER BY position`,
    );
    expect(rows.map(({ position }) => position)).toEqual([0, 1, 2, 3, 4]);
  });
});

it.each([
  ['a', 0, 'a b c d'],
  ['a', 2, 'b c a d'],
  ['a', 9, 'b c d a'],
  ['d', 0, 'd a b c'],
  ['c', 1, 'a c b d'],
])('%s at place %i: %s', async (title, place, order) => {
  const ids = new Map<string, bigint | null>();
  for (const name of ['a', 'b', 'c', 'd']) ids.set(name, await make(name));
  await answers.place(PORTAL, ids.get(title)!, place);
  expect(await titles()).toEqual(order.split(' '));
});

it('an answer and its files are locked in one order: answer, then files', async () => {
  const id = (await make('a'))!;
  await keep(id, 'x', Buffer.from('x'));
  await keep(id, 'y', Buffer.from('y'));
  const removed = await storage.db.transaction(async (connection) => {
    await connection.query(`SELECT FROM ready_answers WHERE id = $1 FOR UPDATE`, [id]);
    const removal = answers.remove(id);
    await somebodyWaits(storage.db);
    // Whoever holds the answer may go on to its files.
    await connection.query(`SELECT FROM answer_files WHERE answer_id = $1 FOR UPDATE NOWAIT`, [id]);
    return { removal };
  });
  await removed.removal;
  expect([await titles(), await stored()]).toEqual([[], []]);
});

describe('a file', () => {
  it('is read in parts, as it was kept, by its own portal only', async () => {
    const id = (await make('a'))!;
    const content = Buffer.from(Array.from({ length: 600_001 }, (_, at) => (at * 7) % 256));
    await files.keep(
      { portalId: PORTAL, owner: { answerId: id }, name: 'x', mime: null, content: arriving(content) },
      { ...LIMITS, bytesOfPortal: 1e9 },
    );
    const [file] = (await answers.find(id))!.files;
    expect((await read(file!.id))!.equals(content)).toBe(true);
    expect(await files.open(2n, file!.id)).toBeNull();
    expect(
      await files.keep(
        { portalId: 2n, owner: { answerId: id }, name: 'y', mime: null, content: arriving(content) },
        LIMITS,
      ),
    ).toBe('gone');
  });

  it('that a message on its way may need outlives its answer for a week, and counts until then', async () => {
    const id = (await make('a'))!;
    await keep(id, 'sent', Buffer.alloc(400, 1));
    await use((await answers.find(id))!);
    await keep(id, 'never sent', Buffer.alloc(100));
    const [sent] = (await answers.find(id))!.files;
    await answers.remove(id);
    expect([await stored(), await titles()]).toEqual([['sent'], []]);
    expect((await read(sent!.id))!.equals(Buffer.alloc(400, 1))).toBe(true);
    const other = (await make('b'))!;
    expect(await keep(other, 'large', Buffer.alloc(700))).toBe('full');
    await files.purge();
    expect(await stored()).toEqual(['sent']);
    await later(8);
    await files.purge();
    expect(await stored()).toEqual([]);
    expect(await keep(other, 'large', Buffer.alloc(700))).toBe('kept');
  });

  it('that is replaced or taken off is kept the same way, and another may have its name', async () => {
    const id = (await make('a'))!;
    await keep(id, 'price', Buffer.from('old'));
    await use((await answers.find(id))!);
    const [old] = (await answers.find(id))!.files;
    expect(await keep(id, 'price', Buffer.from('new'))).toBe('kept');
    const [now] = (await answers.find(id))!.files;
    expect([String(await read(old!.id)), String(await read(now!.id))]).toEqual(['old', 'new']);
    expect(await files.remove(PORTAL, { answerId: id }, 'price')).toBe('removed');
    expect(await files.remove(PORTAL, { answerId: id }, 'price')).toBe('no_file');
    expect([(await answers.find(id))!.files, await stored()]).toEqual([[], ['price']]);
  });

  it('is not promised to a message once another one has taken its place', async () => {
    const id = (await make('a'))!;
    await keep(id, 'price', Buffer.from('old'));
    const seen = (await answers.find(id))!;
    await keep(id, 'price', Buffer.from('new'));
    expect(await use(seen)).toBe(false);
    expect(await use((await answers.find(id))!)).toBe(true);
  });

  it('of a broadcast that is over goes a day later, and makes room', async () => {
    const broadcasts = new BroadcastsRepository(storage.db);
    const written = { name: 'x', text: '', buttons: '', file: '', hasUnsubscribe: true };
    const make = async () => {
      const id = (await broadcasts.create({ portalId: PORTAL, audience: {}, createdBy: 'test', ...written }))!;
      const file = { portalId: PORTAL, owner: { broadcastId: id }, mime: null };
      expect(await files.keep({ ...file, name: `${id}`, content: arriving(Buffer.alloc(300)) }, LIMITS)).toBe('kept');
      return id;
    };
    const [over, running, latest] = [await make(), await make(), await make()];
    await storage.db.query(
      `UPDATE broadcasts SET state = CASE WHEN id = $1 THEN 'running' ELSE 'done' END::"BroadcastState",
                             finished_at = now() - CASE WHEN id = $2 THEN interval '23 hours' ELSE interval '25 hours' END`,
      [running, latest],
    );
    await files.purge();
    expect(await stored()).toEqual([`${running}`, `${latest}`]);
    expect((await broadcasts.find(over))!.files).toEqual([]);
    await make();
  });

  it('of a broadcast is the only one it has, goes with it, and stays a week for what is on its way', async () => {
    const broadcasts = new BroadcastsRepository(storage.db);
    const written = { name: 'Sale', text: 'Sale', buttons: '', file: 'https://a/b.pdf', hasUnsubscribe: true };
    const id = await broadcasts.create({ portalId: PORTAL, audience: {}, createdBy: 'test', ...written });
    const owner = { broadcastId: id };
    const put = (name: string, portalId = PORTAL) =>
      files.keep({ portalId, owner, name, mime: null, content: arriving(Buffer.from(name)) }, LIMITS);
    expect(await put('theirs', 2n)).toBe('gone');
    expect([await put('a'), await put('b')]).toEqual(['kept', 'kept']);
    await files.purge();
    const draft = (await broadcasts.find(id))!;
    expect([draft.file, draft.files.map(({ name }) => name), await stored()]).toEqual(['', ['b'], ['b']]);
    await files.noteUse(owner, draft.files);
    expect(await put('c')).toBe('kept');
    expect(await stored()).toEqual(['b', 'c']);
    await files.noteUse(owner, (await broadcasts.find(id))!.files);
    expect(await broadcasts.remove(id)).toBe(true);
    await files.purge();
    expect(await stored()).toEqual(['b', 'c']);
    await later(8);
    await files.purge();
    expect(await stored()).toEqual([]);
  });
});
