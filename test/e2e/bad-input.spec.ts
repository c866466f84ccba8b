import { Client } from 'pg';
import { parse } from 'qs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BOT_TOKEN, Bridge, eventually, HANDLER_SECRET } from '../support/bridge.js';
import { httpBuildQuery } from '../support/bitrix24-simulator/php-encoding.js';
import { Program, type Answer } from '../support/program.js';

const HANDLER = `/b24/handler?secret=${HANDLER_SECRET}`;
const JSON_TYPE = { 'content-type': 'application/json' };

let bridge: Bridge;
/** A real event of an operator's message, as the portal posted it. */
let signed: string;
let lastUpdate = 700_000;

beforeAll(async () => {
  bridge = await Bridge.start({
    bitrix24: { limits: false },
    environment: { B24_REQUESTS_PER_SECOND: '500', B24_BURST: '500' },
  });
  bridge.bot.client({ id: 777, first_name: 'Ivan' }).sends('hello');
  await bridge.portal.dialog('tg:777').receives(1, 10_000);
  bridge.portal.operator({ id: 27, name: 'Samantha Johnson' }).sends('tg:777', 'good day');
  await bridge.bot.client({ id: 777, first_name: 'Ivan' }).receives(1, 10_000);
  await bridge.portal.events.idle();
  signed = bridge.portal.events.journal.findLast(({ event }) => event === 'ONIMCONNECTORMESSAGEADD')!.body;
});

afterAll(async () => bridge?.stop());

type Tree = Record<string, unknown>;

/** A real update with an id of its own. */
function update(content: Tree): Tree & { update_id: number } {
  lastUpdate += 1;
  return { update_id: lastUpdate, ...content };
}

function message(content: Tree, chatId = 780): Tree {
  const person = { id: chatId, first_name: 'Olga', language_code: 'ru' };
  const chat = { id: chatId, first_name: 'Olga', type: 'private' };
  return { message_id: lastUpdate + 1, from: { ...person, is_bot: false }, chat, date: 1773265993, ...content };
}

const push = (body: unknown, headers = {}) => bridge.program.post('/tg/webhook', body, headers);

/** The real event with another message id, so that it is another message. */
function event(change: (tree: Tree) => void = () => undefined): string {
  const tree = parse(signed, { depth: 20 }) as Tree;
  lastUpdate += 1;
  at(tree, 'data', 'MESSAGES', '0', 'im')['message_id'] = String(lastUpdate);
  change(tree);
  return httpBuildQuery(tree);
}

function at(tree: unknown, ...path: string[]): Tree {
  return path.reduce<Tree>((node, key) => node[key] as Tree, tree as Tree);
}

/** A body as raw text, whatever its type says. */
async function raw(path: string, body: string | Buffer, headers: Record<string, string>): Promise<Answer> {
  const response = await fetch(bridge.program.url + path, { method: 'POST', headers, body });
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}

function expectProblem(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.json?.code], answer.text).toEqual([status, code]);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(answer.json).toMatchObject({
    type: 'about:blank',
    title: expect.any(String),
    status,
    detail: expect.any(String),
  });
  expect(answer.text).not.toMatch(/node_modules|at \w+ \(/);
}

/** Messages and other events kept so far. */
async function records(): Promise<number> {
  const client = new Client({ connectionString: bridge.database.url });
  await client.connect();
  const { rows } = await client.query<{ n: number }>(
    `SELECT (SELECT count(*) FROM messages)::int + (SELECT count(*) FROM events)::int AS n`,
  );
  await client.end();
  return rows[0]!.n;
}

async function duplicates(): Promise<number> {
  const { text } = await bridge.program.get('/metrics');
  return [...text.matchAll(/^openlines_messages_duplicate_total\{[^}]*\} (\d+)$/gm)].reduce(
    (sum, [, n]) => sum + Number(n),
    0,
  );
}

