import type { Update } from '@grammyjs/types';
import { InputFile } from 'grammy';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BusinessAccount } from './business.account.js';
import { uploadFromClient } from './client.files.js';
import { api, bot, refused, start, tg } from './simulator.stage.js';

const owner = { id: 500, first_name: 'Shop owner' };
const client = { id: 900, first_name: 'Rita', username: 'rita' };
let now = Date.now();
let account: BusinessAccount;

beforeEach(async () => {
  now = Date.now();
  await start({ now: () => now });
  account = bot.connectBusiness(owner);
});
afterEach(() => tg.stop());

const through = () => ({ business_connection_id: account.id });
const last = (): Update | undefined => bot.pendingUpdates.at(-1);

describe('a business connection', () => {
  it('is announced, can be asked for, changed and ended', async () => {
    expect(last()?.business_connection).toMatchObject({
      id: account.id,
      user: { id: 500 },
      user_chat_id: 500,
      is_enabled: true,
      rights: { can_reply: true },
    });
    expect(await api.getBusinessConnection(account.id)).toEqual(last()?.business_connection);
    expect(await refused(api.getBusinessConnection('nonsense'))).toBe('400 Bad Request: business connection not found');
    account.grants({ can_read_messages: true });
    expect(last()?.business_connection?.rights).toEqual({ can_read_messages: true });
    account.clientSends(client, 'hello');
    expect(await refused(api.sendMessage(900, 'x', through()))).toBe('400 Bad Request: BOT_ACCESS_FORBIDDEN');
    account.disconnects();
    expect(last()?.business_connection?.is_enabled).toBe(false);
    expect(account.clientSends(client, 'unheard')).toBeUndefined();
    expect(await refused(api.sendMessage(900, 'x', through()))).toBe('400 Bad Request: BUSINESS_CONNECTION_INVALID');
    account.reconnects();
    expect(account.clientSends(client, 'heard')?.business_message?.text).toBe('heard');
  });

  it('lets the bot write to the owner, who never started it', async () => {
    expect((await api.sendMessage(500, 'A note for you')).chat.id).toBe(500);
  });
});

describe('messages of a business account', () => {
  it('come from both sides, and the own ones come back', async () => {
    const hello = account.clientSends(client, 'hello')?.business_message;
    expect(hello).toMatchObject({
      business_connection_id: account.id,
      from: { id: 900, username: 'rita' },
      chat: { id: 900, type: 'private' },
    });
    const typed = account.ownerSends(client, 'on the phone')?.business_message;
    expect(typed).toMatchObject({ from: { id: 500 }, chat: { id: 900 }, message_id: 2 });
    expect(typed).not.toHaveProperty('sender_business_bot');

    const sent = await api.sendMessage(900, 'Good day', { ...through(), reply_parameters: { message_id: 1 } });
    expect(sent).toMatchObject({
      from: { id: 500 },
      sender_business_bot: { id: bot.id },
      business_connection_id: account.id,
      reply_to_message: { message_id: 1 },
    });
    expect(last()?.business_message).toEqual(sent);
    expect(account.chat(900).inbox).toEqual([sent]);
    expect(tg.ledger()).toMatchObject([{ chatId: 900, businessConnectionId: account.id, replyTo: 1 }]);
  });

  it('are apart from those that the same person has with the bot', async () => {
    const direct = bot.client(client).sends('to the bot').message;
    account.clientSends(client, 'to the shop');
    const photo = account.clientSends(client, { ...uploadFromClient(bot, 'photo', {}), caption: 'look' });
    expect(photo?.business_message).toMatchObject({ message_id: 2, caption: 'look', photo: [{}, {}, {}, {}] });
    await api.sendMessage(900, 'to the direct chat');
    expect(direct).not.toHaveProperty('business_connection_id');
    expect(account.chat(900).inbox).toEqual([]);
    expect(bot.client(client).inbox).toHaveLength(1);
  });

  it('can only be sent with the connection, to who wrote within a day', async () => {
    account.clientSends(client, 'hello');
    expect(await refused(api.sendMessage(900, 'x'))).toBe("403 Forbidden: bot can't initiate conversation with a user");
    expect(await refused(api.sendMessage(901, 'x', through()))).toBe('400 Bad Request: BUSINESS_PEER_INVALID');
    now += 86_401_000;
    account.ownerSends(client, 'still there?');
    expect(await refused(api.sendMessage(900, 'x', through()))).toBe('400 Bad Request: BUSINESS_PEER_USAGE_MISSING');
    account.clientSends(client, 'yes');
    const media = new InputFile(Buffer.from('%PDF'), 'offer.pdf');
    expect((await api.sendDocument(900, media, through())).document.file_name).toBe('offer.pdf');
    expect(await api.sendChatAction(900, 'typing', through())).toBe(true);
  });

  it('are edited and deleted, and the bot hears of it', async () => {
    account.clientSends(client, 'helo');
    expect(account.edits(900, 1, 'hello')?.edited_business_message).toMatchObject({ text: 'hello', message_id: 1 });
    const { message_id } = await api.sendMessage(900, 'typo', through());
    expect(await api.editMessageText(900, message_id, 'fixed', through())).toMatchObject({ text: 'fixed' });
    expect(account.deletes(900, 1)?.deleted_business_messages).toEqual({
      business_connection_id: account.id,
      chat: account.chat(900).chat,
      message_ids: [1],
    });
    expect(account.chat(900).messages.map(({ text }) => text)).toEqual(['fixed']);
  });
});

describe('readBusinessMessage and deleteBusinessMessages', () => {
  it('do what the rights allow', async () => {
    account.clientSends(client, 'hello');
    const { message_id } = await api.sendMessage(900, 'mine', through());
    expect(await api.readBusinessMessage(account.id, 900, 1)).toBe(true);
    expect([...account.read.get(900)!]).toEqual([1]);
    expect(await refused(api.readBusinessMessage(account.id, 900, 99))).toContain('MESSAGE_ID_INVALID');

    account.grants({ can_reply: true, can_delete_outgoing_messages: true });
    expect(await refused(api.readBusinessMessage(account.id, 900, 1))).toContain('BOT_ACCESS_FORBIDDEN');
    expect(await refused(api.deleteBusinessMessages(account.id, [1]))).toContain('BOT_ACCESS_FORBIDDEN');
    expect(await api.deleteBusinessMessages(account.id, [message_id])).toBe(true);
    account.grants({ can_delete_all_messages: true });
    expect(await api.deleteBusinessMessages(account.id, [1])).toBe(true);
    expect(account.chat(900).messages).toEqual([]);
    expect(tg.changes().map(({ change }) => change)).toEqual(['read', 'deleted', 'deleted']);
  });
});
