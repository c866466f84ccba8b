import type { Message } from '@grammyjs/types';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, refused, start, tg, TOKEN } from './simulator.stage.js';

beforeEach(() => start());
afterEach(() => tg.stop());

describe('the control API of files, groups and accounts', () => {
  const client = '/clients/42';
  const control = async (method: string, path: string, body: object = {}) => {
    const init = method === 'GET' ? {} : { method, body: JSON.stringify(body) };
    const response = await fetch(`${tg.url}/control/bots/123456${path}`, init);
    // oxlint-disable-next-line typescript/no-explicit-any
    return (await response.json()) as any;
  };

  it('sends and edits files, albums and replies', async () => {
    const anna = { first_name: 'Anna' };
    expect((await control('POST', `${client}/start`, { payload: 'shop', client: anna })).message.text).toBe(
      '/start shop',
    );
    const file = { base64: Buffer.from('hi').toString('base64'), fileName: 'hi.txt' };
    const { message } = await control('POST', `${client}/messages`, { kind: 'document', file, caption: 'Read' });
    expect(message).toMatchObject({ caption: 'Read', document: { file_name: 'hi.txt', file_size: 2 } });
    const { file_path } = await api.getFile(message.document.file_id);
    expect(await (await fetch(`${tg.url}/file/bot${TOKEN}/${file_path}`)).text()).toBe('hi');

    const large = await control('POST', `${client}/messages`, { kind: 'video', file: { bytes: 21 << 20 } });
    expect(large.message.video.file_size).toBe(21 << 20);
    const album = await control('POST', `${client}/messages`, {
      album: [{ kind: 'photo', caption: 'a' }, { kind: 'photo' }],
    });
    expect(album.map((one: { message: Message }) => one.message.caption)).toEqual(['a', undefined]);
    expect((await control('POST', `${client}/messages`, { reply_to: 2, text: 'this' })).message).toMatchObject({
      text: 'this',
      reply_to_message: { message_id: 2 },
    });
    const edited = await control('PATCH', `${client}/messages/2`, { kind: 'photo' });
    expect(edited.edited_message).toMatchObject({ caption: 'Read', photo: [{}, {}, {}, {}] });
    expect((await control('PATCH', `${client}/messages/2`)).edited_message.caption).toBe('Read');
    await control('POST', `${client}/photo`);
    expect((await api.getUserProfilePhotos(42)).total_count).toBe(1);
  });

  it('has groups with topics that migrate', async () => {
    const group = { id: -1001, type: 'supergroup', title: 'Team', is_forum: true };
    const added = await control('POST', '/groups/members/5', { group, status: 'administrator' });
    expect(added.my_chat_member.new_chat_member.status).toBe('administrator');
    const { message_thread_id } = await control('POST', '/groups/-1001/members/5/topics', { name: 'Orders' });
    const said = await control('POST', '/groups/-1001/members/5/messages', { text: 'hi', thread: message_thread_id });
    expect(said.message).toMatchObject({ text: 'hi', message_thread_id, from: { id: 5 } });
    const sent = await api.sendMessage(-1001, 'hello', { message_thread_id });
    const reply = await control('POST', '/groups/-1001/members/6/messages', {
      kind: 'photo',
      reply_to: sent.message_id,
    });
    expect(reply.message).toMatchObject({ reply_to_message: { text: 'hello' }, message_thread_id });
    await control('POST', `/groups/-1001/topics/${message_thread_id}/delete`);
    expect(await refused(api.sendMessage(-1001, 'x', { message_thread_id }))).toContain('thread not found');

    await control('POST', '/groups/members/5', { group: { id: -9, type: 'group', title: 'Small' } });
    const { chat } = await control('POST', '/groups/-9/members/5/migrate');
    expect(chat.type).toBe('supergroup');
    expect((await control('POST', `/groups/${chat.id}/members/5/messages`, { text: '/go' })).message.text).toBe('/go');
    expect((await control('POST', '/groups/-8/members/5/messages', { text: 'x' })).error).toContain('not found');
  });

  it('has business accounts with both sides of their conversations', async () => {
    const connection = await control('POST', '/business/500/connect', { client: { first_name: 'Owner' } });
    expect(connection).toMatchObject({ user: { id: 500, first_name: 'Owner' }, is_enabled: true });
    const chat = '/business/500/clients/42';
    expect((await control('POST', `${chat}/messages`, { text: 'hi' })).business_message.from.id).toBe(42);
    expect((await control('POST', `${chat}/answers`, { text: 'hello' })).business_message.from.id).toBe(500);
    await api.sendMessage(42, 'welcome', { business_connection_id: connection.id });
    expect((await control('PATCH', `${chat}/messages/1`, { text: 'hi!' })).edited_business_message.text).toBe('hi!');
    expect((await control('POST', `${chat}/messages/2/delete`)).deleted_business_messages.message_ids).toEqual([2]);
    const { messages } = await control('GET', `${chat}/messages`);
    expect(messages.map(({ text }: Message) => text)).toEqual(['hi!', 'welcome']);
    expect((await control('POST', '/business/500/disconnect')).business_connection.is_enabled).toBe(false);
    const again = await control('POST', '/business/500/connect', { rights: { can_read_messages: true } });
    expect(again).toMatchObject({ id: connection.id, is_enabled: true, rights: { can_read_messages: true } });
  });
});