describe('who is let in', () => {
  it('asks events for the handler’s secret', async () => {
    for (const query of ['', '?secret=', '?secret=wrong', '?secret[]=x', `?secret=${HANDLER_SECRET}x`]) {
      expectProblem(await bridge.program.post(`/b24/handler${query}`, signed), 403, 'wrong_secret');
    }
  });

  it('asks events for the portal and its application_token, even with the right secret', async () => {
    const change = (name: string, value: string | undefined) =>
      event((tree) => {
        at(tree, 'auth')[name] = value;
      });
    expectProblem(
      await bridge.program.post(HANDLER, change('application_token', '0'.repeat(32))),
      403,
      'wrong_application_token',
    );
    expectProblem(
      await bridge.program.post(HANDLER, change('application_token', undefined)),
      403,
      'wrong_application_token',
    );
    expectProblem(await bridge.program.post(HANDLER, change('member_id', 'f'.repeat(32))), 403, 'unknown_portal');
    expectProblem(await bridge.program.post(HANDLER, change('member_id', undefined)), 403, 'unknown_portal');
    expect((await bridge.program.post(HANDLER, event())).status).toBe(200);
  });

  it('asks for the admin key, and says how', async () => {
    for (const authorization of ['', 'Bearer', 'Bearer wrong', 'Basic dGVzdDp0ZXN0', bridge.program.adminKey]) {
      const answer = await bridge.program.get('/admin/messages', { authorization });
      expectProblem(answer, 401, 'unauthorised');
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    }
    expect((await bridge.program.get('/admin/portals')).status).toBe(401);
    expect((await bridge.program.get('/admin/doctor')).headers.get('www-authenticate')).toMatch(/^Bearer/);
  });

  it('asks updates for the secret of the webhook', async () => {
    const program = await bridge.replica({ TG_WEBHOOK_SECRET: 'the-secret' });
    try {
      const header = 'x-telegram-bot-api-secret-token';
      const body = update({ message: message({ text: 'with a secret' }) });
      const wrong = await Promise.all([
        program.post('/tg/webhook', body),
        program.post('/tg/webhook', body, { [header]: 'wrong' }),
        program.post('/tg/webhook', 'not an update', { [header]: '' }),
      ]);
      for (const answer of wrong) expectProblem(answer, 401, 'wrong_secret');
      const right = await program.post('/tg/webhook', body, { [header]: 'the-secret' });
      expect([right.status, right.text]).toEqual([200, '']);
    } finally {
      await program.stop();
      await bridge.restart();
    }
    for (const key of ['no-such-key', '%00', '%ED%A0%80', '..%2F..', 'x'.repeat(500)]) {
      const answer = await bridge.program.post(`/tg/webhook/${key}`, update({}));
      expect([400, 404], answer.text).toContain(answer.status);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    }
  });

  it('takes an event without auth on the secret alone while one portal is connected', async () => {
    const short = (id: string) => ({
      event: 'ONIMCONNECTORMESSAGEADD',
      data: { chat: { id: 'tg:777' }, message: { id, text: `short ${id}` } },
    });
    expect((await bridge.handler(short('b24:9001'))).status).toBe(200);
    const [item] = await bridge.messages('&q=short%20b24:9001');
    expect(item).toMatchObject({ unsigned: true, bitrixMessageId: '9001', telegramChatId: '777' });
    const second = await bridge.bitrix24.addPortal({ lines: [{ id: '1', name: 'Other' }] });
    const app = second.addApp({
      kind: 'ui',
      clientId: bridge.app.clientId,
      clientSecret: bridge.app.clientSecret,
      handlerUrl: bridge.app.handlerUrl,
      installUrl: bridge.app.installUrl,
    });
    expect((await second.openInstallFrame(app)).status).toBe(200);
    expectProblem(await bridge.handler(short('b24:9002')), 403, 'event_unsigned');
    second.uninstall(app, { clean: true });
  });
});

