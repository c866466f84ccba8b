import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { Api } from 'grammy';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sampleJpeg } from './sample.media.js';
import { api, bot, call, ivan, refused, request, start, tg, TOKEN } from './simulator.stage.js';

const MB = 1 << 20;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const download = (path: string, init?: RequestInit) => fetch(`${tg.url}/file/bot${TOKEN}/${path}`, init);
const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());

beforeEach(() => start());
afterEach(() => tg.stop());

describe('files that clients send', () => {
  it('can be downloaded byte for byte under the path that getFile names', async () => {
    const content = Buffer.from('%PDF-1.7 a contract');
    const { document } = ivan.sendsFile('document', { content, fileName: 'contract №1.pdf' }).message;
    expect(document).toMatchObject({ file_name: 'contract №1.pdf', mime_type: 'application/pdf', file_size: 19 });

    const file = await api.getFile(document!.file_id);
    expect(file).toMatchObject({ file_unique_id: document!.file_unique_id, file_size: 19 });
    expect(file.file_path).toBe('documents/file_0.pdf');
    const response = await download(file.file_path!);
    expect(response.headers.get('content-length')).toBe('19');
    expect(await bytesOf(response)).toEqual(content);
  });

  it('have ids of the bot, and unique ids of the content', async () => {
    const content = Buffer.from('one and the same');
    const first = ivan.sendsFile('document', { content }).message.document!;
    const second = ivan.sendsFile('document', { content, fileName: 'other.txt' }).message.document!;
    expect(second.file_unique_id).toBe(first.file_unique_id);
    expect(second.file_id).not.toBe(first.file_id);

    const other = tg.addBot({ token: '2:other' });
    const elsewhere = other.client({ id: 777, first_name: 'Ivan' }).sendsFile('document', { content })
      .message.document!;
    expect(elsewhere.file_unique_id).toBe(first.file_unique_id);
    expect(elsewhere.file_id).not.toBe(first.file_id);
    expect(await refused(new Api('2:other', { apiRoot: tg.url }).getFile(first.file_id))).toBe(
      '400 Bad Request: wrong file_id or the file is temporarily unavailable',
    );
    expect((await api.getFile(first.file_id)).file_id).toBe(first.file_id);
  });

  it('come in the sizes of a photo, of which only the largest has the bytes that were sent', async () => {
    const content = sampleJpeg({ width: 2000, height: 1000 }, 'landscape');
    const photo = ivan.sendsFile('photo', { content }, { caption: 'Look' }).message.photo!;
    expect(photo.map(({ width, height }) => [width, height])).toEqual([
      [90, 45],
      [320, 160],
      [800, 400],
      [2000, 1000],
    ]);
    const [small, big] = await Promise.all(
      [photo.at(0)!, photo.at(-1)!].map(async ({ file_id }) => {
        const { file_path } = await api.getFile(file_id);
        expect(file_path).toMatch(/^photos\/file_\d+\.jpg$/);
        return bytesOf(await download(file_path!));
      }),
    );
    expect(big).toEqual(content);
    expect(small!.length).toBe(photo[0]!.file_size);
    expect(small).not.toEqual(content);
  });

  it.each([
    ['video', 'videos', 'mp4', 'video/mp4'],
    ['animation', 'animations', 'mp4', 'video/mp4'],
    ['voice', 'voice', 'oga', 'audio/ogg'],
    ['audio', 'music', 'mp3', 'audio/mpeg'],
    ['video_note', 'video_notes', 'mp4', undefined],
    ['live_photo', 'videos', 'mp4', 'video/mp4'],
    ['sticker', 'stickers', 'webp', undefined],
  ] as const)('of the kind %s lie in %s/ as .%s', async (kind, folder, ending, mimeType) => {
    const { message } = ivan.sendsFile(kind);
    const media = message[kind]!;
    expect('mime_type' in media ? media.mime_type : undefined).toBe(mimeType);
    expect((await api.getFile(media.file_id)).file_path).toMatch(new RegExp(`^${folder}/file_\\d+\\.${ending}$`));
    if (kind === 'animation') expect(message.document!.file_id).toBe(media.file_id);
    if (kind === 'live_photo') expect(message.photo).toHaveLength(4);
  });

  it('are stickers of three formats, each with a thumbnail to show', async () => {
    const stickers = (['static', 'animated', 'video'] as const).map(
      (format) => ivan.sendsFile('sticker', { format }).message.sticker!,
    );
    expect(stickers.map(({ is_animated, is_video }) => [is_animated, is_video])).toEqual([
      [false, false],
      [true, false],
      [false, true],
    ]);
    const paths = await Promise.all(stickers.map(async ({ file_id }) => (await api.getFile(file_id)).file_path));
    expect(paths.map((path) => path?.split('.')[1])).toEqual(['webp', 'tgs', 'webm']);
    const { file_path } = await api.getFile(stickers[1]!.thumbnail!.file_id);
    expect((await download(file_path!)).status).toBe(200);
  });

  it('may have no type and no name', () => {
    const { document } = ivan.sendsFile('document', { mimeType: '', fileName: undefined }).message;
    expect(document).not.toHaveProperty('mime_type');
    expect(document).not.toHaveProperty('file_name');
  });
});

