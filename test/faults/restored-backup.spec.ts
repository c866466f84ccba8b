import { Client } from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { Bridge } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

const SEND = 'imconnector.send.messages';

let bridge: Bridge;
beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
});
afterAll(async () => bridge?.stop());

/** docs/backup.md, "After a restore". */
it('looks into the dialogs first for what clients wrote before the backup and what was delivered after it', async () => {
  const known = await Conversation.begin(bridge, 401);
  const fresh = Conversation.of(bridge, 402);
  const lost = Conversation.of(bridge, 403);
  const chats = [known, fresh, lost];
  for (const chat of chats) {
    bridge.bitrix24.faults.next(SEND, { status: 503, error: 'QUERY_LIMIT_EXCEEDED' }, 1_000, chat.fromClient);
    chat.client.sends('in the backup');
    chat.client.sends('and more');
    await chat.becomes('and more', 'queued');
  }
  await bridge.program.kill();
  const backup = await copyOf(bridge.database.url);

  bridge.bitrix24.faults.clear();
  bridge.bitrix24.faults.next(SEND, { status: 503, error: 'QUERY_LIMIT_EXCEEDED' }, 1_000, lost.fromClient);
  await bridge.restart({}, 'kill');
  for (const chat of [known, fresh]) await chat.becomes('and more', 'delivered', 30_000);
  bridge.bitrix24.faults.clear();
  await bridge.program.kill();

  await bridge.restart({ DATABASE_URL: backup.url }, 'kill');
  for (const chat of chats) await chat.becomes('and more', 'delivered', 60_000);
  expect(known.received).toEqual(['hello', 'in the backup', 'and more']);
  expect(fresh.received).toEqual(['in the backup', 'and more']);
  expect(lost.received).toEqual(['in the backup', 'and more']);
  expect(bridge.program.warnings().join('\n')).toContain('6 messages of clients are looked up in their dialogs');
  await bridge.program.kill();
  await backup.drop();
}, 120_000);

/** The packaged pg_dump is often older than the server, which it then refuses. */
async function copyOf(url: string) {
  const copy = new URL(url);
  copy.pathname += '_backup';
  const [name, template] = [copy.pathname.slice(1), new URL(url).pathname.slice(1)];
  await onServer(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${template}'`,
    `CREATE DATABASE ${name} TEMPLATE ${template}`,
  );
  return { url: copy.href, drop: () => onServer(`DROP DATABASE ${name} WITH (FORCE)`) };
}

async function onServer(...statements: string[]): Promise<void> {
  const client = new Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
