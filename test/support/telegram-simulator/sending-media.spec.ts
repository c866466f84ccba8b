import { createHash } from 'node:crypto';
import type { Message } from '@grammyjs/types';
import { InputFile } from 'grammy';
import type { InputMediaDocument, InputMediaPhoto } from 'grammy/types';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sampleJpeg, sampleMp4, sampleOgg, sampleWebp } from './sample.media.js';
import { api, bot, call, ivan, refused, request, start, tg, TOKEN } from './simulator.stage.js';

const MB = 1 << 20;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const jpeg = (label: string, width = 640, height = 480) => sampleJpeg({ width, height }, label);
const file = (bytes: Uint8Array, name?: string) => new InputFile(bytes, name);

beforeEach(async () => {
  await start();
  ivan.sends('hello');
});
afterEach(() => tg.stop());

describe('uploads', () => {
  it('keep the bytes, the name and the type that goes with the name', async () => {
    const content = Buffer.from('a;b\r\n--not-a-boundary\r\n1;2\r\n');
    const { document, message_id } = await api.sendDocument(777, file(content, 'прайс "лето".csv'), {
      caption: 'Prices',
    });
    expect(document).toMatchObject({ file_name: 'прайс "лето".csv', mime_type: 'text/csv', file_size: content.length });
    const { file_path } = await api.getFile(document.file_id);
    const response = await fetch(`${tg.url}/file/bot${TOKEN}/${file_path}`);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(content);
    expect(ivan.inbox).toMatchObject([{ message_id, caption: 'Prices', document: { file_id: document.file_id } }]);
    expect(tg.ledger()).toMatchObject([
      { kind: 'document', text: '', caption: 'Prices', file: { sha256: sha256(content), size: content.length } },
    ]);
  });

  it('take every kind of file, and describe it as Telegram does', async () => {
    const video = await api.sendVideo(777, file(sampleMp4('v'), 'v.mp4'), { width: 640, height: 360, duration: 5 });
    const animation = await api.sendAnimation(777, file(sampleMp4('g'), 'fun.gif'));
    const audio = await api.sendAudio(777, file(Buffer.from('ID3'), 'a.mp3'), { title: 'Song', performer: 'Singer' });
    const voice = await api.sendVoice(777, file(sampleOgg('o'), 'voice.ogg'), { duration: 3, caption: 'Listen' });
    const note = await api.sendVideoNote(777, file(sampleMp4('n'), 'n.mp4'), { length: 240 });
    const sticker = await api.sendSticker(777, file(sampleWebp('s'), 's.webp'), { emoji: '👍' });
    expect(video.video).toMatchObject({ width: 640, height: 360, duration: 5, mime_type: 'video/mp4' });
    expect(animation.document.file_id).toBe(animation.animation.file_id);
    expect(audio.audio).toMatchObject({ title: 'Song', performer: 'Singer', mime_type: 'audio/mpeg' });
    expect(voice).toMatchObject({ caption: 'Listen', voice: { duration: 3, mime_type: 'audio/ogg' } });
    expect(note.video_note).toMatchObject({ length: 240 });
    expect(sticker.sticker).toMatchObject({ emoji: '👍', is_animated: false, is_video: false });
    expect(tg.ledger().map(({ kind }) => kind)).toEqual([
      'video',
      'animation',
      'audio',
      'voice',
      'video_note',
      'sticker',
    ]);
  });

  it('of a photo become sizes', async () => {
    const { photo } = await api.sendPhoto(777, file(jpeg('p', 1000, 500), 'p.jpg'), { has_spoiler: true });
    expect(photo.at(-1)).toMatchObject({ width: 1000, height: 500 });
    expect(photo.length).toBeGreaterThan(1);
    expect(ivan.inbox[0]).toMatchObject({ has_media_spoiler: true });
  });

  it('are refused when they are empty, too large, or no photo', async () => {
    const photo = (bytes: Uint8Array) => refused(api.sendPhoto(777, file(bytes, 'p.jpg')));
    const padded = Buffer.concat([jpeg('large'), Buffer.alloc(10 * MB)]);
    expect(await photo(padded)).toBe(
      `400 Bad Request: file of size ${padded.length} bytes is too big for a photo; the maximum size is 10485760 bytes`,
    );
    expect(await photo(Buffer.from('not an image'))).toBe('400 Bad Request: IMAGE_PROCESS_FAILED');
    expect(await photo(jpeg('wide', 2100, 100))).toBe('400 Bad Request: PHOTO_INVALID_DIMENSIONS');
    expect(await photo(jpeg('huge', 6000, 4001))).toBe('400 Bad Request: PHOTO_INVALID_DIMENSIONS');
    expect(await photo(Buffer.alloc(0))).toBe('400 Bad Request: file must be non-empty');
    expect((await call('sendPhoto', { chat_id: 777 })).description).toBe(
      'Bad Request: there is no photo in the request',
    );
    expect(tg.ledger()).toEqual([]);
  });

  it('end at 50 MB, on a local server later', async () => {
    const large = Buffer.alloc(50 * MB + 100_000);
    expect(await refused(api.sendDocument(777, file(large, 'large.bin')))).toBe('413 Request Entity Too Large');
    await start({ local: true });
    ivan.sends('hello');
    expect((await api.sendDocument(777, file(large, 'large.bin'))).document.file_size).toBe(large.length);
  });

  it('bring a thumbnail of their own', async () => {
    const thumbnail = file(jpeg('thumb', 320, 180), 't.jpg');
    const { video } = await api.sendVideo(777, file(sampleMp4('v'), 'v.mp4'), { thumbnail });
    expect(video.thumbnail?.file_size).toBe(jpeg('thumb', 320, 180).length);
    const [first] = (await api.sendMediaGroup(777, [
      { type: 'video', media: file(sampleMp4('1'), '1.mp4'), thumbnail: file(jpeg('own', 320, 180), 't.jpg') },
      { type: 'video', media: file(sampleMp4('2'), '2.mp4') },
    ])) as Message[];
    expect(first?.video?.thumbnail?.file_size).toBe(jpeg('own', 320, 180).length);
  });

  it('that break off in the middle send nothing', async () => {
    const body = '--x\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n777\r\n--x\r\nContent-Disp';
    const headers = { 'content-type': 'multipart/form-data; boundary=x' };
    const answer = await request(`/bot${TOKEN}/sendDocument`, { method: 'POST', headers, body });
    expect(answer).toMatchObject({ status: 400, description: expect.stringContaining("can't parse multipart form") });
    expect(tg.ledger()).toEqual([]);
  });
});