describe('what is no message', () => {
  it.each(['/tg/webhook', HANDLER])('is refused as a problem: %s', async (path) => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const cases: [body: string | Buffer, headers: Record<string, string>, statuses: number[]][] = [
      ['{"update_id": 1', JSON_TYPE, [400]],
      ['', JSON_TYPE, [400]],
      ['', {}, [400, 415]],
      ['null', JSON_TYPE, [400]],
      ['[]', JSON_TYPE, [400]],
      ['[{"update_id":1}]', JSON_TYPE, [400]],
      ['"text"', JSON_TYPE, [400]],
      ['42', JSON_TYPE, [400]],
      ['{}', JSON_TYPE, [400]],
      ['{"event":42}', JSON_TYPE, [400, 403]],
      ['{"event":{"a":1}}', JSON_TYPE, [400]],
      [Buffer.from([0xff, 0xfe, 0x7b, 0x00]), JSON_TYPE, [400]],
      ['{"__proto__":{"x":1}}', JSON_TYPE, [400]],
      ['%', form, [400]],
      ['=&=&===', form, [400]],
      [`a${'[b]'.repeat(60)}=1`, form, [400]],
      [Array.from({ length: 12_000 }, (_, i) => `k${i}=1`).join('&'), form, [400]],
      ['<xml/>', { 'content-type': 'application/xml' }, [415]],
      ['text', { 'content-type': 'text/plain' }, [415]],
      ['--b', { 'content-type': 'multipart/form-data; boundary=b' }, [415]],
      ['{}', { 'content-type': 'nonsense' }, [400, 415]],
      [JSON.stringify({ update_id: 1, event: 'X', text: 'x'.repeat(3 * 1024 * 1024) }), JSON_TYPE, [413]],
      [`event=X&text=${'x'.repeat(3 * 1024 * 1024)}`, form, [413]],
    ];
    for (const [body, headers, statuses] of cases) {
      const answer = await raw(path, body, headers);
      const about = `${headers['content-type']}: ${body.toString().slice(0, 60)} → ${answer.text.slice(0, 300)}`;
      expect(statuses, about).toContain(answer.status);
      expect(answer.headers.get('content-type'), about).toContain('application/problem+json');
      expect(answer.json?.code, about).toEqual(expect.any(String));
    }
  });

  it('an update needs an integer update_id, and with one is always taken', async () => {
    for (const update_id of [undefined, null, '17', 1.5, 1e300, [], {}, true]) {
      expectProblem(await push({ update_id, message: message({ text: 'x' }) }), 400, 'not_an_update');
    }
    for (const body of [
      update({}),
      update({ message: null }),
      update({ message: [] }),
      update({ future_thing: { a: 1 } }),
    ]) {
      const answer = await push(body);
      expect([answer.status, answer.text]).toEqual([200, '']);
    }
  });

  it('an event that nobody knows is recorded', async () => {
    const before = await records();
    const unknown = event((tree) => {
      tree['event'] = 'ONSOMETHINGNEW';
    });
    expect((await bridge.program.post(HANDLER, unknown)).status).toBe(200);
    expect((await bridge.program.post(HANDLER, unknown)).status).toBe(200);
    expect(await records()).toBe(before + 1);
  });

  it('an event for a chat that can be none of ours is kept as ignored, with the reason', async () => {
    const lost = event((tree) => {
      at(tree, 'data', 'MESSAGES', '0', 'chat')['id'] = 'wa:123123123';
      at(tree, 'data', 'MESSAGES', '0', 'message')['text'] = 'to nobody';
    });
    expect((await bridge.program.post(HANDLER, lost)).status).toBe(200);
    const [item] = await bridge.messages('&q=to%20nobody');
    expect(item).toMatchObject({
      state: 'ignored',
      externalChatId: 'wa:123123123',
      error: { code: 'unknown_chat', detail: expect.stringContaining('wa:123123123') },
    });
  });

  it('an address that does not exist is a problem too', async () => {
    expect((await bridge.program.get('/nowhere')).status).toBe(404);
    expect((await bridge.program.get('/nowhere')).json).toMatchObject({ status: 404, code: 'not_found' });
    for (const [method, path] of [
      ['GET', '/tg/webhook'],
      ['DELETE', '/b24/handler'],
      ['GET', '/files/x'],
      ['GET', '/files/a.b.c'],
    ]) {
      const answer = await bridge.program.request(method!, path!);
      expect([404, 405, 410]).toContain(answer.status);
    }
  });
});