describe('getFile', () => {
  it('refuses more than 20 MB, and ids that it does not know', async () => {
    const [fits, large] = [20 * MB, 20 * MB + 1].map(
      (bytes) => ivan.sendsFile('video', { content: { bytes } }).message.video!,
    );
    expect((await api.getFile(fits!.file_id)).file_size).toBe(20 * MB);
    expect(await refused(api.getFile(large!.file_id))).toBe('400 Bad Request: file is too big');
    expect(await refused(api.getFile('AgAD'))).toBe(
      '400 Bad Request: wrong file_id or the file is temporarily unavailable',
    );
    expect((await call('getFile')).description).toBe('Bad Request: file_id not specified');
  });

  it('names a path that holds for an hour, and then another', async () => {
    let now = Date.now();
    await start({ now: () => now });
    const { file_id } = ivan.sendsFile('voice').message.voice!;
    const { file_path: first } = await api.getFile(file_id);
    now += 3_599_000;
    expect((await download(first!)).status).toBe(200);
    now += 2000;
    expect((await download(first!)).status).toBe(404);
    const { file_path: second } = await api.getFile(file_id);
    expect(second).not.toBe(first);
    expect((await download(second!)).status).toBe(200);
    bot.files.expireLinks();
    expect(await request(`/file/bot${TOKEN}/${second}`)).toMatchObject({ ok: false, error_code: 404 });
  });

  it('on a local server has no limit and names a path on the disk, which HTTP does not serve', async () => {
    await start({ local: true });
    const { file_id } = ivan.sendsFile('video', { content: { bytes: 21 * MB }, fileName: 'long.mov' }).message.video!;
    const { file_path, file_size } = await api.getFile(file_id);
    expect(isAbsolute(file_path!) && file_path!.endsWith('.mov')).toBe(true);
    expect((await readFile(file_path!)).length).toBe(file_size);
    expect((await download(file_path!.slice(1))).status).toBe(404);
    await tg.stop();
    await expect(readFile(file_path!)).rejects.toThrow('ENOENT');
  });
});

describe('downloads', () => {
  const content = Buffer.alloc(300_000, 'abcdefgh');
  const located = async () => {
    const { file_id } = ivan.sendsFile('document', { content }).message.document!;
    return (await api.getFile(file_id)).file_path!;
  };

  it('are for the bot that asked, and for known paths', async () => {
    const path = await located();
    const other = tg.addBot({ token: '2:other' });
    expect((await fetch(`${tg.url}/file/bot${other.profile.token}/${path}`)).status).toBe(404);
    expect((await fetch(`${tg.url}/file/bot9:nobody/${path}`)).status).toBe(404);
    expect((await download('documents/file_99.pdf')).status).toBe(404);
    expect((await download('../../etc/passwd')).status).toBe(404);
  });

  it('answer the whole file whatever the range, unless told otherwise', async () => {
    const range = { headers: { range: 'bytes=8-15' } };
    const whole = await download(await located(), range);
    expect([whole.status, (await bytesOf(whole)).length]).toEqual([200, 300_000]);

    await start({ rangeRequests: true });
    const part = await download(await located(), range);
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 8-15/300000']);
    expect(await part.text()).toBe('abcdefgh');
  });

  it('can be slow, cut, refused or dropped', async () => {
    const path = await located();
    tg.downloadFaults.next('*', { cutAfter: 100_000 });
    const cut = await download(path);
    expect(cut.headers.get('content-length')).toBe('300000');
    await expect(cut.arrayBuffer()).rejects.toThrow('terminated');

    tg.downloadFaults.next('*', { trickle: { bytes: 30_000, everyMs: 20 } });
    const started = Date.now();
    expect(sha256(await bytesOf(await download(path)))).toBe(sha256(content));
    expect(Date.now() - started).toBeGreaterThanOrEqual(190);

    tg.downloadFaults.next('*', { status: 502, body: 'bad gateway' }, 1, ({ file_path }) => file_path === path);
    expect((await download(path)).status).toBe(502);
    tg.downloadFaults.next('*', 'dropBefore');
    await expect(download(path)).rejects.toThrow('fetch failed');
    expect((await download(path)).status).toBe(200);
  });
});

describe('profile photos', () => {
  it('are none until one is set, the newest first, and in getChat', async () => {
    ivan.sends('hello');
    expect(await api.getUserProfilePhotos(777)).toEqual({ total_count: 0, photos: [] });
    ivan.setsProfilePhoto();
    const before = await api.getUserProfilePhotos(777);
    ivan.setsProfilePhoto(sampleJpeg({ width: 640, height: 640 }, 'new haircut'));
    const { total_count, photos } = await api.getUserProfilePhotos(777, { limit: 1 });
    expect([total_count, photos.length]).toEqual([2, 1]);
    expect(photos[0]!.at(-1)).toMatchObject({ width: 640, height: 640 });
    expect(photos[0]!.at(-1)!.file_unique_id).not.toBe(before.photos[0]!.at(-1)!.file_unique_id);
    const { file_path } = await api.getFile(photos[0]!.at(-1)!.file_id);
    expect(file_path).toMatch(/^profile_photos\//);
    expect((await api.getChat(777)).photo).toMatchObject({ big_file_id: photos[0]!.at(-1)!.file_id });
  });
});
