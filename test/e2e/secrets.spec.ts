import { afterAll, beforeAll, expect, it } from 'vitest';
import { Client } from 'pg';
import { Bridge, BOT_TOKEN, eventually, HANDLER_SECRET } from '../support/bridge.js';

const ADMIN_KEY = 'admin-key-4f9a1c77e0';
const WEBHOOK_SECRET = 'webhook-secret-71d0c3';
const SECOND_BOT = '987654321:AAHsecondbotsecondbotsecondbotsecond';
const MANAGER_TOKEN = '5550001:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc';
/** In every text that a person writes here. */
const WORDS = 'zebra-9157';

let bridge: Bridge;
let tables: string;
let accessKey: string;
let madeToken: string;
const bodies: string[] = [];

beforeAll(async () => {
  bridge = await Bridge.start({
    installed: false,
    environment: {
      ADMIN_API_KEY: ADMIN_KEY,
      TG_WEBHOOK_SECRET: WEBHOOK_SECRET,
      TG_USE_POLLING: '0',
      TG_MANAGER_BOT_TOKEN: MANAGER_TOKEN,
    },
  });
  await converse();
  tables = await everyValue();
  await bridge.program.stop();
}, 90_000);

afterAll(async () => bridge?.stop());

/** Both ways of connecting, both directions, an edit, refusals, failures, rotated tokens, changes by the admin API. */
async function converse(): Promise<void> {
  const { program, portal, app, telegram, bot, bitrix24 } = bridge;
  const { auth_url } = (await program.get('/b24/install')).json;
  await program.get('/b24/oauth/callback?code=guessed-code-1&state=guessed-state-1&domain=x');
  await portal.authorize(auth_url);
  await portal.authorize(auth_url);
  await bridge.install();
  await program.post('/b24/install', 'AUTH_ID=forged-access-token-1&REFRESH_ID=forged-refresh-token-1');

  const ivan = bot.client({ id: 777, first_name: 'Ivan' });
  ivan.sends(`hello ${WORDS}`);
  await portal.dialog('tg:777').receives(1, 10_000);
  const operator = portal.operator({ id: 27, name: 'Samantha Johnson' });
  const answer = operator.sends('tg:777', `answer ${WORDS}`);
  await ivan.receives(1, 10_000);
  operator.edits(answer, `better ${WORDS}`);
  ivan.edits(ivan.sends(`oops ${WORDS}`).message.message_id, `edited ${WORDS}`);

  const signed = portal.events.journal.findLast(({ event }) => event === 'ONIMCONNECTORMESSAGEADD')!.body;
  bodies.push(signed);
  await program.post('/b24/handler?secret=wrong-secret-guess', signed);
  await program.post(`/b24/handler?secret=${HANDLER_SECRET}`, signed.replace(app.applicationToken, 'f'.repeat(32)));
  await program.post('/b24/handler', `{"broken": "${WORDS}`, { 'content-type': 'application/json' });
  await program.post('/tg/webhook', { update_id: 1, text: WORDS }, { 'x-telegram-bot-api-secret-token': 'wrong-one' });
  await program.post('/tg/webhook/some-unknown-key', { update_id: 1, text: WORDS });
  await program.request('GET', '/admin/messages', undefined, { authorization: 'Bearer wrong-admin-key' });

  telegram.faults.next('sendMessage', {
    status: 400,
    body: { ok: false, error_code: 400, description: 'Bad Request: chat not found' },
  });
  telegram.faults.next('sendMessage', 'dropAfter');
  operator.sends('tg:777', `refused ${WORDS}`);
  operator.sends('tg:777', `uncertain ${WORDS}`);
  bitrix24.faults.next('imconnector.send.messages', { status: 500, error: 'INTERNAL_SERVER_ERROR' });
  bitrix24.faults.next('imconnector.send.messages', 'dropAfter');
  ivan.sends(`unlucky ${WORDS}`);
  portal.expireTokens();
  ivan.sends(`after a refresh ${WORDS}`);
  await portal.dialog('tg:777').waitFor(({ text }) => text === `after a refresh ${WORDS}`, 30_000);
  await eventually(
    async () => (await bridge.messages('&direction=outbound')).map(({ state }) => state),
    (states) => states.includes('failed') && states.includes('uncertain'),
  );

  const manager = telegram.addBot({ token: MANAGER_TOKEN, username: 'maker_bot', managesBots: true });
  await eventually(
    async () => (await program.admin('GET', '/bot-requests/manager')).json,
    ({ ready }) => ready === true,
    30_000,
  );
  await program.admin('POST', '/bots', { token: MANAGER_TOKEN });
  const maker = { id: 9_001, first_name: 'Maker' };
  manager.client(maker).sends('hello');
  const dialog = telegram.managedBots.open('https://t.me/newbot/maker_bot/shop_of_maker_bot?name=Shop');
  madeToken = telegram.managedBots.create({ ...manager.client(maker).profile }, dialog).profile.token;
  await manager.client(maker).receives(2, 20_000);
  telegram.addBot({ token: SECOND_BOT });
  const second = await program.admin('POST', '/bots', { token: SECOND_BOT, mode: 'webhook' });
  expect(second.status, second.text).toBe(201);
  await program.admin('POST', '/bots', { token: '1:AAunknownunknownunknownunknownunknown' });
  await program.admin('PATCH', `/bots/${second.json.id}`, { token: SECOND_BOT, mode: 'polling' });
  const key = await program.admin('POST', '/keys', { name: 'Anna', role: 'owner' });
  accessKey = key.json.key;
  await program.request('DELETE', `/admin/keys/${key.json.id}`, undefined, { authorization: `Bearer ${accessKey}` });
  await program.request('GET', `/admin/me?key=${accessKey}`, undefined, { authorization: `Bearer ${accessKey}` });
  await program.admin('GET', `/messages?q=${WORDS}`);
  await program.admin('GET', '/doctor');
  await program.admin('POST', '/messages/retry', { state: 'failed' });
  telegram.revoke(bot);
  telegram.revoke(manager);
  await eventually(
    async () => (await program.admin('GET', '/bot-requests/manager')).json,
    ({ trouble }) => trouble === '401' || trouble === '404',
    60_000,
  );
  operator.sends('tg:777', `nobody reads ${WORDS}`);
  await eventually(
    async () => (await program.admin('GET', '/overview')).status,
    (status) => status === 200,
  );
  await portal.openSettingsFrame(app, { connector: bridge.connectorId, line: '7' });
  await portal.events.idle();
  bodies.push(...portal.events.journal.map(({ body }) => body));
}