const ODD: unknown[] = [
  null,
  [],
  {},
  [[null]],
  '',
  ' ',
  'x',
  '\0',
  'a\0b',
  '\ud800',
  '\udc00 \ud83d',
  0,
  -1,
  1.5,
  2 ** 53 + 2,
  1e308,
  '9223372036854775808',
  true,
  nested(40),
];

function nested(depth: number): unknown {
  return depth === 0 ? 'deep' : depth % 2 === 0 ? [nested(depth - 1)] : { inner: nested(depth - 1) };
}

function paths(tree: unknown, prefix: string[] = []): string[][] {
  if (tree === null || typeof tree !== 'object') return [];
  return Object.entries(tree).flatMap(([key, value]) => [[...prefix, key], ...paths(value, [...prefix, key])]);
}

/** The tree with another value, or none, at one place. */
function mutate(tree: Tree, path: string[], value: unknown): Tree {
  const copy = structuredClone(tree);
  const parent = at(copy, ...path.slice(0, -1));
  if (value === undefined) delete parent[path.at(-1)!];
  else parent[path.at(-1)!] = value;
  return copy;
}

/** Posts every body, a few at a time; answers how many were taken. */
async function postAll(
  bodies: unknown[],
  post: (body: unknown) => Promise<Answer>,
  allowed: number[],
): Promise<number> {
  let taken = 0;
  for (let start = 0; start < bodies.length; start += 20) {
    const batch = bodies.slice(start, start + 20);
    const answers = await Promise.all(batch.map(post));
    for (const [i, answer] of answers.entries()) {
      expect(allowed, `${JSON.stringify(batch[i])} → ${answer.text}`).toContain(answer.status);
      if (answer.status === 200) taken += 1;
      else expect(answer.headers.get('content-type')).toContain('application/problem+json');
    }
  }
  return taken;
}

