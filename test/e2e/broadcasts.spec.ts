import type { Message } from '@grammyjs/types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, type Bridge } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { bridgeWithScopes, choose, entityOf, returned, runRobot } from '../support/crm.js';
import { dataOf } from '../support/telegram-simulator/button.presses.js';

/** Bodies of the admin API; tests read them freely. */
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

let bridge: Bridge;

beforeAll(async () => {
  bridge = await bridgeWithScopes();
});
afterAll(async () => bridge?.stop());

const admin = async (method: string, path: string, body?: unknown, status = 200): Promise<Json> => {
  const answer = await bridge.program.admin(method, path, body);
  expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.json)}`).toBe(status);
  return answer.json;
};
const tag = (talk: Conversation, name: string) => admin('PATCH', `/chats/${talk.chatId}`, { tags: [name] });

let next = 40_000;
/** Clients whom this tag finds, and nobody else. */
async function clients(name: string, count: number, profile = {}): Promise<Conversation[]> {
  const talks = Array.from({ length: count }, () => Conversation.of(bridge, ++next, profile));
  for (const talk of talks) talk.client.sends('hello');
  for (const talk of talks) talk.chatId = (await talk.becomes('hello', 'delivered')).chatId;
  for (const talk of talks) await tag(talk, name);
  return talks;
}

const make = (name: string, more: Json = {}): Promise<Json> =>
  admin('POST', '/broadcasts', { name, text: `News of ${name}`, audience: { tags: [name] }, ...more }, 201);
const start = async ({ id }: Json) => admin('POST', `/broadcasts/${id}/start`);
const report = ({ id }: Json) => admin('GET', `/broadcasts/${id}`);
const finished = (broadcast: Json): Promise<Json> =>
  eventually(
    () => report(broadcast),
    ({ state }) => state === 'done' || state === 'stopped',
    30_000,
  );
async function broadcast(name: string, more: Json = {}): Promise<Json> {
  const made = await make(name, more);
  await start(made);
  return finished(made);
}
/** Telegram takes nothing for them until {@link letGo}. */
function holdUp(talks: Conversation[]): void {
  const body = {
    ok: false,
    error_code: 429,
    description: 'Too Many Requests: retry after 1',
    parameters: { retry_after: 1 },
  };
  for (const talk of talks) bridge.telegram.faults.next('sendMessage', { status: 429, body }, 1_000, talk.toClient);
}
const letGo = () => bridge.telegram.faults.clear();
const captions = ({ reply_markup }: Message) =>
  reply_markup?.inline_keyboard.map((row) => row.map(({ text }) => text)) ?? null;
const isUnsubscribed = async ({ chatId }: Conversation) =>
  (await admin('GET', `/chats/${chatId}`)).unsubscribedAt !== null;
const pressed = (id: string) =>
  eventually(
    () =>
      bridge.telegram.calls
        .filter(({ method, params }) => /^answercallback/i.test(method) && params['callback_query_id'] === id)
        .map(({ params }) => params['text'] ?? ''),
    (texts) => texts.length > 0,
  );

describe('a broadcast', () => {
  it('reaches everybody of its audience once, with buttons, and says what became of it', async () => {
    const [ann, ben, eve] = (await clients('once', 3)) as [Conversation, Conversation, Conversation];
    const [stranger] = await clients('other', 1);
    const body = {
      text: '[b]Sale[/b]',
      buttons: 'I want it\nShop | https://shop.example/x',
      audience: { tags: ['once'] },
    };
    expect(await admin('POST', '/broadcasts/preview', body)).toEqual({
      clients: 3,
      unsubscribed: 0,
      blocked: 0,
      seconds: 1,
      sample: expect.arrayContaining([`Client ${ann.client.id}`]),
    });
    const made = await make('once', body);
    expect(made).toMatchObject({ state: 'draft', counts: { waiting: 0 } });
    await start(made);
    expect(await finished(made)).toMatchObject({ state: 'done', counts: { delivered: 3, failed: 0, waiting: 0 } });
    for (const talk of [ann, ben, eve]) expect(talk.reached).toEqual(['Sale']);
    expect(stranger!.reached).toEqual([]);
    const [message] = await ann.client.receives(1);
    expect(captions(message!)).toEqual([['I want it'], ['Shop'], ['Unsubscribe']]);
    // Nobody in the portal needs to read it thousands of times.
    expect(ann.notes).toEqual([]);

    ann.client.pressesText(message!, 'I want it');
    ben.client.sends('How much?');
    const note = '📣 Broadcast:\nSale\n▸ I want it\n▸ Shop';
    expect((await ben.hasNotes(1))[0]).toBe(note);
    expect((await ann.hasNotes(1))[0]).toContain('📣 Broadcast:\nSale');
    expect(
      await eventually(
        () => report(made),
        ({ counts }) => counts.answered === 1,
      ),
    ).toMatchObject({
      counts: { delivered: 3, pressed: 1, answered: 1, left: 0 },
    });
    const shown = await eventually(
      () => ann.client.inbox.at(-1)!,
      (last) => captions(last)?.length === 1,
    );
    expect(captions(shown)).toEqual([['Unsubscribe']]);
  });

  it('finds clients by link, campaign, line, language and their last words', async () => {
    const link = await admin('POST', '/links', { name: 'Poster', code: 'poster_b', utm: { campaign: 'spring' } }, 201);
    const talk = Conversation.of(bridge, ++next, { language_code: 'ru-RU' });
    talk.client.sends(`/start ${link.code}`);
    talk.client.sends('privet');
    talk.chatId = (await talk.becomes('privet', 'delivered')).chatId;
    const count = async (audience: Json) => (await admin('POST', '/broadcasts/preview', { audience })).clients;
    const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
    expect(await count({ source: 'poster_b' })).toBe(1);
    expect(await count({ campaign: 'spring' })).toBe(1);
    expect(await count({ campaign: 'spring', languages: ['en'] })).toBe(0);
    expect(await count({ campaign: 'spring', languages: ['en', 'ru'], lineId: '7', lastWordsFrom: hourAgo })).toBe(1);
    expect(await count({ campaign: 'spring', lineId: '8' })).toBe(0);
    expect(await count({ campaign: 'spring', lastWordsTo: hourAgo })).toBe(0);
    expect(await count({ tags: ['nobody has it'] })).toBe(0);
    await admin('POST', `/broadcasts/${(await make('nobody has it')).id}/start`, undefined, 409);
  });

  it('passes over who has blocked the bot or unsubscribed, before the start and after it', async () => {
    const talks = await clients('skipped', 4);
    const [before, after, unsubscribes, stays] = talks as [Conversation, Conversation, Conversation, Conversation];
    before.client.blocks();
    await eventually(
      () => admin('POST', '/broadcasts/preview', { audience: { tags: ['skipped'] } }),
      ({ clients: count, blocked }) => count === 3 && blocked === 1,
    );
    // Telegram takes nothing for now: what is under way waits, and a pause takes it back.
    holdUp(talks);
    const made = await make('skipped');
    await start(made);
    expect(await admin('POST', `/broadcasts/${made.id}/pause`)).toMatchObject({ state: 'paused' });
    after.client.blocks();
    await admin('POST', `/chats/${unsubscribes.chatId}/unsubscribe`);
    await eventually(
      () => admin('GET', `/chats/${after.chatId}`),
      ({ state }) => state === 'blocked',
    );
    letGo();
    await admin('POST', `/broadcasts/${made.id}/resume`);
    const { counts } = await finished(made);
    expect(counts).toMatchObject({ waiting: 0, sending: 0 });
    expect(counts.delivered + counts.blocked + counts.unsubscribed).toBe(3);
    expect(counts.blocked).toBe(1);
    expect(before.reached).toEqual([]);
    expect(stays.reached).toEqual(['News of skipped']);
    expect(after.notes).toEqual(['🚫 The client blocked the bot']);
  });

  it('can be paused, resumed and stopped, and is sent to nobody twice', async () => {
    const talks = await clients('paused', 8);
    holdUp(talks);
    const made = await make('paused');
    await start(made);
    await eventually(
      () => talks.reduce((sum, { sends }) => sum + sends, 0),
      (sends) => sends > 0,
    );
    await admin('POST', `/broadcasts/${made.id}/pause`);
    await admin('POST', `/broadcasts/${made.id}/pause`, undefined, 409);
    await eventually(
      () => report(made),
      ({ counts }) => counts.waiting === 8,
    );
    // Longer than Telegram had asked for.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(talks.flatMap(({ reached }) => reached)).toEqual([]);
    letGo();
    await admin('POST', `/broadcasts/${made.id}/resume`);
    expect((await finished(made)).counts).toMatchObject({ delivered: 8 });
    for (const talk of talks) expect(talk.reached).toEqual(['News of paused']);
    await admin('DELETE', `/broadcasts/${made.id}`, undefined, 204);
    await admin('GET', `/broadcasts/${made.id}`, undefined, 404);

    holdUp(talks);
    const again = await make('paused', { text: 'Again' });
    await start(again);
    await admin('DELETE', `/broadcasts/${again.id}`, undefined, 409);
    await admin('POST', `/broadcasts/${again.id}/stop`);
    const stopped = await eventually(
      () => report(again),
      ({ counts }) => counts.stopped === 8,
    );
    letGo();
    expect(stopped).toMatchObject({ state: 'stopped', counts: { delivered: 0, sending: 0, waiting: 0 } });
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    for (const talk of talks) expect(talk.reached).toEqual(['News of paused']);
    await admin('POST', `/broadcasts/${again.id}/resume`, undefined, 409);
    await admin('PATCH', `/broadcasts/${again.id}`, { name: 'Stopped' });
    await admin('PATCH', `/broadcasts/${again.id}`, { text: 'Other words' }, 409);
  });

  it('names each client, and says whom it does not reach because of their name', async () => {
    const [ann, long] = (await clients('named', 2)) as [Conversation, Conversation];
    const named = async (talk: Conversation, name: string) => {
      talk.client.renames({ first_name: name });
      talk.client.sends(`I am ${name.slice(0, 5)}`);
      await talk.becomes(`I am ${name.slice(0, 5)}`, 'delivered');
    };
    await named(ann, '[b]Ann[/b]');
    await named(long, 'x'.repeat(64));
    const made = await make('named', {
      text: `[b]{first_name}[/b], ${'{name}'.repeat(400)}`,
      buttons: 'I, {first_name}, want it',
    });
    await start(made);
    expect((await finished(made)).counts).toMatchObject({ delivered: 1, too_long: 1, failed: 0 });
    expect(ann.reached.join('')).toMatch(/^\[b\]Ann\[\/b\], \[b\]Ann/);
    expect(captions((await ann.client.receives(1)).at(-1)!)).toEqual([['I, [b]Ann[/b], want it'], ['Unsubscribe']]);
    expect(long.reached).toEqual([]);
    const answer = await admin('POST', `/broadcasts/${made.id}/test`, { chatId: long.chatId }, 409);
    expect(answer.code).toBe('text_too_long');
  });

  it('is tried on oneself before', async () => {
    const [me] = (await clients('me', 1)) as [Conversation];
    const made = await make('tested');
    await admin('POST', `/broadcasts/${made.id}/test`, { chatId: me.chatId });
    await admin('POST', `/broadcasts/${made.id}/test`, { chatId: me.chatId });
    await eventually(
      () => me.reached,
      (texts) => texts.length === 2,
    );
    expect(captions((await me.client.receives(1))[0]!)).toEqual([['Unsubscribe']]);
    expect((await report(made)).state).toBe('draft');
    await admin('POST', `/broadcasts/${made.id}/test`, { chatId: '999999' }, 404);
  });

  it('is refused with the reason where it says nothing, or what it says is not understood', async () => {
    const refused = async (body: Json, says: string) => {
      const answer = await admin('POST', '/broadcasts', { name: 'x', text: 'x', ...body }, 400);
      expect(JSON.stringify(answer)).toContain(says);
    };
    await refused({ name: ' ' }, 'name');
    await refused({ text: ' ' }, 'text');
    await refused({ text: 5 }, 'text must be a text');
    await refused({ audience: { botId: 'x' } }, 'botId');
    await refused({ audience: { tags: 'vip' } }, 'tags');
    await refused({ audience: { languages: ['English'] } }, 'languages');
    await refused({ audience: { lastWordsFrom: 'yesterday' } }, 'lastWordsFrom');
    await refused({ audience: { everybody: true } }, 'everybody');
    await refused({ hasUnsubscribe: 'no' }, 'hasUnsubscribe');
    await admin('GET', '/broadcasts/999999', undefined, 404);
    await admin('POST', '/broadcasts', { name: 'x', text: 'x', portalId: '999999' }, 404);
  });
});

describe('a client unsubscribes', () => {
  it('by the button, politely, in their language, however often; the operator reads one line', async () => {
    const [talk] = (await clients('button', 1, { language_code: 'ru' })) as [Conversation];
    await broadcast('button');
    const [message] = await talk.client.receives(1);
    expect(captions(message!)).toEqual([['Отписаться']]);
    const press = talk.client.pressesText(message!, 'Отписаться')!;
    const thanks = 'Вы отписались и больше не будете получать рассылки.';
    expect(await pressed(press.callback_query!.id)).toEqual([thanks]);
    expect(await pressed(talk.client.pressesText(message!, 'Отписаться')!.callback_query!.id)).toEqual([thanks]);
    expect(captions(talk.client.inbox.at(-1)!)).toEqual([['Отписаться']]);
    expect(await isUnsubscribed(talk)).toBe(true);
    await talk.hasNotes(1);
    expect(talk.notes.filter((text) => text.includes('unsubscribed'))).toEqual([
      '🔕 The client unsubscribed from broadcasts',
    ]);
    expect(talk.received).toEqual(['hello']);
    const made = await make('button', { text: 'More' });
    await admin('POST', `/broadcasts/${made.id}/start`, undefined, 409);
    expect(talk.reached).toEqual(['News of button']);
    expect(dataOf(message!, 'Отписаться')).toBe('k:unsubscribe');
  });

  it('by words, which operators read, and comes back by /start', async () => {
    const talks = await clients('words', 2);
    const [ann, ben] = talks as [Conversation, Conversation];
    ann.client.sends('Stop');
    await ann.becomes('Stop', 'delivered');
    expect(await isUnsubscribed(ann)).toBe(false);
    const first = await broadcast('words');
    expect(first.counts.delivered).toBe(2);
    ann.client.sends('СТОП');
    ben.client.sends('please stop');
    await ann.becomes('СТОП', 'delivered');
    await ben.becomes('please stop', 'delivered');
    expect(await isUnsubscribed(ann)).toBe(true);
    expect(await isUnsubscribed(ben)).toBe(false);
    expect(ann.received).toEqual(['hello', 'Stop', 'СТОП']);
    await eventually(
      () => ann.reached,
      (texts) => texts.at(-1)!.startsWith('You have unsubscribed'),
    );
    await eventually(
      () => report(first),
      ({ counts }) => counts.left === 1 && counts.answered >= 1,
    );
    expect((await broadcast('words', { text: 'Second' })).counts).toMatchObject({ delivered: 1 });
    ann.client.sends('/start');
    await eventually(
      () => isUnsubscribed(ann),
      (is) => !is,
    );
    expect((await broadcast('words', { text: 'Third' })).counts).toMatchObject({ delivered: 2 });
  });

  it('from what robots send as advertising, too, and from nothing else', async () => {
    await choose(bridge, 'robots');
    const [talk] = (await clients('robots', 1)) as [Conversation];
    await admin('POST', `/chats/${talk.chatId}/unsubscribe`);
    const lead = entityOf(bridge, talk);
    const advertised = runRobot(bridge, 'tg_send_message', lead, { properties: { text: 'Buy', advertising: 'Y' } });
    expect(await returned(advertised)).toMatchObject({
      status: 'failed',
      error: 'The client has unsubscribed from advertising.',
    });
    const told = runRobot(bridge, 'tg_send_message', lead, { properties: { text: 'Your parcel is here' } });
    expect(await returned(told)).toMatchObject({ status: 'delivered' });
    expect(talk.reached).toEqual(['Your parcel is here']);
    await admin('POST', `/chats/${talk.chatId}/subscribe`);
    const again = runRobot(bridge, 'tg_send_message', lead, { properties: { text: 'Buy', advertising: 'Y' } });
    expect(await returned(again)).toMatchObject({ status: 'delivered' });
  });

  it('from newsletters of CRM marketing, and from no word of the line itself', async () => {
    const talks = await clients('letters', 3);
    const [ann, ben, open] = talks as [Conversation, Conversation, Conversation];
    for (const talk of [ann, open]) await admin('POST', `/chats/${talk.chatId}/unsubscribe`);
    for (const { client } of [ann, ben]) {
      const chat = bridge.portal.chat(`tg:${client.id}`);
      bridge.portal.lines.closeSession(chat);
    }
    await bridge.portal.events.idle();
    bridge.portal.newsletter(
      talks.map(({ client }) => `tg:${client.id}`),
      'Our news',
    );
    await ben.becomes('Our news', 'delivered');
    await open.becomes('Our news', 'delivered');
    expect(await ann.becomes('Our news', 'ignored')).toMatchObject({ error: { code: 'unsubscribed' } });
    expect(ann.reached).toEqual([]);
    // A newsletter is advertising: from then on a bare "stop" means it.
    ben.client.sends('stop');
    await eventually(
      () => isUnsubscribed(ben),
      (is) => is,
    );
  });
});