describe('files that Telegram has', () => {
  it('are sent again by their id, as the same kind only and by the same bot only', async () => {
    const given = ivan.sendsFile('document', { fileName: 'contract.pdf' }).message.document!;
    const sent = await api.sendDocument(777, given.file_id, { caption: 'Back to you' });
    expect(sent.document).toEqual(given);
    expect(await refused(api.sendPhoto(777, given.file_id))).toBe(
      "400 Bad Request: can't use file of type Document as Photo",
    );
    const { thumbnail } = ivan.sendsFile('video').message.video!;
    expect(await refused(api.sendPhoto(777, thumbnail!.file_id))).toBe(
      "400 Bad Request: can't use file of type Thumbnail as Photo",
    );
    const other = tg.addBot({ token: '2:other' });
    const stranger = other.client({ id: 9, first_name: 'Olga' }).sendsFile('document').message.document!;
    expect(await refused(api.sendDocument(777, stranger.file_id))).toBe(
      "400 Bad Request: wrong remote file identifier specified: can't unserialize it",
    );
  });

  it('are fetched from a URL if it answers with the right type', async () => {
    expect(await refused(api.sendPhoto(777, 'https://portal.example/p.jpg'))).toBe(
      '400 Bad Request: failed to get HTTP URL content',
    );
    const pages = new Map([
      ['https://a.example/p.jpg', { type: 'image/jpeg', content: jpeg('web') }],
      ['https://a.example/page', { type: 'text/html', content: Buffer.from('<html>') }],
      ['https://a.example/list.pdf', { type: 'application/pdf', content: Buffer.from('%PDF') }],
    ]);
    await start({ fetchUrl: (url) => Promise.resolve(pages.get(url)) });
    ivan.sends('hello');
    expect((await api.sendPhoto(777, 'https://a.example/p.jpg')).photo.at(-1)).toMatchObject({ width: 640 });
    expect((await api.sendDocument(777, 'https://a.example/list.pdf')).document).toMatchObject({
      file_name: 'list.pdf',
      mime_type: 'application/pdf',
    });
    expect(await refused(api.sendPhoto(777, 'https://a.example/page'))).toBe(
      '400 Bad Request: wrong type of the web page content',
    );
  });
});

