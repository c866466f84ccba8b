import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BOT_TOKEN, Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { seenByOperator } from '../support/bitrix24-simulator/operator-view.js';
import type { LineMessage } from '../support/bitrix24-simulator/open-lines.js';
import { sampleJpeg } from '../support/telegram-simulator/sample.media.js';

const FRAME = '-'.repeat(54);

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
});

afterAll(async () => bridge?.stop());

const jpeg = (label: string) => sampleJpeg({ width: 640, height: 480 }, label);

/** The client's message with these words, once the dialog has it. */
const inDialog = ({ dialog }: Conversation, words: string): Promise<LineMessage> =>
  dialog.waitFor(({ author, text, deleted }) => author === 'client' && text === words && !deleted, 15_000);

/** The client's answer with these words of the client, and the quote that the operator sees before it. */
async function answered({ dialog }: Conversation, words: string) {
  const isIt = ({ author, text }: LineMessage) => author === 'client' && text.endsWith(`${FRAME}\n${words}`);
  const message = await dialog.waitFor(isIt, 15_000);
  const [quote] = seenByOperator(message.text).quotes;
  return { message, quote: quote! };
}

const versions = ({ revisions }: LineMessage) => revisions.map(({ by, to }) => `${by}: ${to}`);

describe('an answer of the client', () => {
  it('shows what it answers: a text, a part that he marked, the second part of a long one', async () => {
    const talk = await Conversation.begin(bridge, 7_001);
    const asked = await talk.dialog.delivered(talk.answers('Which size do you need?'), 10_000);
    const [question] = await talk.client.receives(1, 10_000);
    const context = `chat${asked.chatId}/${asked.id}`;
    const time = expect.stringMatching(/\d+, \d\d:\d\d \S/);
    talk.client.replies(question!.message_id, 'M');
    expect((await answered(talk, 'M')).quote).toMatchObject({ text: 'Which size do you need?', time, context });
    talk.client.replies(question!.message_id, 'in cm?', 'size');
    expect((await answered(talk, 'in cm?')).quote).toMatchObject({ text: 'size', context });
    const [first, second] = ['a'.repeat(4_000), 'b'.repeat(300)];
    talk.answers(`${first}\n\n${second}`);
    const parts = await talk.client.receives(3, 15_000);
    talk.client.replies(parts[2]!.message_id, 'why b?');
    expect((await answered(talk, 'why b?')).quote.text).toMatch(/^b{50,}…?$/);
    talk.client.replies(1, 'I said');
    const { quote } = await answered(talk, 'I said');
    expect(quote).toEqual({ text: 'hello', name: 'Client 7001', time });
  });

  it('that says only 1 or 0 has no quote before it, so that it is the rating that it was asked for', async () => {
    const talk = await Conversation.begin(bridge, 7_004);
    const asked = talk.answers('How was it? 1 or 0');
    const [question] = await talk.client.receives(1, 10_000);
    await talk.dialog.delivered(asked, 10_000);
    talk.dialog.askVote();
    talk.client.replies(question!.message_id, '1');
    await inDialog(talk, '[like]');
    expect(talk.dialog.session!.vote).toBe('like');
  });

  it('keeps its quote when it is edited', async () => {
    const talk = await Conversation.begin(bridge, 7_005);
    await talk.dialog.delivered(talk.answers('Which colour?'), 10_000);
    const [question] = await talk.client.receives(1, 10_000);
    const answer = talk.client.replies(question!.message_id, 'Rad');
    const { message, quote } = await answered(talk, 'Rad');
    talk.client.edits(answer.message.message_id, 'Red');
    const renewed = await answered(talk, 'Red');
    expect(renewed.message.id).toBe(message.id);
    expect(renewed.quote).toEqual(quote);
  });

  it('shows which picture of an album it answers', async () => {
    const talk = await Conversation.begin(bridge, 7_002);
    const album = bridge.portal.operator({ id: 27 }).sends('tg:7002', {
      text: 'Two views',
      files: ['1.jpg', '2.jpg'].map((name) => ({ name, mime: 'image/jpeg', content: jpeg(name) })),
    });
    const [, second] = await talk.client.receives(2, 15_000);
    await talk.dialog.delivered(album, 10_000);
    talk.client.replies(second!.message_id, 'this one');
    expect((await answered(talk, 'this one')).quote.text).toBe('📷 Photo');
    const item = (await bridge.messages('&q=this')).find(({ externalChatId }) => externalChatId === 'tg:7002')!;
    const { json } = await bridge.program.admin('GET', `/messages/${String(item['id'])}`);
    expect(json.replyToId).toBe((await talk.becomes('Two views', 'delivered')).id);
  });

  it('with a file keeps both', async () => {
    const talk = await Conversation.begin(bridge, 7_003);
    talk.answers('Send a picture, please');
    const [request] = await talk.client.receives(1, 10_000);
    talk.client.replies(request!.message_id, { photo: talk.client.sendsFile('photo').message.photo!, caption: 'here' });
    const { message, quote } = await answered(talk, 'here');
    expect(quote.text).toBe('Send a picture, please');
    expect(message.files).toHaveLength(1);
  });
});

