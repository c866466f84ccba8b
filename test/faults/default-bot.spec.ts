import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BOT_TOKEN, Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

describe('the default bot', () => {
  let bridge: Bridge;

  beforeAll(async () => {
    bridge = await Bridge.start({
      environment: { B24_REQUESTS_PER_SECOND: '1000' },
      bitrix24: { limits: false },
    });
  });

  afterAll(async () => bridge?.stop());

  const bot = async () => (await bridge.program.admin('GET', '/bots')).json.items[0];
  const complaint = async () => {
    const { checks } = (await bridge.program.admin('GET', '/doctor')).json;
    return checks.find(({ id }: { id: string }) => /^bot:\d+:state$/.test(id));
  };
  const readiness = async () => (await bridge.program.get('/health/ready')).json.details.endpoints;
  /** Of several programs the one that drives the bot says so. */
  const isDegraded = ({ status }: { status: string }) => status === 'degraded';
  const poll = (timeout: number): Promise<Response> =>
    fetch(`${bridge.telegram.url}/bot${BOT_TOKEN}/getUpdates`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      // As a program does that has confirmed nothing: ours must get the updates all the same.
      body: JSON.stringify({ timeout }),
    });

  it('sets and deletes its webhook as the mode changes between starts', async () => {
    expect(bridge.bot.webhookInfo.url).toBe('');
    await bridge.restart({ TG_USE_POLLING: '0', TG_WEBHOOK_SECRET: 'hook-secret' });
    await eventually(
      () => bridge.bot.webhookInfo.url,
      (url) => url === `${bridge.environment.PUBLIC_URL}/tg/webhook`,
    );
    const chat = await Conversation.begin(bridge, 601);
    expect((await bridge.program.post('/tg/webhook', { update_id: 1 })).status).toBe(401);
    await bridge.program.stop();
    // Telegram keeps what it could not deliver; the next program polls for it.
    chat.client.sends('between two programs');
    await bridge.restart();
    await chat.becomes('between two programs', 'delivered');
    expect(bridge.bot.webhookInfo.url).toBe('');
    expect(chat.received).toEqual(['hello', 'between two programs']);
    expect(await bot()).toMatchObject({ mode: 'polling', state: 'active' });
  });

  it('shows that another program polls it, and recovers when that one stops', async () => {
    expect(await readiness()).toMatchObject({ status: 'up' });
    const fight = new AbortController();
    const foreign = (async () => {
      while (!fight.signal.aborted) await poll(2);
    })();
    await eventually(bot, ({ state }) => state === 'conflict');
    await eventually(readiness, isDegraded);
    const { status } = await bridge.program.get('/health/ready');
    expect(status).toBe(200);
    expect(await eventually(complaint, ({ ok }) => !ok, 20_000)).toMatchObject({
      what: expect.stringContaining('conflict'),
      advice: expect.stringContaining('Another program'),
    });
    fight.abort();
    await foreign;
    await eventually(bot, ({ state }) => state === 'active', 25_000);
    expect(await readiness()).toMatchObject({ status: 'up' });
    const chat = await Conversation.begin(bridge, 602);
    expect(chat.received).toEqual(['hello']);
  });

  it('shows a revoked token, also to those who ask after a restart', async () => {
    bridge.telegram.revoke(bridge.bot);
    await bridge.restart();
    await eventually(bot, ({ state }) => state === 'unauthorised');
    await eventually(readiness, isDegraded);
    expect(await complaint()).toMatchObject({ ok: false, advice: expect.stringContaining('@BotFather') });
    await bridge.restart({ TG_USE_POLLING: '0' });
    expect(await bot()).toMatchObject({ state: 'unauthorised', mode: 'webhook' });
    bridge.telegram.addBot({ token: BOT_TOKEN, username: 'shop_bot', firstName: 'Shop' });
    await eventually(bot, ({ state }) => state === 'active', 20_000);
    // The driver looks again every 15 s, and so does the doctor.
    expect(await eventually(complaint, ({ ok }) => ok, 20_000)).toMatchObject({ ok: true });
  }, 60_000);
});
