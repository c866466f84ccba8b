import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BOT_TOKEN, Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

describe('what is learned of clients, and owed to them', () => {
  let bridge: Bridge;
  let database: Client;

  beforeAll(async () => {
    bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
    database = new Client({ connectionString: bridge.database.url });
    await database.connect();
  });

  afterAll(async () => {
    await database?.end();
    await bridge?.stop();
  });

  const called = (method: string) =>
    bridge.telegram.calls.filter((call) => call.method.toLowerCase() === method.toLowerCase());
  const chat = async (id: number) =>
    (await database.query(`SELECT * FROM chat_links WHERE external_id = 'tg:${id}'`)).rows[0];

  it('his photo, once, a moment after his first words', async () => {
    const { client } = Conversation.of(bridge, 801);
    client.setsProfilePhoto();
    client.sends('hello');
    const known = await eventually(
      () => chat(801),
      (row) => row?.avatar_checked_at != null,
      3_000,
    );
    const sizes = client.profilePhotos[0]!;
    expect(sizes.map(({ file_id }) => file_id)).toContain(known.avatar_file_id);
    expect(sizes.map(({ file_unique_id }) => file_unique_id)).toContain(known.avatar_unique_id);
    const hidden = await Conversation.begin(bridge, 802);
    expect(
      await eventually(
        () => chat(802),
        (row) => row?.avatar_checked_at != null,
      ),
    ).toMatchObject({
      avatar_file_id: null,
    });
    hidden.client.sends('and more');
    await hidden.becomes('and more', 'delivered');
    expect(called('getUserProfilePhotos')).toHaveLength(2);
  });

  it.each(['polling', 'webhook'])('his pressed button stops waiting (%s)', async (mode) => {
    if (mode === 'webhook') await bridge.restart({ TG_USE_POLLING: '0', TG_WEBHOOK_SECRET: 'hook-secret' });
    const talk = await Conversation.begin(bridge, mode === 'polling' ? 803 : 804);
    const keyboard = { inline_keyboard: [[{ text: 'Yes', callback_data: 'y' }]] };
    const sent = await fetch(`${bridge.telegram.url}/bot${BOT_TOKEN}/sendMessage`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ chat_id: talk.client.id, text: 'Shall we?', reply_markup: keyboard }),
    });
    const { result } = (await sent.json()) as { result: { message_id: number } };
    const before = called('answerCallbackQuery').length;
    talk.client.presses(result.message_id, 'y');
    await talk.becomes('🔘 Pressed button: Yes (y)', 'delivered');
    await eventually(
      () => called('answerCallbackQuery').length,
      (n) => n === before + 1,
    );
  });

  it('his album is one message with its files in order', async () => {
    const talk = await Conversation.begin(bridge, 805);
    talk.client.sendsAlbum([{ kind: 'photo', caption: 'two of them' }, { kind: 'photo' }]);
    const item = await talk.becomes('two of them', 'delivered');
    expect(item.telegramMessageIds).toHaveLength(2);
    const { rows } = await database.query(
      `SELECT kind, name FROM attachments WHERE message_id = ${item.id} ORDER BY ordinal`,
    );
    expect(rows).toEqual(item.telegramMessageIds.map((id: string) => ({ kind: 'photo', name: `photo_${id}.jpg` })));
  });
});
