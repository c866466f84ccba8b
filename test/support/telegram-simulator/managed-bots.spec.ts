import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bot, call, ivan, refusal, start, tg } from './simulator.stage.js';
import type { SimulatedBot } from './simulated.bot.js';

const MANAGER = '555:MANAGER-token';
const LINK = 'https://t.me/newbot/maker_bot/acme_317_bot?name=Acme%20%26%20Co';

let manager: SimulatedBot;
beforeEach(async () => {
  await start();
  manager = tg.addBot({ token: MANAGER, username: 'maker_bot', managesBots: true });
});
afterEach(() => tg.stop());

const make = (chosen = {}) => tg.managedBots.create(ivan.profile, tg.managedBots.open(LINK), chosen);
const told = () => manager.pendingUpdates.map(({ managed_bot }) => managed_bot);

describe('a bot that is made by a link', () => {
  it('has what was suggested, or what the person chose, and its manager hears of it', async () => {
    const made = make();
    expect(made.user).toMatchObject({ username: 'acme_317_bot', first_name: 'Acme & Co', can_manage_bots: false });
    const other = make({ username: 'AnotherBot', name: 'Other' });
    expect(told()).toEqual([
      { user: ivan.user, bot: { id: made.id, is_bot: true, first_name: 'Acme & Co', username: 'acme_317_bot' } },
      { user: ivan.user, bot: { id: other.id, is_bot: true, first_name: 'Other', username: 'AnotherBot' } },
    ]);
    const { result } = await call('getManagedBotToken', { user_id: made.id }, MANAGER);
    expect((await call('getMe', {}, result)).result).toMatchObject({ id: made.id, username: 'acme_317_bot' });
    expect((await call('getMe', {}, MANAGER)).result.can_manage_bots).toBe(true);
  });

  it.each([
    [{ username: 'shop_bot' }, 'USERNAME_OCCUPIED'],
    [{ username: 'acme' }, 'USERNAME_INVALID'],
    [{ username: 'support_bot' }, 'USERNAME_INVALID'],
    [{ username: 'acme__bot' }, 'USERNAME_INVALID'],
    [{ username: 'acme_shop' }, 'USERNAME_SUFFIX_MISSING'],
    [{ name: ' ' }, 'NAME_INVALID'],
  ])('is refused as %j', (chosen, reason) => {
    expect(() => make(chosen)).toThrow(reason);
    expect(told()).toEqual([]);
  });

  it('needs a link of a bot that manages others', () => {
    expect(() => tg.managedBots.open('https://t.me/newbot/shop_bot/x_bot')).toThrow('does not manage bots');
    expect(() => tg.managedBots.open('https://t.me/newbot/nobody_bot/x_bot')).toThrow('does not manage bots');
    expect(() => tg.managedBots.open('https://t.me/maker_bot?start=x')).toThrow('no link');
    expect(tg.managedBots.open('https://t.me/newbot/maker_bot/acme')).toMatchObject({ username: 'acmebot', name: '' });
    expect(tg.managedBots.open('https://t.me/newbot/maker_bot')).toMatchObject({ username: '' });
  });

  it('is one of 20 of its owner at most', () => {
    for (let number = 1; number <= 20; number += 1) make({ username: `acme_${number}_bot` });
    expect(() => make()).toThrow('BOT_CREATE_LIMIT_EXCEEDED');
  });
});

describe('its token', () => {
  it('is replaced by its manager and by its owner, and each time the manager hears of it', async () => {
    const made = make();
    const first = made.profile.token;
    const { result: second } = await call('replaceManagedBotToken', { user_id: made.id }, MANAGER);
    expect((await call('getMe', {}, first)).status).toBe(401);
    expect((await call('getMe', {}, second)).ok).toBe(true);
    tg.managedBots.ownerRevokes(made);
    expect((await call('getMe', {}, second)).status).toBe(401);
    tg.managedBots.changesOwner(made, { id: 9, first_name: 'Olga' });
    expect(told().map((one) => one?.user.id)).toEqual([777, 777, 777, 9]);
  });

  it('is given to its manager alone', async () => {
    ivan.sends('hello');
    const made = make();
    const asked = (user_id: unknown, token = MANAGER) => refusal('getManagedBotToken', { user_id }, token);
    expect(await asked('x')).toBe('400 Bad Request: invalid user_id specified');
    expect(await asked(12345)).toBe('400 Bad Request: user not found');
    expect(await asked(bot.id)).toBe('400 Bad Request: BOT_INVALID');
    expect(await asked(made.id, bot.profile.token)).toBe('400 Bad Request: BOT_INVALID');
    expect(await refusal('replaceManagedBotToken', { user_id: 777 }, bot.profile.token)).toBe(
      '400 Bad Request: user is not a bot',
    );
  });
});