describe('captions', () => {
  it('have 1024 characters, and entities as strict as a text', async () => {
    const send = (caption: string, caption_entities: object[] = []) =>
      api.sendPhoto(777, file(jpeg('c'), 'c.jpg'), { caption, caption_entities: caption_entities as never });
    expect((await send(`  ${'x'.repeat(1024)} `)).caption).toHaveLength(1024);
    expect(await refused(send('x'.repeat(1025)))).toBe('400 Bad Request: message caption is too long');
    const bold = { type: 'bold', offset: 2, length: 4 };
    expect((await send('  bold  ', [bold])).caption_entities).toEqual([{ ...bold, offset: 0 }]);
    expect(await refused(send('bold', [bold]))).toContain('ends after the end of the text at UTF-16 offset 6');
    expect((await send(' ')).caption).toBeUndefined();
    const note = await api.sendVideoNote(777, file(sampleMp4('n'), 'n.mp4'), { caption: 'lost' } as never);
    expect(note).not.toHaveProperty('caption');
  });
});

describe('sendMediaGroup', () => {
  const photo = (label: string, extra: object = {}): InputMediaPhoto => ({
    type: 'photo',
    media: file(jpeg(label), `${label}.jpg`),
    ...extra,
  });
  const document = (label: string): InputMediaDocument => ({
    type: 'document',
    media: file(Buffer.from(label), `${label}.txt`),
  });

  it('sends a message for each item, with one group id', async () => {
    const known = ivan.sendsFile('photo').message.photo!.at(-1)!.file_id;
    const sent: Message[] = await api.sendMediaGroup(777, [
      photo('first', { caption: 'Both', caption_entities: [{ type: 'bold', offset: 0, length: 4 }] }),
      { type: 'video', media: file(sampleMp4('v'), 'v.mp4'), duration: 4 },
      { type: 'photo', media: known },
    ]);
    expect(sent.map(({ message_id }) => message_id)).toEqual([3, 4, 5]);
    expect(sent[0]).toMatchObject({ caption: 'Both', caption_entities: [{ type: 'bold' }] });
    expect(new Set(sent.map(({ media_group_id }) => media_group_id)).size).toBe(1);
    expect(sent[0]!.media_group_id).toMatch(/^\d+$/);
    expect(tg.ledger().map(({ kind, mediaGroupId }) => [kind, mediaGroupId])).toEqual(
      ['photo', 'video', 'photo'].map((kind) => [kind, sent[0]!.media_group_id]),
    );
    expect(tg.ledger()[0]?.file?.sha256).toBe(sha256(jpeg('first')));
  });

  it('takes 2 to 10 items, and documents and audio only among their like', async () => {
    const group = (media: unknown[]) => refused(api.sendMediaGroup(777, media as never));
    expect(await group([])).toBe('400 Bad Request: there are no messages to send');
    expect(await group(['p.jpg', 'q.jpg'])).toContain('expected an Object');
    expect(await group([photo('1')])).toContain('400 Bad Request');
    expect(await group(Array.from({ length: 11 }, (_, n) => photo(String(n))))).toBe(
      '400 Bad Request: too many messages to send as an album',
    );
    expect(await group([photo('1'), document('2')])).toBe(
      "400 Bad Request: document can't be mixed with other media types",
    );
    const audio = { type: 'audio', media: file(Buffer.from('ID3'), 'a.mp3') };
    expect(await group([audio, photo('1')])).toBe("400 Bad Request: audio can't be mixed with other media types");
    expect(await group([photo('1'), { type: 'animation', media: file(sampleMp4('g'), 'g.mp4') }])).toContain(
      `type "animation" can't be used in sendMediaGroup`,
    );
    expect(await group([photo('1'), photo('2', { media: 'attach://nowhere' })])).toBe(
      "400 Bad Request: can't parse InputMedia: media not found",
    );
    expect(tg.ledger()).toEqual([]);
    expect(await api.sendMediaGroup(777, [document('1'), document('2')])).toHaveLength(2);
  });
});

