import type { Message } from '@grammyjs/types';
import { InputFile } from 'grammy';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sampleJpeg, sampleMp4 } from './sample.media.js';
import { api, ivan, refused, start, tg } from './simulator.stage.js';

const jpeg = (label: string) => new InputFile(sampleJpeg({ width: 640, height: 480 }, label), 'p.jpg');
const NOT_MODIFIED =
  '400 Bad Request: message is not modified: specified new message content and reply markup are exactly the same as ' +
  'a current content and reply markup of the message';

beforeEach(async () => {
  await start();
  ivan.sends('hello');
});
afterEach(() => tg.stop());

describe('editMessageCaption', () => {
  it('changes a caption, and only to something new', async () => {
    const { message_id } = await api.sendPhoto(777, jpeg('a'), { caption: 'typo' });
    const edited = await api.editMessageCaption(777, message_id, { caption: 'fixed' });
    expect(edited).toMatchObject({ caption: 'fixed', photo: [{}, {}, {}], edit_date: expect.any(Number) });
    expect(await refused(api.editMessageCaption(777, message_id, { caption: ' fixed ' }))).toBe(NOT_MODIFIED);
    expect(await refused(api.editMessageCaption(777, message_id, { caption: 'x'.repeat(1025) }))).toContain(
      'message caption is too long',
    );
    await api.editMessageCaption(777, message_id, {});
    expect(ivan.inbox[0]).not.toHaveProperty('caption');
    expect(tg.changes()).toMatchObject([
      { change: 'edited', messageId: message_id, content: { caption: 'fixed', kind: 'photo' } },
      { change: 'edited', messageId: message_id, content: { caption: undefined } },
    ]);
  });

  it('and editMessageText are for captions and for texts', async () => {
    const text = await api.sendMessage(777, 'text');
    const photo = await api.sendPhoto(777, jpeg('a'));
    const place = await api.sendLocation(777, 1, 1);
    expect(await refused(api.editMessageCaption(777, text.message_id, { caption: 'x' }))).toBe(
      '400 Bad Request: there is no caption in the message to edit',
    );
    expect(await refused(api.editMessageCaption(777, place.message_id, { caption: 'x' }))).toContain('no caption');
    expect(await refused(api.editMessageText(777, photo.message_id, 'x'))).toBe(
      '400 Bad Request: there is no text in the message to edit',
    );
    expect(await refused(api.editMessageCaption(777, 1, { caption: 'x' }))).toContain("message can't be edited");
  });
});

describe('editMessageMedia', () => {
  it('puts another file in the place of one, or of a text', async () => {
    const { message_id } = await api.sendPhoto(777, jpeg('a'), { caption: 'Old' });
    const edit = (label: string, caption?: string) =>
      api.editMessageMedia(777, message_id, { type: 'photo', media: jpeg(label), ...(caption && { caption }) });
    expect(await refused(edit('a', 'Old'))).toBe(NOT_MODIFIED);
    expect(await edit('b')).not.toHaveProperty('caption');
    await api.editMessageMedia(777, message_id, {
      type: 'document',
      media: new InputFile(Buffer.from('x'), 'x.txt'),
    });
    expect(ivan.inbox[0]).not.toHaveProperty('photo');
    expect(ivan.inbox[0]).toMatchObject({ document: { file_name: 'x.txt' } });

    const text = await api.sendMessage(777, 'text');
    await api.editMessageMedia(777, text.message_id, { type: 'photo', media: jpeg('c'), caption: 'text' });
    expect(ivan.inbox[1]).toMatchObject({ caption: 'text' });
    expect(ivan.inbox[1]).not.toHaveProperty('text');
  });

  it('leaves what cannot be replaced, and an album among its kinds', async () => {
    const voice = await api.sendVoice(777, new InputFile(Buffer.from('OggS'), 'v.ogg'));
    expect(await refused(api.editMessageMedia(777, voice.message_id, { type: 'photo', media: jpeg('a') }))).toBe(
      "400 Bad Request: message media can't be edited",
    );
    const [first] = (await api.sendMediaGroup(777, [
      { type: 'photo', media: jpeg('1') },
      { type: 'photo', media: jpeg('2') },
    ])) as Message[];
    const replace = (type: 'video' | 'document') =>
      api.editMessageMedia(777, first!.message_id, { type, media: new InputFile(sampleMp4('v'), 'v.mp4') });
    expect(await refused(replace('document'))).toBe("400 Bad Request: can't change media type in the album");
    expect(await replace('video')).toMatchObject({ media_group_id: first!.media_group_id });
  });
});

describe('deletions', () => {
  it('are 1 to 100 at once and stand in the journal', async () => {
    const sent = await Promise.all(['a', 'b'].map((text) => api.sendMessage(777, text)));
    const ids = sent.map(({ message_id }) => message_id);
    expect(await refused(api.deleteMessages(777, []))).toBe('400 Bad Request: message identifiers are not specified');
    expect(
      await refused(
        api.deleteMessages(
          777,
          Array.from({ length: 101 }, (_, n) => n + 1),
        ),
      ),
    ).toBe('400 Bad Request: too many message identifiers specified');
    await api.deleteMessages(777, [...ids, 99]);
    expect(ivan.inbox).toEqual([]);
    expect(tg.changes().map(({ change, messageId }) => [change, messageId])).toEqual(ids.map((id) => ['deleted', id]));
    expect(await refused(api.deleteMessage(777, ids[0]!))).toBe('400 Bad Request: message to delete not found');
  });
});
