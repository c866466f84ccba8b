import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { ClientUpdateRow } from '../../src/storage/intake/intake.rows.js';
import { BOT, createTestStorage, PORTAL, update } from '../support/storage.js';

const ANN = 10;

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  intake = new IntakeRepository(storage.db);
  await intake.acceptClientUpdates([update(1, ANN, 'hello')]);
});

afterEach(() => storage.close());

const rowsOf = async (sql: string) => (await storage.db.query(sql)).rows;

/** Something with a button, said on behalf of the portal; the id of the button. */
async function ask(): Promise<string> {
  const [chat] = await rowsOf('SELECT id FROM chat_links');
  const keyboard = { type: 'buttons' as const, rows: [[{ action: 'send' as const, text: 'Yes', value: 'deal:12' }]] };
  const words = { text: 'Shall we?', marks: [], keyboard };
  await intake.acceptSendRequests([{ portalId: PORTAL, source: 'robot', key: 'a', chatId: chat!['id'], words }]);
  return (await rowsOf('SELECT id FROM buttons'))[0]!['id'];
}

function press(id: number, buttonId: string): ClientUpdateRow {
  const base = update(id, ANN, '🔘 Pressed button: Yes');
  return { ...base, press: { buttonId, pressId: String(id), before: '🔘 Pressed button:' } };
}

const heard = () => rowsOf(`SELECT text, state, error_code FROM messages WHERE direction = 'inbound' ORDER BY id`);

describe('a press of a button', () => {
  it('is the client’s words, once', async () => {
    const button = await ask();
    await intake.acceptClientUpdates([press(2, button), press(3, button)]);
    expect((await heard()).slice(1)).toEqual([
      { text: '🔘 Pressed button: Yes (deal:12)', state: 'queued', error_code: null },
      { text: '🔘 Pressed button: Yes', state: 'ignored', error_code: 'late_press' },
    ]);
  });

  it('comes too late where the bot serves another portal by now: it does not learn what the button meant', async () => {
    const button = await ask();
    await storage.db
      .query(`INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
      VALUES (2, 'n', 'b', 'https://b/rest/', 'https://o', 'c', 'tg_bridge')`);
    await new BotsRepository(storage.db).assign(BOT, { portalId: 2n, lineId: '9' });
    await intake.acceptClientUpdates([press(2, button)]);
    expect((await heard())[1]).toMatchObject({ text: '🔘 Pressed button: Yes', error_code: 'late_press' });
  });
});
