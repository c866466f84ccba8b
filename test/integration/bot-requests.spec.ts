import { afterEach, beforeEach, expect, it } from 'vitest';
import { BotRequestsRepository } from '../../src/storage/accounts/bot-requests.repository.js';
import { createTestStorage, PORTAL } from '../support/storage.js';

const MANAGER = 900n;
const PERSON = 10n;

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let requests: BotRequestsRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  requests = new BotRequestsRepository(storage.db);
});
afterEach(() => storage.close());

async function start(lineId: string, username: string): Promise<bigint> {
  const code = `code of ${lineId}`;
  const wish = {
    portalId: PORTAL,
    lineId,
    lineName: null,
    managerId: MANAGER,
    name: 'Shop',
    username,
    createdBy: 'test',
  };
  const { id } = await requests.create({ ...wish, code });
  await requests.start(storage.db, code, { managerId: MANAGER, id: PERSON, language: 'en' });
  return id;
}
const make = (telegramId: bigint, username: string) =>
  requests.made(storage.db, { managerId: MANAGER, telegramId, ownerId: PERSON, username, name: 'Shop' });

it('of several requests the one is meant whose suggested user name the bot has', async () => {
  await start('7', 'shop_001_bot');
  const second = await start('8', 'shop_002_bot');
  expect(await make(501n, 'Shop_002_bot')).toEqual({ outcome: 'taken' });
  expect(await requests.find(second)).toMatchObject({ state: 'made', botTelegramId: 501n });
});

it('where two suggested the same user name, whoever made the bot is asked', async () => {
  const ids = [await start('7', 'shop_001_bot'), await start('8', 'shop_001_bot')];
  const made = await make(501n, 'shop_001_bot');
  expect(made).toMatchObject({ outcome: 'unclear', requests: ids.toReversed().map((id) => ({ id })) });
});

it('a bot that was chosen is chosen, however often Telegram repeats the press', async () => {
  const [first, second] = [await start('7', 'shop_001_bot'), await start('8', 'shop_001_bot')];
  await make(501n, 'another_bot');
  const choose = (request: bigint) => requests.choose(storage.db, { managerId: MANAGER, id: PERSON }, request, 501n);
  expect([await choose(first), await choose(first)]).toEqual([true, true]);
  expect(await choose(second)).toBe(false);
  await requests.finish(first, null);
  expect(await choose(first)).toBe(true);
});
