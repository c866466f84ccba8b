import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';

let folder: string;
let bridge: Bridge;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'telegram-openlines-backup-'));
  // Where the account of PostgreSQL may not enter, the database would be elsewhere and this a link to it.
  await chmod(folder, 0o755);
  bridge = await Bridge.start({
    environment: { DATABASE_URL: undefined, ENCRYPTION_KEY: undefined, DATA_DIR: path.join(folder, 'data') },
    oneProcess: 'an embedded PostgreSQL belongs to one program',
  });
});

afterAll(async () => {
  await bridge?.stop();
  await rm(folder, { recursive: true, force: true });
});

const ivan = () => bridge.bot.client({ id: 777, first_name: 'Ivan' });
const operator = () => bridge.portal.operator({ id: 27, name: 'Samantha' });

/** A question and its answer, both delivered. */
async function talk(question: string, answer: string): Promise<void> {
  ivan().sends(question);
  await eventually(
    () => bridge.portal.dialog('tg:777').clientMessages.map(({ text }) => text),
    (texts) => texts.includes(question),
    30_000,
  );
  await bridge.portal.dialog('tg:777').delivered(operator().sends('tg:777', answer), 30_000);
}

it('a copy of DATA_DIR is a backup: the history is there, nothing is sent again, and messages flow', async () => {
  await talk('question before', 'answer before');
  await bridge.program.stop();
  // As docs/backup.md says: with owners and modes.
  await promisify(execFile)('cp', ['-a', path.join(folder, 'data'), path.join(folder, 'copy')]);
  await bridge.restart();
  await talk('question after', 'answer after');

  await bridge.restart({ DATA_DIR: path.join(folder, 'copy') });
  const kept = await bridge.messages();
  expect(kept.map(({ text, state }) => [text, state]).toReversed()).toEqual([
    ['question before', 'delivered'],
    ['answer before', 'delivered'],
  ]);
  // The keys are in the copy: what is encrypted can be read, and the portal and the bot can be called.
  await talk('question of the restored', 'answer of the restored');
  expect(ivan().inbox.map(({ text }) => text)).toEqual(['answer before', 'answer after', 'answer of the restored']);
  expect(bridge.portal.dialog('tg:777').clientMessages.map(({ text }) => text)).toEqual([
    'question before',
    'question after',
    'question of the restored',
  ]);
});
