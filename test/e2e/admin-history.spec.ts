import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually, LINE } from '../support/bridge.js';

// oxlint-disable-next-line typescript/no-explicit-any
type Item = any;

const CLIENT = { id: 901, first_name: 'Ann' };

let bridge: Bridge;
beforeAll(async () => {
  bridge = await Bridge.start({ bitrix24: { limits: false } });
  client().setsProfilePhoto();
});

afterAll(async () => bridge?.stop());

const admin = (method: string, path: string, body?: unknown) => bridge.program.admin(method, path, body);
const client = () => bridge.bot.client(CLIENT);
const operator = () => bridge.portal.operator({ id: 27, name: 'Samantha Johnson' });

/** The newest message of a direction, once it is as wanted. */
const newest = (direction: string, fits: (item: Item) => boolean): Promise<Item> =>
  eventually(
    async () => (await bridge.messages(`&direction=${direction}`))[0] as Item,
    (item) => item !== undefined && fits(item),
    15_000,
  );
const detail = async (id: string): Promise<Item> => (await admin('GET', `/messages/${id}`)).json;

describe('messages of every kind', () => {
  it('show files by label, name and a link of ours, and nothing that opens them elsewhere', async () => {
    const { message } = client().sendsFile('document', { fileName: 'offer.pdf', mimeType: 'application/pdf' });
    const item = await newest('inbound', ({ state }) => state === 'delivered');
    expect(item).toMatchObject({ kind: 'document', systemLine: false, albumId: null, editedAt: null, deletedAt: null });
    expect(item.attachments).toEqual([
      {
        kind: 'document',
        name: 'offer.pdf',
        mime: 'application/pdf',
        size: message.document!.file_size,
        label: expect.stringContaining('offer.pdf'),
        url: expect.stringMatching(new RegExp(`^${bridge.program.url}/files/[\\w.-]+$`)),
      },
    ]);
    expect(item.text).toBe(item.attachments[0].label);
    const opened = await fetch(item.attachments[0].url);
    expect([opened.status, opened.headers.get('content-type')]).toEqual([200, 'application/pdf']);
    expect((await opened.arrayBuffer()).byteLength).toBe(message.document!.file_size);
    const shown = JSON.stringify(await detail(item.id));
    expect(shown).toContain(message.document!.file_unique_id);
    expect(shown).not.toContain(message.document!.file_id);
  });

  it('show an album as one message', async () => {
    const album = client().sendsAlbum([{ kind: 'photo', caption: 'Both' }, { kind: 'photo' }]);
    const item = await newest('inbound', ({ albumId, state }) => albumId !== null && state === 'delivered');
    expect(item).toMatchObject({ text: 'Both', albumId: album[0]!.message.media_group_id });
    expect(item.attachments).toHaveLength(2);
    expect(item.telegramMessageIds).toEqual(album.map(({ message }) => String(message.message_id)));
  });

  it('show what was said before, and when it changed', async () => {
    const { message } = client().sends('helo');
    await newest('inbound', ({ text, state }) => text === 'helo' && state === 'delivered');
    client().edits(message.message_id, 'hello');
    const { id } = await newest('inbound', ({ text, editedAt }) => text === 'hello' && editedAt !== null);
    const edited = await eventually(
      () => detail(id),
      ({ timeline }) => timeline.some(({ kind, outcome }: Item) => kind === 'edit' && outcome === 'delivered'),
    );
    expect(edited.revisions).toMatchObject([
      { number: 0, text: 'helo', deleted: false, createdAt: edited.createdAt },
      { number: 1, text: 'hello', deleted: false },
    ]);
    const whats = edited.timeline.map(({ what, kind }: Item) => (what === 'attempt' ? kind : what));
    expect(whats.slice(0, 6)).toEqual(['received', 'stored', 'message', 'delivered', 'edited', 'edit']);
  });

  it('show which message they answer', async () => {
    const asked = client().sends('Which one?').message;
    const question = await newest('inbound', ({ text, state }) => text === 'Which one?' && state === 'delivered');
    client().replies(asked.message_id, 'The red one', 'one');
    const answer = await newest('inbound', ({ replyToId }) => replyToId !== null);
    expect(answer).toMatchObject({ replyToId: question.id, replyQuote: 'one' });
    expect(answer.text).toContain('The red one');
  });

  it('show an operator’s file without its signed link, and that he took it back', async () => {
    const sent = operator().sends('tg:901', {
      files: [{ name: 'bill.pdf', mime: 'application/pdf', content: Buffer.from('%PDF-1.4') }],
    });
    const { id } = await newest('outbound', ({ attachments }) => attachments.length > 0);
    const { attachments, text, raw } = await detail(id);
    expect(attachments).toMatchObject([{ kind: 'document', name: 'bill.pdf', url: null }]);
    expect(text).toContain('bill.pdf');
    expect(JSON.stringify(raw)).toContain('bill.pdf');
    expect(JSON.stringify(raw)).not.toMatch(/im\.file\.php|SIGN=|\/~/);
    await bridge.portal.dialog('tg:901').delivered(sent, 15_000);
    operator().deletes(sent);
    const taken = await newest('outbound', ({ deletedAt }) => deletedAt !== null);
    expect(taken.id).toBe(id);
    const story = await detail(id);
    expect(story.revisions.at(-1)).toMatchObject({ text: '', deleted: true });
    expect(story.timeline.map(({ what }: Item) => what)).toContain('deleted');
  });

  it('show that an edit could not be made where the message is', async () => {
    const sent = operator().sends('tg:901', 'Monday');
    await bridge.portal.dialog('tg:901').delivered(sent, 10_000);
    bridge.telegram.faults.next('editMessageText', {
      status: 400,
      body: { ok: false, error_code: 400, description: "Bad Request: message can't be edited" },
    });
    operator().edits(sent, 'Tuesday');
    const { id } = await newest('outbound', ({ text }) => text === 'Tuesday');
    const story = await eventually(
      () => detail(id),
      ({ timeline }) => timeline.some(({ what, kind }: Item) => what === 'attempt' && kind === 'edit'),
    );
    expect(story).toMatchObject({ state: 'delivered', error: null });
    expect(story.timeline).toContainEqual(
      expect.objectContaining({ what: 'attempt', kind: 'edit', outcome: 'failed', detail: expect.any(String) }),
    );
  });

  it('are not sent again once their author took them back', async () => {
    bridge.telegram.faults.next('sendMessage', {
      status: 400,
      body: { ok: false, error_code: 400, description: 'Bad Request: chat not found' },
    });
    operator().sends('tg:901', 'a mistake');
    const { id } = await newest('outbound', ({ state }) => state === 'failed');
    // Bitrix24 tells of this deletion only when a part of the message had been reported as delivered.
    const database = new Client({ connectionString: bridge.database.url });
    await database.connect();
    await database.query('UPDATE messages SET deleted_at = now() WHERE id = $1', [id]).finally(() => database.end());
    const again = await admin('POST', `/messages/${id}/retry`);
    expect([again.status, again.json.code]).toEqual([409, 'taken_back']);
    for (const body of [{ dryRun: true }, {}]) {
      expect((await admin('POST', '/messages/retry', body)).json).toEqual({ retried: 0 });
    }
    expect((await admin('POST', `/messages/${id}/discard`)).json).toEqual({ discarded: 1 });
  });

  it('are not sent again to a client who blocked the bot, nor of another portal or bot', async () => {
    client().blocks();
    operator().sends('tg:901', 'nobody reads this');
    const failed = await newest('outbound', ({ state, text }) => state === 'failed' && text === 'nobody reads this');
    const { id, portalId, botId } = failed;
    const blocked = await eventually(
      () => detail(id),
      (item) => item.blocked,
    );
    expect(blocked).toMatchObject({ state: 'failed', blocked: true });
    const retried = async (body: object) => (await admin('POST', '/messages/retry', body)).json.retried;
    expect([await retried({ dryRun: true }), await retried({})]).toEqual([0, 0]);
    client().unblocks();
    await eventually(
      () => detail(id),
      (item) => !item.blocked,
    );
    expect(await retried({ dryRun: true, portal: portalId, bot: botId })).toBe(1);
    expect(await retried({ portal: '999999' })).toBe(0);
    expect(await retried({ bot: '999999' })).toBe(0);
    expect(await retried({ portal: portalId, bot: botId })).toBe(1);
    await newest('outbound', ({ state, text }) => state === 'delivered' && text === 'nobody reads this');
  });

  it('that failed are sent again with their files', async () => {
    bridge.telegram.faults.next('sendDocument', {
      status: 400,
      body: { ok: false, error_code: 400, description: 'Bad Request: chat not found' },
    });
    const file = { name: 'plan.txt', mime: 'text/plain', content: Buffer.from('the plan') };
    operator().sends('tg:901', { text: 'See', files: [file] });
    const { id } = await newest('outbound', ({ state, text }) => state === 'failed' && text === 'See');
    const dry = { dryRun: true, state: 'failed,uncertain', direction: 'outbound' };
    expect((await admin('POST', '/messages/retry', dry)).json).toEqual({ retried: 1 });
    expect((await admin('POST', '/messages/retry', { ...dry, direction: 'inbound' })).json).toEqual({ retried: 0 });
    expect(await detail(id)).toMatchObject({ state: 'failed', attempts: 1 });
    expect((await admin('POST', `/messages/${id}/retry`)).json).toEqual({ retried: 1 });
    await newest('outbound', ({ state, text }) => state === 'delivered' && text === 'See');
    expect(client().inbox.at(-1)).toMatchObject({ caption: 'See', document: { file_name: 'plan.txt' } });
  });
});

