import { afterEach, beforeEach, expect, it } from 'vitest';
import { KeptFilesRepository } from '../../src/storage/crm/kept-files.repository.js';
import { MessageFilesRepository, type FileSender } from '../../src/storage/crm/message-files.repository.js';
import { ClientErasureRepository } from '../../src/storage/erasure/client-erasure.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { createTestStorage, PORTAL, update } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let files: MessageFilesRepository;
let sender: FileSender;

beforeEach(async () => {
  storage = await createTestStorage();
  files = new MessageFilesRepository(storage.db);
  await new IntakeRepository(storage.db).acceptUpdates([{ updates: [update(1, 10, 'hello')] }]);
  const { rows } = await storage.db.query<{ id: bigint }>(`SELECT id FROM chat_links`);
  sender = { portalId: PORTAL, chatId: rows[0]!.id, by: 'portal:1/user:27' };
});
afterEach(() => storage.close());

async function* arriving(...parts: (string | Error)[]): AsyncGenerator<Buffer> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield Buffer.from(part);
  }
}
const keep = (name: string, content = arriving(name), bytes = 1_000) =>
  files.keep(sender, { name, mime: null, content }, bytes);
async function kept(name: string): Promise<bigint> {
  const file = await keep(name);
  if (typeof file === 'string') throw new Error(file);
  return file.id;
}
const names = async () =>
  (await storage.db.query<{ name: string }>(`SELECT name FROM answer_files ORDER BY id`)).rows.map(({ name }) => name);
const count = async (table: string) => (await storage.db.query(`SELECT FROM ${table}`)).rowCount;
const older = (column: string, hours: number) =>
  storage.db.query(`UPDATE answer_files SET ${column} = ${column} - make_interval(hours => $1)`, [hours]);
/** The message with the file, in this state. */
async function write(id: bigint, state: string): Promise<void> {
  expect(await files.use(sender, [id])).toHaveLength(1);
  await storage.db.query(
    `WITH said AS (
       INSERT INTO messages (portal_id, bot_id, chat_id, direction, kind, state, text, raw, external_chat_id)
       VALUES (1, 1, $1, 'outbound', 'card', $3::"MessageState", '', '{}', 'tg:10') RETURNING id)
     INSERT INTO attachments (message_id, ordinal, kind, name, label, url)
     SELECT id, 0, 'document', 'x', 'x', 'answer:' || $2 FROM said`,
    [sender.chatId, id, state],
  );
}

it('a file that nobody sends is forgotten after a day', async () => {
  await kept('a');
  await older('created_at', 23);
  await files.purge();
  expect(await names()).toEqual(['a']);
  await older('created_at', 2);
  await files.purge();
  expect([await names(), await count('answer_file_parts')]).toEqual([[], 0]);
});

it('a file is kept while its message waits or may be sent again, a week at most, and goes soon after it arrived', async () => {
  const states = ['queued', 'failed', 'uncertain', 'delivered'];
  for (const state of states) await write(await kept(state), state);
  const used = await kept('about to be committed');
  await older('used_at', 2);
  expect(await files.use(sender, [used])).toHaveLength(1);
  await files.purge();
  expect(await names()).toEqual(['queued', 'failed', 'uncertain', 'about to be committed']);
  await older('used_at', 7 * 24);
  await files.purge();
  expect(await names()).toEqual([]);
});

it('only who brought a file sends it, once it is whole, and in the order asked for', async () => {
  const [a, b] = [await kept('a'), await kept('b')];
  expect((await files.use(sender, [b, a]))!.map(({ name }) => name)).toEqual(['b', 'a']);
  expect(await files.use({ ...sender, by: 'portal:1/user:28' }, [a])).toBeNull();
  expect(await files.use({ ...sender, portalId: 2n }, [a])).toBeNull();
  expect(await files.use(sender, [a, 999n])).toBeNull();
  await storage.db.query(`UPDATE answer_files SET size = 0 WHERE id = $1`, [a]);
  expect(await files.use(sender, [a])).toBeNull();
  expect(await new KeptFilesRepository(storage.db).open(PORTAL, a)).toBeNull();
});

it('what is cut, too much, or of no chat of the portal leaves nothing', async () => {
  const cut = keep('cut', arriving('a', new Error('cut')));
  await expect(cut).rejects.toThrow('cut');
  expect(await keep('large', arriving('x'.repeat(600_000)), 500_000)).toBe('full');
  expect(await files.keep({ ...sender, portalId: 2n }, { name: 'x', mime: null, content: arriving('x') }, 9)).toBe(
    'gone',
  );
  expect([await names(), await count('answer_file_parts')]).toEqual([[], 0]);
  const all = await Promise.all(['a', 'b', 'c'].map((name) => keep(name, arriving('x'.repeat(400)))));
  expect(all.filter((one) => one === 'full')).toHaveLength(1);
});

it('files that were sent are in the way of no others', async () => {
  await write(await kept('sent'), 'delivered');
  await write(await kept('waits'), 'queued');
  await storage.db.query(`UPDATE answer_files SET used_at = now() - interval '6 minutes'`);
  expect(await keep('x', arriving('x'.repeat(6)), 10)).toBe('full');
  expect(await names()).toEqual(['waits']);
  expect(await keep('x', arriving('x'.repeat(5)), 10)).toMatchObject({ name: 'x' });
});

it('an erased client leaves none of their files, also while one arrives', async () => {
  await kept('a');
  const erasures = new ClientErasureRepository(storage.db);
  async function* whileErased(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(300_000);
    while ((await erasures.eraseChat(1n, sender.chatId, 100, { force: true })) !== 'done');
    yield Buffer.alloc(300_000);
  }
  expect(await keep('b', whileErased(), 1e6)).toBe('gone');
  expect([await names(), await count('answer_file_parts')]).toEqual([[], 0]);
});