describe('real bodies with something odd in them', () => {
  it('every mutated update is taken and recorded, or refused as none', async () => {
    const before = [await records(), await duplicates()];
    const real = {
      message: message({
        text: 'Hello /start world',
        entities: [{ type: 'bot_command', offset: 6, length: 6 }],
        reply_to_message: message({ text: 'before', message_id: 3 }),
        forward_origin: { type: 'user', date: 1773265993, sender_user: { id: 5, is_bot: false, first_name: 'A' } },
        photo: [{ file_id: 'abc', file_unique_id: 'u', width: 90, height: 90, file_size: 1000 }],
        caption: 'a caption',
      }),
    };
    const bodies = paths(real).flatMap((path) => [undefined, ...ODD].map((value) => update(mutate(real, path, value))));
    expect(bodies.length).toBeGreaterThan(500);
    expect(await postAll(bodies, push, [200])).toBe(bodies.length);
    // Each new dialog adds an event of its own.
    expect((await records()) - before[0]!).toBeGreaterThanOrEqual(bodies.length);
    expect((await duplicates()) - before[1]!).toBe(0);
  });

  it('every mutated event is taken and recorded, or refused for a reason', async () => {
    const before = [await records(), await duplicates()];
    const real = parse(signed, { depth: 20 }) as Tree;
    const bodies = paths(real).flatMap((path) =>
      [undefined, ...ODD].map((value) => {
        lastUpdate += 1;
        const own = structuredClone(real);
        at(own, 'data', 'MESSAGES', '0', 'im')['message_id'] = String(lastUpdate);
        return mutate(own, path, value);
      }),
    );
    expect(bodies.length).toBeGreaterThan(300);
    const taken = await postAll(bodies, (body) => bridge.program.post(HANDLER, body), [200, 400, 403]);
    const kept = (await records()) - before[0]! + (await duplicates()) - before[1]!;
    expect(taken).toBeGreaterThan(100);
    // Events that are no messages come under one key a second each; messages are all there.
    expect(kept).toBeGreaterThanOrEqual(taken - paths(real).length);
  });

  it('a body that is nothing but depth is taken or refused, and hurts nobody', async () => {
    const abyss = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
    for (const depth of [1_000, 10_000, 900_000]) {
      lastUpdate += 1;
      const bodies = [
        `{"update_id":${lastUpdate},"message":{"chat":{"id":780,"type":"private"},"text":"x","rich_message":${abyss(depth)}}}`,
        `{"update_id":${lastUpdate}0,"something":${abyss(depth)}}`,
        `{"update_id":${lastUpdate}1,"message":${'{"reply_to_message":'.repeat(depth / 100)}1${'}'.repeat(depth / 100)}}`,
      ];
      for (const body of bodies) {
        const answer = await raw('/tg/webhook', body, JSON_TYPE);
        expect([200, 400], answer.text.slice(0, 300)).toContain(answer.status);
      }
      const answer = await raw(HANDLER, `{"event":"ONIMCONNECTORMESSAGEADD","data":${abyss(depth)}}`, JSON_TYPE);
      expect([200, 400, 403], answer.text.slice(0, 300)).toContain(answer.status);
    }
  });

  it('after all that both directions still flow', async () => {
    // A chat of its own: the other one still gets the many answers above, one a second.
    const ivan = bridge.bot.client({ id: 779, first_name: 'Ivan' });
    ivan.sends('still there?');
    await bridge.portal.dialog('tg:779').waitFor(({ text }) => text === 'still there?', 30_000);
    bridge.portal.operator({ id: 27 }).sends('tg:779', 'of course');
    await eventually(
      () => ivan.inbox.map(({ text }) => text),
      (texts) => texts.includes('of course'),
      30_000,
    );
    expect((await bridge.program.get('/health/ready')).status).toBe(200);
    expect(bridge.program.log.filter((line) => /"level":"(fatal|error)"/.test(line))).toEqual([]);
  });
});

