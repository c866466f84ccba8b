import type { Update } from '@grammyjs/types';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { parseUpdate } from '../../src/telegram/inbound/update.parser.js';
import { mutatedUpdates } from '../fixtures/telegram/mutated-updates.js';
import { UPDATES } from '../fixtures/telegram/updates.js';
import { BOT, createTestStorage } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  intake = new IntakeRepository(storage.db);
});

afterEach(() => storage.close());

const accept = (updates: object[]) =>
  intake.acceptClientUpdates(updates.map((update) => parseUpdate(update as Update, BOT, 'en')));

/** Whatever is kept of an update holds its number. */
async function kept(): Promise<Set<number>> {
  const { rows } = await storage.db.query<{ id: number }>(
    `SELECT (jsonb_path_query(raw, 'lax $[*].update_id'))::int AS id FROM messages
     UNION SELECT (raw->>'update_id')::int FROM revisions WHERE raw IS NOT NULL`,
  );
  return new Set(rows.map(({ id }) => id));
}

describe('updates on their way into the tables', () => {
  it('every kind leaves a record, one by one and all at once', async () => {
    const numbered = Object.entries(UPDATES).map(([name, update], index) => ({
      name,
      ...update,
      update_id: index + 1,
    }));
    const [separate, together] = [numbered.slice(0, 40), numbered.slice(40)];
    for (const update of separate) await accept([update]);
    await accept(together);
    const ids = await kept();
    expect(numbered.filter(({ update_id }) => !ids.has(update_id)).map(({ name }) => name)).toEqual([]);
  });

  it('an edit follows its message, also in one batch, and is news where there is none', async () => {
    const from = { id: 777, is_bot: false, first_name: 'Ivan' };
    const said = (message_id: number, text: string) => ({
      message_id,
      date: 1,
      from,
      chat: { ...from, type: 'private' },
      text,
    });
    await accept([
      { update_id: 1, message: said(1, 'first') },
      { update_id: 2, message: said(2, 'second') },
    ]);
    await accept([
      { update_id: 3, edited_message: said(9, 'unknown') },
      { update_id: 4, message: said(3, 'third') },
      { update_id: 5, edited_message: said(1, 'first, better') },
      { update_id: 6, edited_message: said(2, 'second') },
      { update_id: 7, edited_message: said(9, 'unknown, again') },
      { update_id: 8, message: said(4, 'fourth') },
      { update_id: 9, edited_message: said(4, 'fourth, better') },
    ]);
    const { rows } = await storage.db.query<{ kind: string; text: string }>(
      `SELECT d.kind, m.text FROM deliveries d JOIN messages m ON m.id = d.message_id ORDER BY d.seq`,
    );
    expect(rows.map(({ kind, text }) => `${kind}: ${text}`)).toEqual([
      'message: first, better',
      'message: second',
      'message: unknown, again',
      'message: third',
      'edit: first, better',
      'edit: unknown, again',
      'message: fourth, better',
      'edit: fourth, better',
    ]);
  });

  it('nothing in them is refused by PostgreSQL', async () => {
    const updates = fc.sample(mutatedUpdates, { numRuns: 600, seed: 4 }).map((update, index) => ({
      ...update,
      update_id: index + 1,
    }));
    for (let at = 0; at < updates.length; at += 100) await accept(updates.slice(at, at + 100));
    const { rows } = await storage.db.query(`SELECT count(*)::int AS n FROM processed_events`);
    expect(rows).toEqual([{ n: 600 }]);
  });
});