describe('chats', () => {
  const chat = async (): Promise<Item> => (await admin('GET', '/chats')).json.items[0];

  it('show who the client is', async () => {
    client().starts('spring-sale');
    const shown = await eventually(chat, ({ source }) => source !== null);
    expect(shown).toMatchObject({ source: 'spring-sale', phone: null, bannedAt: null });
  });

  it('show the client’s photo', async () => {
    const { avatar } = await eventually(chat, (shown) => shown.avatar !== null, 20_000);
    const opened = await fetch(avatar);
    expect([opened.status, opened.headers.get('content-type')]).toEqual([200, 'image/jpeg']);
  });

  it('can be banned: the client is not heard, operators still are', async () => {
    const { id } = await chat();
    const banned = await admin('POST', `/chats/${id}/ban`);
    expect(banned.status, banned.text).toBe(200);
    expect(banned.json).toMatchObject({ id, bannedAt: expect.stringMatching(/Z$/) });
    expect((await admin('POST', `/chats/${id}/ban`)).json.bannedAt).toBe(banned.json.bannedAt);

    const heard = bridge.portal.dialog('tg:901').clientMessages.length;
    client().sends('spam');
    const ignored = await newest('inbound', ({ text }) => text === 'spam');
    expect(ignored).toMatchObject({ state: 'ignored', error: { code: 'banned' } });
    const received = client().inbox.length;
    operator().sends('tg:901', 'Please stop');
    expect((await client().receives(received + 1, 10_000)).at(-1)!.text).toBe('Please stop');

    expect((await admin('POST', `/chats/${id}/unban`)).json).toMatchObject({ id, bannedAt: null });
    expect((await admin('POST', `/chats/${id}/unban`)).status).toBe(200);
    client().sends('sorry');
    await newest('inbound', ({ text, state }) => text === 'sorry' && state === 'delivered');
    expect(
      bridge.portal
        .dialog('tg:901')
        .clientMessages.slice(heard)
        .map(({ text }) => text),
    ).toEqual(['sorry']);
    for (const action of ['ban', 'unban']) expect((await admin('POST', `/chats/999999999/${action}`)).status).toBe(404);
  });
});