describe('odd words', () => {
  const ivan = () => bridge.bot.client({ id: 790, first_name: 'Vera' });

  it('arrive as they were typed', { timeout: 40_000 }, async () => {
    const family = '👨‍👩‍👧‍👦 🇷🇺 👍🏽 é ﷽ ‮abc';
    const texts = [family, '[b', '[b]not bold[/b] [x] [url=', '<b>&amp;</b>', 'tab\tand\nlines', '1'.repeat(4096)];
    // Telegram's own server has made spaces of tabs by then.
    const sent = texts.map((text) => ivan().sends(text).message.text);
    const dialog = bridge.portal.dialog('tg:790');
    await dialog.receives(texts.length, 20_000);
    const kept = (await bridge.messages('&direction=inbound')).filter((item) => item.telegramChatId === '790');
    expect(kept.map(({ text }) => text).toReversed()).toEqual(sent);
  });

  it('NUL and lone surrogates cost a character, never a message', async () => {
    const person = { id: 790, first_name: 'Ve\0ra\ud800', type: 'private' };
    const odd = update({ message: { ...message({ text: 'a\0b \ud83d c' }, 790), from: person, chat: person } });
    expect((await push(odd)).status).toBe(200);
    await eventually(
      () => bridge.portal.dialog('tg:790').clientMessages.at(-1)!.text,
      (text) => /^a\ufffd?b \ufffd c$/.test(text),
      10_000,
    );
  });

  it(
    'of the operator: 20,000 characters become several messages, all reported together',
    { timeout: 60_000 },
    async () => {
      const words = Array.from({ length: 2_500 }, (_, i) => `wörd${String(i).padStart(3, '0')}`)
        .join(' ')
        .slice(0, 19_990);
      const seen = ivan().inbox.length;
      const sent = bridge.portal
        .operator({ id: 27 })
        .sends('tg:790', `[b]${words.slice(0, 9_000)}[/b]${words.slice(9_000)}`.slice(0, 20_000));
      const delivered = await bridge.portal.dialog('tg:790').delivered(sent, 40_000);
      const parts = ivan().inbox.slice(seen);
      expect(parts.length).toBeGreaterThanOrEqual(5);
      expect(Math.max(...parts.map(({ text }) => text!.length))).toBeLessThanOrEqual(4096);
      expect(
        parts
          .map(({ text }) => text!.trim())
          .join('')
          .replaceAll(/\s/g, ''),
      ).toBe(words.replaceAll(/\s/g, '').slice(0, 20_000));
      expect(delivered.externalIds).toEqual(parts.map(({ message_id }) => `tg:790:${message_id}`));
      const reports = bridge.portal.ledger().deliveryReports.filter(({ messageId }) => messageId === sent.id);
      expect(reports.map(({ externalIds, asArray }) => [externalIds.length, asArray])).toEqual([[parts.length, true]]);
      const [item] = await bridge.messages(`&direction=outbound`);
      expect(item!.telegramMessageIds).toEqual(parts.map(({ message_id }) => String(message_id)));
    },
  );

  it('of the operator: spaces only, unclosed tags, emoji, deep BBCode', { timeout: 40_000 }, async () => {
    const operator = bridge.portal.operator({ id: 27 });
    const seen = ivan().inbox.length;
    operator.sends('tg:790', '   ');
    operator.sends('tg:790', '[b');
    operator.sends('tg:790', '[b]open');
    operator.sends('tg:790', '👨‍👩‍👧‍👦[i]👍🏽[/i]');
    operator.sends('tg:790', `${'[b]'.repeat(500)}deep${'[/b]'.repeat(500)}`);
    operator.sends('tg:790', 'the end');
    await eventually(
      () => ivan().inbox.at(-1)?.text,
      (text) => text === 'the end',
      30_000,
    );
    const texts = ivan()
      .inbox.slice(seen)
      .map(({ text }) => text);
    expect(texts).toEqual(['[b', expect.stringContaining('open'), '👨‍👩‍👧‍👦👍🏽', 'deep', 'the end']);
    const blank = (await bridge.messages('&direction=outbound&state=ignored')).find(
      ({ telegramChatId }) => telegramChatId === '790',
    );
    expect(blank).toMatchObject({ error: { code: 'empty' } });
  });
});

const FILE = { file_id: 'AgACAgIAAxkBAAI', file_unique_id: 'AQADuQ', file_size: 1000 };
const PERSON = { id: 791, is_bot: false, first_name: 'Petr' };
const CHAT = { id: 791, type: 'private', first_name: 'Petr' };

/** Messages that operators have to learn of. */
const SHOWN: Record<string, Tree> = {
  sticker: {
    sticker: { ...FILE, type: 'regular', width: 512, height: 512, is_animated: false, is_video: false, emoji: '😀' },
  },
  photo: { photo: [{ ...FILE, width: 90, height: 90 }], caption: 'look' },
  voice: { voice: { ...FILE, duration: 7, mime_type: 'audio/ogg' } },
  video: { video: { ...FILE, width: 640, height: 480, duration: 61 } },
  video_note: { video_note: { ...FILE, length: 240, duration: 5 } },
  audio: { audio: { ...FILE, duration: 180, performer: 'Bach', title: 'Aria' } },
  animation: { animation: { ...FILE, width: 10, height: 10, duration: 1 }, document: FILE },
  document: { document: { ...FILE, file_name: 'offer.pdf', mime_type: 'application/pdf' } },
  location: { location: { latitude: 55.75, longitude: 37.61 } },
  venue: {
    venue: { location: { latitude: 55.75, longitude: 37.61 }, title: 'Office', address: 'Main st. 1' },
    location: { latitude: 55.75, longitude: 37.61 },
  },
  contact: { contact: { phone_number: '+15550100', first_name: 'Petr' } },
  poll: {
    poll: {
      id: '1',
      question: 'When?',
      options: [{ text: 'now', voter_count: 0 }],
      total_voter_count: 0,
      is_closed: false,
      is_anonymous: true,
      type: 'regular',
      allows_multiple_answers: false,
    },
  },
  dice: { dice: { emoji: '🎲', value: 4 } },
  story: { story: { chat: CHAT, id: 3 } },
  future: { hologram: { shape: 'cube' } },
};