/** Every value of every column of every table, as PostgreSQL writes it; bytes also as text. */
async function everyValue(): Promise<string> {
  const client = new Client({ connectionString: bridge.database.url });
  await client.connect();
  try {
    const { rows: names } = await client.query<{ name: string }>(
      `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
        WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`,
    );
    expect(names.length).toBeGreaterThan(10);
    let found = '';
    for (const { name } of names) {
      const { rows } = await client.query<Record<string, unknown>>(`SELECT * FROM ${name}`);
      for (const value of rows.flatMap(Object.values)) {
        if (Buffer.isBuffer(value)) found += `${value.toString('latin1')}\n${value.toString('hex')}\n`;
        else found += typeof value === 'string' ? `${value}\n` : `${JSON.stringify(value)}\n`;
      }
    }
    return found;
  } finally {
    await client.end();
  }
}

/** Every secret of this run, by name; those the networks issued too. */
function secrets(): Map<string, string> {
  const { app, environment, bitrix24 } = bridge;
  const key = Buffer.from(environment.ENCRYPTION_KEY!, 'base64');
  const known = new Map([
    ['bot token', BOT_TOKEN],
    ['second half of the bot token', BOT_TOKEN.split(':')[1]!],
    ['token of the second bot', SECOND_BOT.split(':')[1]!],
    ['token of the manager bot', MANAGER_TOKEN.split(':')[1]!],
    ['token of a bot that somebody made', madeToken.split(':')[1]!],
    ['token that Telegram refused', 'AAunknownunknownunknownunknownunknown'],
    ['client secret', app.clientSecret],
    ['application token', app.applicationToken],
    ['handler secret', HANDLER_SECRET],
    ['admin key', ADMIN_KEY],
    ['access key', accessKey],
    ['random part of the access key', accessKey.slice(4)],
    ['webhook secret', WEBHOOK_SECRET],
    ['encryption key', environment.ENCRYPTION_KEY!],
    ['encryption key as hex', key.toString('hex')],
    ['guess of the handler secret', 'wrong-secret-guess'],
    ['guess of the admin key', 'wrong-admin-key'],
    ['guess of a code', 'guessed-code-1'],
    ['guess of a state', 'guessed-state-1'],
    ['forged access token', 'forged-access-token-1'],
    ['forged refresh token', 'forged-refresh-token-1'],
  ]);
  const { access, refresh, codes } = bitrix24.tokens as unknown as Record<string, Map<string, unknown>>;
  for (const [kind, issued] of Object.entries({ access, refresh, codes })) {
    for (const token of issued!.keys()) known.set(`${kind} ${known.size}`, token);
  }
  return known;
}

const found = (where: string) => [...secrets()].filter(([, secret]) => where.includes(secret)).map(([name]) => name);

it('has something to look for', () => {
  expect(secrets().size).toBeGreaterThan(20);
  expect(found(bodies.join('\n'))).toContain('application token');
});

it('keeps no secret in any column of any table', () => {
  expect(tables).toContain(`hello ${WORDS}`);
  expect(found(tables)).toEqual([]);
});

it('keeps no code or state that could be used again', () => {
  expect(tables).not.toMatch(/auth_url|[?&]state=/);
});

it('writes no secret to the log', () => {
  expect(bridge.program.log.length).toBeGreaterThan(10);
  expect(found(bridge.program.log.join('\n'))).toEqual([]);
});

it('writes nobody’s words to the log', () => {
  expect(bridge.program.log.filter((line) => line.includes(WORDS))).toEqual([]);
});

it('gives no address with a bot token or an access token to Bitrix24', () => {
  expect(bridge.portal.ledger()).toMatchObject({ botTokensInUrls: [], tokensInUrl: 0 });
});