describe('what is no file', () => {
  it('sends places, contacts and live positions', async () => {
    expect((await api.sendLocation(777, 55.8, 49.1)).location).toEqual({ latitude: 55.8, longitude: 49.1 });
    expect((await api.sendLocation(777, 55.8, 49.1, { live_period: 60 })).location.live_period).toBe(60);
    const venue = await api.sendVenue(777, 55.8, 49.1, 'Shop', 'Bauman 1');
    expect(venue).toMatchObject({ venue: { title: 'Shop', address: 'Bauman 1' }, location: { latitude: 55.8 } });
    expect((await api.sendContact(777, '+78435551234', 'Shop')).contact).toEqual({
      phone_number: '+78435551234',
      first_name: 'Shop',
    });
    expect(await refused(api.sendLocation(777, 91, 0))).toContain('400 Bad Request');
    expect(await refused(api.sendContact(777, '', 'Shop'))).toContain('phone number must be non-empty');
    expect(await refused(api.sendVenue(777, 1, 1, '', 'x'))).toContain('venue title must be non-empty');
    expect(tg.ledger().map(({ kind }) => kind)).toEqual(['location', 'location', 'venue', 'contact']);
  });
});

describe('replies', () => {
  it('go with media and albums, and quote the formatting as well', async () => {
    const text = 'red shoes, size 42';
    const entities = [{ type: 'bold' as const, offset: 4, length: 5 }];
    const { message_id } = ivan.sends(text, { entities }).message;
    const quote = (words: string, quote_entities: typeof entities = []) =>
      api.sendDocument(777, file(Buffer.from('x'), 'x.txt'), {
        reply_parameters: { message_id, quote: words, quote_entities },
      });
    const answer = await quote('shoes, size', [{ type: 'bold', offset: 0, length: 5 }]);
    expect(answer.reply_to_message).toMatchObject({ message_id, text });
    expect((await quote('size 42')).quote).toEqual({ text: 'size 42', position: 11, is_manual: true });
    expect(await refused(quote('shoes, size'))).toBe('400 Bad Request: QUOTE_TEXT_INVALID');
    expect(await refused(quote('blue shoes'))).toBe('400 Bad Request: QUOTE_TEXT_INVALID');
    expect(tg.ledger().map(({ replyTo, quote: words }) => [replyTo, words])).toEqual([
      [message_id, 'shoes, size'],
      [message_id, 'size 42'],
    ]);
  });

  it('fail when the original was deleted, unless the call allows that', async () => {
    await call('deleteMessage', { chat_id: 777, message_id: 1 });
    const reply_parameters = { message_id: 1 };
    const media = [1, 2].map((n) => ({ type: 'photo' as const, media: file(jpeg(String(n)), 'p.jpg') }));
    expect(await refused(api.sendMediaGroup(777, media, { reply_parameters }))).toBe(
      '400 Bad Request: message to be replied not found',
    );
    const allowed = { reply_parameters: { ...reply_parameters, allow_sending_without_reply: true } };
    const [first] = await api.sendMediaGroup(777, media, allowed);
    expect(first).not.toHaveProperty('reply_to_message');
    expect(bot.chat(777).inbox).toHaveLength(2);
  });
});
