import { afterEach, beforeEach, expect, it } from 'vitest';
import { BotRequestsRepository } from '../../src/storage/accounts/bot-requests.repository.js';
import { ManagerBotsRepository } from '../../src/storage/accounts/manager-bots.repository.js';
import { createTestStorage, PORTAL } from '../support/storage.js';

const MANAGER = 900n;
const OWNER = 10n;

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let managers: ManagerBotsRepository;
let telegramId: bigint;

beforeEach(async () => {
  storage = await createTestStorage();
  managers = new ManagerBotsRepository(storage.db);
  const { rows } = await storage.db.query<{ telegram_id: bigint }>(
    `SELECT telegram_id FROM bots WHERE portal_id = $1 LIMIT 1`,
    [PORTAL],
  );
  telegramId = rows[0]!.telegram_id;
  await storage.db.query(
    `INSERT INTO managed_bots (telegram_id, manager_id, owner_id, portal_id) VALUES ($1, $2, $3, $4)`,
    [telegramId, MANAGER, OWNER, PORTAL],
  );
});
afterEach(() => storage.close());

const hears = (ownerId: bigint) =>
  new BotRequestsRepository(storage.db).made(storage.db, {
    managerId: MANAGER,
    telegramId,
    ownerId,
    username: 'shop_bot',
    name: 'Shop',
  });
const claim = async () => (await managers.claimTokens(MANAGER, 5)).map((bot) => bot.telegramId);

it('a change that is heard of while the token is asked for has it asked for again', async () => {
  await hears(OWNER);
  const [claimed] = await managers.claimTokens(MANAGER, 5);
  expect(claimed).toMatchObject({ telegramId, portalId: PORTAL });
  await hears(OWNER);
  await managers.tokenAsked(claimed!);
  const [again] = await managers.claimTokens(MANAGER, 5);
  expect(again?.telegramId).toBe(telegramId);
  await managers.tokenAsked(again!);
  expect(await claim()).toEqual([]);
});

it('the token of a bot is not asked for once it was given away, or serves a portal that it was not made for', async () => {
  await hears(OWNER + 1n);
  expect(await claim()).toEqual([]);
  await storage.db.query(`UPDATE managed_bots SET portal_id = $1`, [PORTAL + 1_000n]);
  await hears(OWNER + 1n);
  expect(await claim()).toEqual([]);
  await storage.db.query(`UPDATE managed_bots SET portal_id = $1`, [PORTAL]);
  expect(await claim()).toEqual([telegramId]);
});