describe('an edit of the client', () => {
  it('changes the words where they stand', async () => {
    const talk = await Conversation.begin(bridge, 7_011);
    const { message } = talk.client.sends('I want too');
    const line = await inDialog(talk, 'I want too');
    talk.client.edits(message.message_id, 'I want two');
    await inDialog(talk, 'I want two');
    expect(versions(line)).toEqual(['connector: I want two']);
    // Telegram tells of edits that nobody sees: a link preview that came, a message that was read.
    talk.client.editsInvisibly(message.message_id);
    talk.client.sends('please');
    await inDialog(talk, 'please');
    expect(versions(line)).toHaveLength(1);
    const item = await talk.becomes('I want two', 'delivered');
    const { json } = await bridge.program.admin('GET', `/messages/${item.id}`);
    expect(json.revisions.map(({ text }: { text: string }) => text)).toEqual(['I want too', 'I want two']);
  });

  it('changes a caption, also of an album, and leaves the files', async () => {
    const talk = await Conversation.begin(bridge, 7_012);
    const { message } = talk.client.sendsFile('photo', {}, { caption: 'a cta' });
    const line = await inDialog(talk, 'a cta');
    talk.client.edits(message.message_id, 'a cat');
    await inDialog(talk, 'a cat');
    expect(line.files).toHaveLength(1);
    const [first, second] = talk.client.sendsAlbum([{ kind: 'photo', caption: 'to pictures' }, { kind: 'photo' }]);
    const album = await inDialog(talk, 'to pictures');
    talk.client.edits(first!.message.message_id, 'two pictures');
    await inDialog(talk, 'two pictures');
    talk.client.editsInvisibly(second!.message.message_id);
    talk.client.sends('done');
    await inDialog(talk, 'done');
    expect(versions(album)).toEqual(['connector: two pictures']);
    expect(album.files).toHaveLength(2);
  });

  it('that puts another file in its place brings a message of its own, which has its own later edits', async () => {
    const talk = await Conversation.begin(bridge, 7_013);
    const { message } = talk.client.sendsFile('photo', { content: jpeg('old') }, { caption: 'the passport' });
    const old = await inDialog(talk, 'the passport');
    talk.client.editsFile(message.message_id, 'photo', { content: jpeg('new') });
    const renewed = await talk.dialog.waitFor(({ author, id }) => author === 'client' && id > old.id, 15_000);
    expect(seenByOperator(renewed.text).quotes).toMatchObject([{ text: 'the passport' }]);
    expect(renewed.files[0]!.sha256).not.toBe(old.files[0]!.sha256);
    expect(renewed.externalIds).not.toEqual(old.externalIds);
    talk.client.edits(message.message_id, 'the new passport');
    await answered(talk, 'the new passport');
    expect(old.text).toBe('the passport');
  });

  it('that puts a file in the place of words says of which, and goes on saying it', async () => {
    const talk = await Conversation.begin(bridge, 7_015);
    const { message } = talk.client.sends('the bill, please');
    const old = await inDialog(talk, 'the bill, please');
    talk.client.editsFile(message.message_id, 'photo', { content: jpeg('bill') }, { caption: 'this bill' });
    const { message: renewed, quote } = await answered(talk, 'this bill');
    expect(renewed.id).not.toBe(old.id);
    expect(renewed.files).toHaveLength(1);
    const time = expect.stringMatching(/\d+, \d\d:\d\d \S/);
    expect(quote).toEqual({ name: '✏️ Instead of the message', time, text: 'the bill, please' });
    talk.client.edits(message.message_id, 'that bill');
    expect((await answered(talk, 'that bill')).message.id).toBe(renewed.id);
    talk.client.editsFile(message.message_id, 'photo', { content: jpeg('second') });
    const third = await talk.dialog.waitFor(({ author, id }) => author === 'client' && id > renewed.id, 15_000);
    expect(seenByOperator(third.text).quotes[0]).toMatchObject({ name: quote.name, text: 'that bill' });
    expect(versions(old)).toEqual([]);
  });

  it('overtakes nothing: what is edited before it was sent arrives once, as it is now', async () => {
    const talk = await Conversation.begin(bridge, 7_014);
    const { message } = talk.client.sends('one');
    talk.client.edits(message.message_id, 'two');
    talk.client.sends('three');
    await inDialog(talk, 'three');
    await inDialog(talk, 'two');
    expect(talk.received).toEqual(['hello', 'two', 'three']);
  });
});