describe('open lines', () => {
  it('name the operator as the administrator chose', async () => {
    const [{ id, lines }] = (await admin('GET', '/portals')).json.items;
    const untouched = {
      operatorName: 'hidden',
      operatorNameTemplate: null,
      welcomeText: null,
      startOpensSession: false,
      welcomeAsksPhone: false,
    };
    expect(lines).toEqual([{ lineId: LINE, state: 'active', ...untouched }]);
    const changed = await admin('PATCH', `/portals/${id}/lines/${LINE}`, {
      operatorName: 'template',
      operatorNameTemplate: '{name} (support):',
    });
    expect(changed.status, changed.text).toBe(200);
    expect(changed.json.lines).toMatchObject([
      { lineId: LINE, operatorName: 'template', operatorNameTemplate: '{name} (support):' },
    ]);
    const received = client().inbox.length;
    operator().sends('tg:901', 'Hello');
    const [message] = (await client().receives(received + 1, 10_000)).slice(-1);
    expect(message!.text).toBe('Samantha Johnson (support):\nHello');

    for (const body of [{ operatorName: 'template' }, { operatorName: 'name', operatorNameTemplate: '{nmae}' }]) {
      expect((await admin('PATCH', `/portals/${id}/lines/${LINE}`, body)).status).toBe(400);
    }
    for (const line of ['999', 'x', '%00']) {
      const answer = await admin('PATCH', `/portals/${id}/lines/${line}`, { operatorName: 'name' });
      expect([line, answer.status]).toEqual([line, 404]);
    }
    expect((await admin('PATCH', '/portals/999999999/lines/1', { operatorName: 'name' })).status).toBe(404);
    expect((await admin('PATCH', `/portals/${id}/lines/${LINE}`, { operatorName: 'hidden' })).json.lines).toMatchObject(
      [{ operatorName: 'hidden', operatorNameTemplate: null }],
    );
  });
});

it('every change is on record', async () => {
  const entries = (await admin('GET', '/audit?limit=200')).json.items as Item[];
  const [{ id: chatId }] = (await admin('GET', '/chats')).json.items;
  expect(entries).toContainEqual(expect.objectContaining({ action: 'chat.ban', subject: `chat:${chatId}` }));
  expect(entries).toContainEqual(expect.objectContaining({ action: 'chat.unban', subject: `chat:${chatId}` }));
  expect(entries).toContainEqual(
    expect.objectContaining({
      action: 'portal.line',
      detail: { lineId: LINE, operatorName: 'template', operatorNameTemplate: '{name} (support):' },
    }),
  );
});