/** What is no message and is told to the operator all the same. */
const TOLD: Record<string, () => Tree> = {
  edited_message: () => ({ edited_message: kindMessage({ text: 'better', edit_date: 1773265999 }) }),
  message_reaction: () => ({
    message_reaction: {
      chat: CHAT,
      message_id: 1,
      user: PERSON,
      date: 1773265993,
      old_reaction: [],
      new_reaction: [{ type: 'emoji', emoji: '👍' }],
    },
  }),
  my_chat_member: () => ({
    my_chat_member: {
      chat: CHAT,
      from: PERSON,
      date: 1773265993,
      old_chat_member: { status: 'kicked' },
      new_chat_member: { status: 'member' },
    },
  }),
};

/** Updates that are kept for the record. */
const KEPT: Record<string, () => Tree> = {
  live_location_move: () => ({
    edited_message: kindMessage({ location: { latitude: 55.75, longitude: 37.61, live_period: 900 } }),
  }),
  channel_post: () => ({
    channel_post: {
      message_id: 9,
      date: 1773265993,
      chat: { id: -1001, type: 'channel', title: 'News' },
      text: 'post',
    },
  }),
  chosen_inline_result: () => ({ chosen_inline_result: { result_id: '1', from: PERSON, query: 'x' } }),
  business_connection: () => ({
    business_connection: { id: 'bc', user: PERSON, user_chat_id: 791, date: 1, is_enabled: true },
  }),
  something_new: () => ({ something_new: { chat: CHAT } }),
};

function kindMessage(content: Tree): Tree {
  return { message_id: lastUpdate + 1, from: PERSON, chat: CHAT, date: 1773265993, ...content };
}

/** What people see of an update: a file's id would open it. */
function withoutFileIds(body: Tree): unknown {
  return JSON.parse(JSON.stringify(body, (key, value: unknown) => (key.endsWith('file_id') ? '[file]' : value)));
}

async function keptOf(updateId: number): Promise<Tree> {
  for (const item of await bridge.messages('&direction=inbound')) {
    const detail = await bridge.program.admin('GET', `/messages/${String(item['id'])}`);
    if (detail.json.raw?.update_id === updateId) return detail.json;
  }
  throw new Error(`Nothing is kept of update ${updateId}`);
}

