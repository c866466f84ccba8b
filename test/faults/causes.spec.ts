import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { ConnectProxy } from '../support/loopback-proxies.js';

interface Check {
  id: string;
  ok: boolean;
  code: string;
  params: Record<string, unknown>;
  what: string;
  advice: string;
}

let bridge: Bridge;
let proxy: ConnectProxy;
let conversation: Conversation;

beforeAll(async () => {
  proxy = await ConnectProxy.start({ user: 'bridge', password: 'right' });
  bridge = await Bridge.start({ oneProcess: 'what could not be stored is known to the process that tried' });
  conversation = await Conversation.begin(bridge, 601);
});

afterAll(async () => {
  await bridge?.stop();
  await proxy?.die();
});

const faults = async (): Promise<Check[]> => {
  const { json } = await bridge.program.admin('GET', '/doctor');
  return json.checks.filter(({ ok }: Check) => !ok);
};
const withCode = async (code: string) => (await faults()).find((check) => check.code === code);
const readiness = async () => (await bridge.program.get('/health/ready')).status;

async function query(sql: string): Promise<void> {
  const client = new Client({ connectionString: bridge.database.directUrl });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

it('nothing can be stored: the probe is 503, the doctor says since when and why, and both know when it is over', async () => {
  const began = Date.now();
  await query(
    `CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS
     $$BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END$$;
     CREATE TRIGGER disk_full BEFORE INSERT ON messages EXECUTE FUNCTION disk_full()`,
  );
  conversation.client.sends('is there room');
  await eventually(readiness, (status) => status === 503, 20_000);
  expect((await bridge.program.get('/health/live')).status).toBe(200);
  const intake = await eventually(
    () => withCode('intake.failing'),
    (check) => check !== undefined,
    25_000,
  );
  expect(intake).toMatchObject({ id: 'intake', what: expect.stringContaining('No space left on device') });
  const since = Date.parse(String(intake!.params['since']));
  expect(since).toBeGreaterThan(began - 1_000);
  expect(since).toBeLessThan(began + 20_000);
  const bot = await eventually(
    () => withCode('bot.storing_fails'),
    (check) => check !== undefined,
    25_000,
  );
  expect(bot!.what).toMatch(/cannot be stored since \d{4}-\d\d-\d\d \d\d:\d\d UTC: 53100: could not extend file/);

  await query('DROP FUNCTION disk_full CASCADE');
  await conversation.becomes('is there room', 'delivered', 40_000);
  await eventually(readiness, (status) => status === 200, 10_000);
  await eventually(faults, (found) => found.length === 0, 25_000);
});

it('a proxy that refuses the password: the doctor says so, and since when the bot is ill, also after a restart', async () => {
  const wrong = proxy.url.replace('right', 'wrong');
  await bridge.restart({ TG_PROXY_URL: wrong });
  const proxies = await eventually(
    () => withCode('routes.password'),
    (check) => check !== undefined,
    30_000,
  );
  expect(proxies!.advice).toMatch(/name or the password that stand in TG_PROXY_URL/);
  const ill = () => withCode('bot.ill');
  const { params } = (await eventually(ill, (check) => check !== undefined, 30_000))!;
  expect(params).toMatchObject({ bot: '@shop_bot', said: expect.stringContaining('NO_WAY') });
  expect(JSON.stringify(await faults())).not.toContain('wrong@');

  await bridge.restart({ TG_PROXY_URL: wrong });
  expect((await eventually(ill, (check) => check !== undefined, 30_000))!.params).toEqual(params);
  await bridge.restart();
  conversation.client.sends('back again');
  await conversation.becomes('back again', 'delivered', 30_000);
});
