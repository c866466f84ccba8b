import type { Message } from '@grammyjs/types';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contents, forwardedFrom } from './client.contents.js';
import { sampleJpeg } from './sample.media.js';
import { api, bot, ivan, start, tg } from './simulator.stage.js';

beforeEach(() => start());
afterEach(() => tg.stop());

const news = { id: -1009, type: 'channel', title: 'News' } as const;

describe('a client', () => {
  it('sends what is neither text nor a file', () => {
    const sent: [keyof Message, Message][] = [
      ['location', ivan.sendsMessage(contents.location()).message],
      ['venue', ivan.sendsMessage(contents.venue()).message],
      ['contact', ivan.sendsMessage(contents.contact('+79990000000', { id: 777, first_name: 'Ivan' })).message],
      ['poll', ivan.sendsMessage(contents.poll('Day?', 'Mon', 'Tue')).message],
      ['dice', ivan.sendsMessage(contents.dice('🎯', 6)).message],
      ['game', ivan.sendsMessage(contents.game(bot)).message],
      ['story', ivan.sendsMessage(contents.story(news)).message],
      ['invoice', ivan.sendsMessage(contents.invoice()).message],
      ['checklist', ivan.sendsMessage(contents.checklist('Move', 'pack', 'carry')).message],
      ['gift', ivan.sendsMessage(contents.gift(bot, 'for you')).message],
      ['paid_media', ivan.sendsMessage(contents.paidMedia()).message],
      ['rich_message', ivan.sendsMessage(contents.richMessage([{ type: 'paragraph', text: 'Hello' }])).message],
    ];
    for (const [field, message] of sent) {
      expect(message, field).toHaveProperty(field);
      expect(message, field).not.toHaveProperty('text');
    }
    expect(sent[1]?.[1]).toHaveProperty('location');
    expect(sent[2]?.[1].contact?.user_id).toBe(777);
    expect(bot.pendingUpdates).toHaveLength(sent.length);
  });

  it('sends an album: messages of one group, with the caption where it was put', () => {
    const album = ivan.sendsAlbum([
      { kind: 'photo', caption: 'Both #shoes' },
      { kind: 'photo', content: sampleJpeg({ width: 300, height: 300 }, 'second') },
      { kind: 'video' },
    ]);
    expect(new Set(album.map(({ message }) => message.media_group_id)).size).toBe(1);
    expect(album.map(({ message }) => message.caption)).toEqual(['Both #shoes', undefined, undefined]);
    expect(album[0]?.message.caption_entities).toEqual([{ type: 'hashtag', offset: 5, length: 6 }]);
    expect(album[1]?.message.photo?.at(-1)).toMatchObject({ width: 300, height: 300 });
    expect(bot.pendingUpdates).toHaveLength(3);
  });

  it('replies with a quote, forwards, and writes by means of other bots', async () => {
    ivan.sends('hello');
    const { message_id } = await api.sendMessage(777, 'red or blue?');
    const reply = ivan.replies(message_id, 'this one', 'blue').message;
    expect(reply.quote).toEqual({ text: 'blue', position: 7, is_manual: true });
    expect(reply.reply_to_message).toMatchObject({ message_id, text: 'red or blue?', from: { id: bot.id } });
    expect(ivan.replies(reply.message_id, 'and this').message.reply_to_message).not.toHaveProperty('reply_to_message');
    expect(() => ivan.replies(message_id, 'x', 'green')).toThrow('does not say green');

    const user = { id: 5, is_bot: false, first_name: 'Olga' };
    const origins = [
      forwardedFrom.user(user, 1),
      forwardedFrom.hiddenUser('Somebody', 1),
      forwardedFrom.chat({ id: -7, type: 'group', title: 'Team' }, 1, 'Boss'),
      forwardedFrom.channel(news, 12, 1),
    ].map((origin) => ivan.sends('as they say', origin).message.forward_origin?.type);
    expect(origins).toEqual(['user', 'hidden_user', 'chat', 'channel']);
    const gif = { id: 6, is_bot: true, first_name: 'GIF', username: 'gif' };
    expect(ivan.sendsFile('animation', {}, { via_bot: gif }).message.via_bot).toEqual(gif);
  });

  it('shares a live position, moves and stops', () => {
    const { message_id } = ivan.startsLiveLocation({ latitude: 1, longitude: 2 }, 900).message;
    expect(ivan.moves(message_id, { latitude: 3, longitude: 4 })?.edited_message?.location).toEqual({
      latitude: 3,
      longitude: 4,
      live_period: 900,
    });
    const stopped = ivan.stopsLiveLocation(message_id)?.edited_message?.location;
    expect(stopped).toEqual({ latitude: 3, longitude: 4 });
  });

  it('edits text, caption and file, and sometimes nothing that can be seen', () => {
    const { message } = ivan.sendsFile('photo', {}, { caption: 'old' });
    const id = message.message_id;
    expect(ivan.edits(id, 'new')?.edited_message).toMatchObject({ caption: 'new', photo: message.photo });
    const replaced = ivan.editsFile(id, 'document', { fileName: 'a.txt' })?.edited_message;
    expect(replaced).toMatchObject({ caption: 'new', document: { file_name: 'a.txt' } });
    expect(replaced).not.toHaveProperty('photo');
    const { edit_date, ...same } = ivan.editsInvisibly(id)!.edited_message!;
    expect(edit_date).toBeGreaterThan(0);
    expect(same).toEqual({ ...replaced, edit_date: undefined });
  });

  it('starts the bot by a link', () => {
    expect(ivan.starts('shop_42').message).toMatchObject({
      text: '/start shop_42',
      entities: [{ type: 'bot_command' }],
    });
    expect(ivan.starts().message.text).toBe('/start');
    expect(() => ivan.starts('no spaces')).toThrow('A-Za-z0-9_-');
  });
});