describe('every kind of message', () => {
  it.each(Object.keys(SHOWN))('%s: a readable line in the dialog', async (kind) => {
    const body = update({ message: kindMessage(SHOWN[kind]!) });
    expect((await push(body)).status).toBe(200);
    const id = `tg:791:${String(at(body, 'message')['message_id'])}`;
    const line = await bridge.portal.dialog('tg:791').waitFor(({ externalIds }) => externalIds.includes(id), 15_000);
    expect(line.text.trim() !== '' || line.files.length > 0).toBe(true);
    expect(line.text).not.toMatch(/undefined|null|\[object/);
    const kept = await keptOf(body.update_id);
    expect(kept['raw']).toEqual(withoutFileIds(body));
    if (kind !== 'future') expect(kept['kind']).toBe(kind);
  });

  it('a button pressed is shown, a business message goes to a dialog of its own', async () => {
    const pressed = update({
      callback_query: {
        id: '1',
        from: PERSON,
        chat_instance: '1',
        data: 'yes',
        message: kindMessage({ text: 'Sure?' }),
      },
    });
    expect((await push(pressed)).status).toBe(200);
    expect(await keptOf(pressed.update_id)).toMatchObject({ direction: 'inbound', raw: pressed });
    const business = update({
      business_message: kindMessage({ text: 'to the owner', business_connection_id: 'conn:1|x' }),
    });
    expect((await push(business)).status).toBe(200);
    const kept = await keptOf(business.update_id);
    expect(kept['externalChatId']).toBe('tg:791:bconn_1_x');
    expect(kept['raw']).toEqual(business);
  });

  it.each(Object.keys(TOLD))('%s: told', async (kind) => {
    const body = update(TOLD[kind]!());
    expect((await push(body)).status).toBe(200);
    const kept = await keptOf(body.update_id);
    expect(kept).toMatchObject({ raw: body, error: null });
    expect(String(kept['text']).trim()).not.toBe('');
  });

  it.each(Object.keys(KEPT))('%s: kept with a reason', async (kind) => {
    const body = update(KEPT[kind]!());
    expect((await push(body)).status).toBe(200);
    expect(await keptOf(body.update_id)).toMatchObject({
      state: 'ignored',
      raw: body,
      error: { code: expect.stringMatching(/^[a-z_]+$/), detail: expect.stringMatching(/\w+ \w+/) },
    });
  });

  it.each([
    ['new_chat_title', { new_chat_title: 'Renamed' }],
    ['pinned_message', { pinned_message: kindMessage({ text: 'x' }) }],
    ['message_auto_delete_timer_changed', { message_auto_delete_timer_changed: { message_auto_delete_time: 60 } }],
  ])('service message %s: shown, or kept with a reason', async (_kind, content) => {
    const body = update({ message: kindMessage(content) });
    expect((await push(body)).status).toBe(200);
    const kept = await keptOf(body.update_id);
    expect(kept['raw']).toEqual(body);
    if (kept['state'] === 'ignored') expect(kept['error']).toMatchObject({ code: expect.any(String) });
    else expect(String(kept['text']).trim()).not.toBe('');
  });
});

describe('variables', () => {
  async function startsWith(
    variables: Record<string, string | undefined>,
  ): Promise<{ code: number | null; text: string }> {
    const program = await Program.start({ ...variables, PORT: variables['PORT'] ?? '0' }, 0);
    const code = await eventually(
      () => program.exitCode,
      (exit) => exit !== null,
      20_000,
    );
    return { code, text: program.log.join('\n') };
  }

  it.each(['test', 'production'])('names every bad one at once, in plain text: %s', async (NODE_ENV) => {
    const { code, text } = await startsWith({
      NODE_ENV,
      DATABASE_URL: 'mysql://localhost/x',
      ENCRYPTION_KEY: 'c2hvcnQ=',
      B24_LINE_ID: 'sales',
      TG_BOT_TOKEN: 'not a token',
      UNCERTAIN_POLICY: 'maybe',
      PORT: '99999',
      LOG_LEVEL: 'loud',
      B24_REQUESTS_PER_SECOND: '-1',
    });
    expect(code).toBe(1);
    for (const name of [
      'DATABASE_URL',
      'ENCRYPTION_KEY',
      'B24_LINE_ID',
      'TG_BOT_TOKEN',
      'UNCERTAIN_POLICY',
      'PORT',
      'LOG_LEVEL',
      'B24_REQUESTS_PER_SECOND',
    ]) {
      expect(text).toMatch(new RegExp(`^\\s*- ${name} `, 'm'));
    }
    expect(text).not.toMatch(/^\s+at |\{"level"|not a token|c2hvcnQ=/m);
  });

  it('production names all that is missing', async () => {
    const { code, text } = await startsWith({ NODE_ENV: 'production', ADMIN_API_KEY: '', TG_BOT_TOKEN: BOT_TOKEN });
    expect(code).toBe(1);
    for (const name of ['DATABASE_URL', 'ENCRYPTION_KEY', 'ADMIN_API_KEY']) expect(text).toContain(name);
    expect(text).not.toMatch(/^\s+at |\{"level"/m);
  });
});