describe('a reaction of the client', () => {
  it('is a line of the system that says to what', async () => {
    const talk = await Conversation.begin(bridge, 7_021);
    await talk.dialog.delivered(talk.answers('It is on its way'), 10_000);
    const [answer] = await talk.client.receives(1, 10_000);
    talk.client.reacts(answer!.message_id, '👍');
    await talk.hasNotes(1);
    talk.client.reacts(answer!.message_id, '❤');
    talk.client.reacts(answer!.message_id, undefined);
    await talk.hasNotes(3);
    expect(talk.notes).toEqual([
      '>>It is on its way\nReaction: 👍',
      '>>It is on its way\nReaction: ❤',
      '>>It is on its way\nReaction removed: ❤',
    ]);
  });
});

it('a pressed button is said with its caption', async () => {
  const talk = await Conversation.begin(bridge, 7_022);
  const reply_markup = { inline_keyboard: [[{ text: 'Yes', callback_data: 'size:m' }]] };
  const { result } = (await (
    await fetch(`${bridge.telegram.url}/bot${BOT_TOKEN}/sendMessage`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ chat_id: 7_022, text: 'M?', reply_markup }),
    })
  ).json()) as { result: { message_id: number } };
  talk.client.presses(result.message_id, 'size:m');
  await inDialog(talk, '🔘 Pressed button: Yes (size:m)');
});

it('a client on the ban list is kept for the record and disturbs nobody', async () => {
  const talk = await Conversation.begin(bridge, 7_031);
  const banned = await bridge.program.admin('POST', `/chats/${talk.chatId}/ban`);
  expect(banned.status).toBe(200);
  const { message } = talk.client.sends('buy my coins');
  talk.client.edits(message.message_id, 'buy my coins!');
  await eventually(
    async () => (await bridge.messages('&state=ignored')).filter((item) => item['externalChatId'] === 'tg:7031'),
    ([item]) => (item?.['error'] as { code?: string } | undefined)?.code === 'banned',
  );
  expect((await bridge.program.admin('POST', `/chats/${talk.chatId}/unban`)).status).toBe(200);
  talk.client.sends('sorry');
  await inDialog(talk, 'sorry');
  expect(talk.received).toEqual(['hello', 'sorry']);
});

it('left nothing twice or out of order', () => {
  const { dialogs } = bridge.portal.ledger();
  expect(dialogs.filter(({ duplicates, reordered }) => duplicates.length + reordered.length > 0)).toEqual([]);
});
