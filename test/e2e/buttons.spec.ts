import type { Message } from '@grammyjs/types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { dataOf } from '../support/telegram-simulator/button.presses.js';
import { sampleJpeg } from '../support/telegram-simulator/sample.media.js';

const SIZES =
  'Which size?\n[SEND=size:s]Small[/SEND] [SEND=size:l]Large[/SEND]\n[URL=https://shop.example/sizes]Table[/URL]';
const TOO_LATE = 'This button no longer works. Please write to us instead.';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
});
afterAll(async () => bridge?.stop());

const captions = ({ reply_markup }: Message) =>
  reply_markup?.inline_keyboard.map((row) => row.map(({ text }) => text)) ?? null;
const answers = () => bridge.telegram.calls.filter(({ method }) => method.toLowerCase() === 'answercallbackquery');
const answersTo = (id: string) =>
  answers()
    .filter(({ params }) => params['callback_query_id'] === id)
    .map(({ params }) => params['text'] ?? '');
const answered = (id: string, n = 1) =>
  eventually(
    () => answersTo(id),
    (texts) => texts.length >= n,
  );

/** The client's newest message from the operator with this text, once it is there. */
const shown = ({ client }: Conversation, text: string): Promise<Message> =>
  eventually(
    () => client.inbox.findLast((message) => (message.text ?? message.caption) === text),
    (message) => message !== undefined,
  ) as Promise<Message>;
const withoutButtons = ({ client }: Conversation, { message_id }: Message, timeoutMs = 10_000) =>
  eventually(
    () => client.inbox.find((message) => message.message_id === message_id)!,
    (message) => message.reply_markup === undefined,
    timeoutMs,
  );

async function asked(id: number, text = SIZES): Promise<{ talk: Conversation; question: Message }> {
  const talk = await Conversation.begin(bridge, id);
  talk.answers(text);
  return { talk, question: await shown(talk, text.split('\n')[0]!) };
}

describe('buttons that an operator writes', () => {
  it('are buttons in rows as written, and a press is answered and arrives as the words of the client, once', async () => {
    const { talk, question } = await asked(9_001);
    expect(captions(question)).toEqual([['Small', 'Large'], ['Table']]);
    expect(JSON.stringify(question.reply_markup)).not.toContain('size:');
    talk.client.sends('let me see');
    const press = talk.client.pressesText(question, 'Large')!;
    const twice = talk.client.pressesText(question, 'Small')!;
    talk.client.sends('that one');
    await talk.becomes('that one', 'delivered');
    expect(talk.received).toEqual(['hello', 'let me see', '🔘 Pressed button: Large (size:l)', 'that one']);
    expect(await answered(press.callback_query!.id)).toEqual(['']);
    expect(await answered(twice.callback_query!.id)).toEqual([TOO_LATE]);
    expect((await withoutButtons(talk, question)).text).toBe('Which size?');
    // The message that Telegram posts again, and one who was away and sees the old buttons.
    const late = talk.client.pressesText(question, 'Large')!;
    expect(await answered(late.callback_query!.id)).toEqual([TOO_LATE]);
    const [record] = (await bridge.messages('&state=ignored')).filter(
      ({ externalChatId, kind }) => externalChatId === 'tg:9001' && kind === 'callback',
    );
    expect(record).toMatchObject({ text: '🔘 Pressed button: Large', error: { code: 'late_press' } });
    expect(talk.notes).toEqual([]);
  });

  it('do not make what is pressed the contacts of the client', async () => {
    const { talk, question } = await asked(9_002, 'Your office?\n[SEND=+7 999 111-22-33]+7 999 111-22-33[/SEND]');
    talk.client.pressesText(question, '+7 999 111-22-33');
    const message = await talk.dialog.waitFor(({ text }) => text === '🔘 Pressed button: +7 999 111-22-33', 15_000);
    expect(message.disableCrm).toBe(true);
    expect(bridge.portal.lines.findClient(bridge.connectorId, 'tg:9002')!.crm.phones).toEqual([]);
  });

  it('are answered in the language of the client, politely, also when they are of a message that is gone', async () => {
    const talk = await Conversation.begin(bridge, 9_003, { language_code: 'ru' });
    talk.answers(SIZES);
    const question = await shown(talk, 'Which size?');
    const forged = structuredClone(question);
    forged.reply_markup!.inline_keyboard = [[{ text: 'Forged', callback_data: `k:${'A'.repeat(22)}` }]];
    const press = talk.client.presses(question.message_id, `k:${'A'.repeat(22)}`, forged)!;
    expect(await answered(press.callback_query!.id)).toEqual([
      'Эта кнопка больше не работает. Пожалуйста, напишите нам.',
    ]);
    // A button of another client's message.
    const other = await asked(9_004);
    forged.reply_markup!.inline_keyboard = [[{ text: 'Large', callback_data: dataOf(other.question, 'Large') }]];
    talk.client.presses(question.message_id, dataOf(other.question, 'Large'), forged);
    other.talk.client.pressesText(other.question, 'Large');
    await other.talk.dialog.waitFor(({ text }) => text === '🔘 Pressed button: Large (size:l)', 15_000);
    talk.client.sends('bye');
    await talk.becomes('bye', 'delivered');
    expect(talk.received).toEqual(['hello', 'bye']);
  });

  it('go when others come, follow an edit, and stay used when the words are edited', async () => {
    const { talk, question } = await asked(9_005);
    const second = talk.answers('Colour?\n[SEND=r]Red[/SEND]');
    const colour = await shown(talk, 'Colour?');
    await withoutButtons(talk, question);
    const stale = talk.client.pressesText(question, 'Large')!;
    expect(await answered(stale.callback_query!.id)).toEqual([TOO_LATE]);

    await talk.dialog.delivered(second, 10_000);
    const operator = bridge.portal.operator({ id: 27 });
    operator.edits(second, 'Which colour?\n[SEND=r]Red[/SEND]\n[SEND=b]Blue[/SEND]');
    const edited = await shown(talk, 'Which colour?');
    expect(edited.message_id).toBe(colour.message_id);
    expect(captions(edited)).toEqual([['Red'], ['Blue']]);
    const replaced = talk.client.pressesText(colour, 'Red')!;
    expect(await answered(replaced.callback_query!.id)).toEqual([TOO_LATE]);
    talk.client.pressesText(edited, 'Blue');
    await talk.dialog.waitFor(({ text }) => text === '🔘 Pressed button: Blue (b)', 15_000);
    await withoutButtons(talk, edited);
    operator.edits(second, 'Which colour, please?\n[SEND=r]Red[/SEND]\n[SEND=b]Blue[/SEND]');
    expect(captions(await shown(talk, 'Which colour, please?'))).toBeNull();
    operator.edits(second, 'No colour?\n[SEND=n]None[/SEND]');
    expect(captions(await shown(talk, 'No colour?'))).toEqual([['None']]);
    operator.edits(second, 'Never mind');
    expect(captions(await shown(talk, 'Never mind'))).toBeNull();
    operator.deletes(second);
    await eventually(
      () => talk.client.inbox.some(({ text }) => text === 'Never mind'),
      (there) => !there,
    );
  });

  it('stay away when the operator changes those that newer ones have replaced', async () => {
    const talk = await Conversation.begin(bridge, 9_308);
    const first = talk.answers(SIZES);
    const sizes = await shown(talk, 'Which size?');
    await talk.dialog.delivered(first, 10_000);
    const second = talk.answers('Colour?\n[SEND=r]Red[/SEND]');
    const colour = await shown(talk, 'Colour?');
    await talk.dialog.delivered(second, 10_000);
    await withoutButtons(talk, sizes);
    bridge.portal.operator({ id: 27 }).edits(first, 'Size, please?\n[SEND=m]Medium[/SEND]');
    expect(captions(await shown(talk, 'Size, please?'))).toBeNull();
    talk.client.pressesText(colour, 'Red');
    await talk.dialog.waitFor(({ text }) => text === '🔘 Pressed button: Red (r)', 15_000);
  });

  it('stand under a file, behind an album, under the last part of a long text, and under nothing but themselves', async () => {
    const talk = await Conversation.begin(bridge, 9_006);
    const operator = bridge.portal.operator({ id: 27 });
    const file = (name: string) => ({
      name,
      mime: 'image/jpeg',
      content: sampleJpeg({ width: 640, height: 480 }, name),
    });
    operator.sends('tg:9006', { text: 'This?\n[SEND=y]Yes[/SEND]', files: [file('1.jpg')] });
    expect(captions(await shown(talk, 'This?'))).toEqual([['Yes']]);
    operator.sends('tg:9006', { text: 'Those?\n[SEND=y]Yes[/SEND]', files: [file('2.jpg'), file('3.jpg')] });
    const those = await shown(talk, 'Those?');
    expect(captions(those)).toEqual([['Yes']]);
    expect(talk.client.inbox.at(-1)!.message_id).toBe(those.message_id);
    operator.sends('tg:9006', { text: '[SEND=y]Yes[/SEND]', files: [file('4.jpg'), file('5.jpg')] });
    expect(captions(await shown(talk, 'Please choose:'))).toEqual([['Yes']]);
    const long = 'a'.repeat(4_000);
    talk.answers(`${long}\n\n${'b'.repeat(300)}\n[SEND=y]Yes[/SEND]`);
    expect(captions(await shown(talk, 'b'.repeat(300)))).toEqual([['Yes']]);
    expect(captions(talk.client.inbox.find(({ text }) => text === long)!)).toBeNull();
  }, 60_000);

  it('are words where they stand in a sentence, and where Telegram does not take them', async () => {
    const talk = await Conversation.begin(bridge, 9_007);
    talk.answers('Press [SEND=1]One[/SEND] or call [CALL=+7999]us[/CALL]');
    expect(captions(await shown(talk, 'Press One or call us (+7999)'))).toBeNull();
    talk.answers('Inside\n[SEND=1]One[/SEND] [URL=http://portal/x]Portal[/URL]');
    expect(captions(await shown(talk, 'Inside\nPortal: http://portal/x'))).toEqual([['One']]);
    const body = { ok: false, error_code: 400, description: 'Bad Request: reply markup is too long' };
    bridge.telegram.faults.next('sendMessage', { status: 400, body }, 1, talk.toClient);
    talk.answers('Too many\n[SEND=1]One[/SEND]\n[SEND=2]Two[/SEND]');
    expect(captions(await shown(talk, 'Too many\nOne\nTwo'))).toBeNull();
    expect(talk.notes).toEqual([]);
  });

  it('are pressed in their topic, also under a message that Telegram has no longer', async () => {
    const ann = { id: 9_301, first_name: 'Ann' };
    const forum = bridge.bot.group({ id: -1_001_000_009_300, type: 'supergroup', title: 'Help', is_forum: true });
    forum.sets('administrator', ann);
    const topic = forum.createsTopic(ann, 'Orders');
    forum.saysInTopic(ann, topic, 'hello');
    const externalId = `tg:${forum.id}:${topic}`;
    const dialog = bridge.portal.dialog(externalId);
    await dialog.receives(1, 15_000);
    bridge.portal.operator({ id: 27 }).sends(externalId, SIZES);
    const [question] = await forum.chat.receives(1, 15_000);
    const chats = async () => (await bridge.program.admin('GET', `/chats?q=${forum.id}`)).json.items.length;
    const before = await chats();
    const press = forum.presses(ann, question!.message_id, 'Small', { accessible: false })!;
    await dialog.waitFor(({ text }) => text.includes('Pressed button: Small (size:s)'), 15_000);
    expect(await answered(press.callback_query!.id)).toEqual(['']);
    expect(await chats()).toBe(before);
  });

  it('name the one who pressed in a group, where one press is enough for all', async () => {
    const [ann, bob] = [
      { id: 9_101, first_name: 'Ann' },
      { id: 9_102, first_name: 'Bob' },
    ];
    const group = bridge.bot.group({ id: -9_100, type: 'group', title: 'Club' });
    group.sets('administrator', ann);
    group.says(ann, 'hello');
    const dialog = bridge.portal.dialog('tg:-9100');
    await dialog.receives(1, 15_000);
    bridge.portal.operator({ id: 27 }).sends('tg:-9100', SIZES);
    const [question] = await group.chat.receives(1, 15_000);
    group.presses(bob, question!.message_id, 'Small');
    const press = await dialog.waitFor(({ text }) => text.includes('Pressed button'), 15_000);
    expect(press.text).toMatch(/Bob:.*\n🔘 Pressed button: Small \(size:s\)$/s);
  });

  it('go when they are pressed, also of a message of which nobody knew whether it had arrived', async () => {
    const talk = await Conversation.begin(bridge, 9_009);
    bridge.telegram.faults.next('sendMessage', 'dropAfter', 1, talk.toClient);
    talk.answers(SIZES);
    await talk.becomes('Which size?', 'uncertain');
    const question = await shown(talk, 'Which size?');
    talk.client.pressesText(question, 'Small');
    await talk.dialog.waitFor(({ text }) => text.includes('Pressed button'), 15_000);
    expect((await withoutButtons(talk, question)).text).toBe('Which size?');
  });

  it('are pressed once however often the program is started anew', async () => {
    const { talk, question } = await asked(9_008);
    await bridge.program.kill();
    const press = talk.client.pressesText(question, 'Small')!;
    talk.client.pressesText(question, 'Large');
    await bridge.restart();
    await talk.dialog.waitFor(({ text }) => text.includes('Pressed button'), 20_000);
    expect(await answered(press.callback_query!.id)).toEqual(['']);
    await bridge.restart({}, 'kill');
    talk.client.pressesText(question, 'Small');
    talk.client.sends('and more');
    await talk.becomes('and more', 'delivered');
    expect(talk.received).toEqual(['hello', '🔘 Pressed button: Small (size:s)', 'and more']);
    // The program may have ended in the middle of taking them away.
    await withoutButtons(talk, question, 40_000);
  }, 100_000);

  it('of Telegram Business are pressed in the name of the client', async () => {
    const client = { id: 9_201, first_name: 'Carl' };
    const account = bridge.bot.connectBusiness({ id: 9_200, first_name: 'Owner' });
    account.clientSends(client, 'hello');
    const chat = await eventually(
      () => [...bridge.portal.lines.chats.values()].find(({ externalId }) => externalId.startsWith('tg:9201:b')),
      (found) => found !== undefined,
    );
    const dialog = bridge.portal.dialog(chat!.externalId);
    bridge.portal.operator({ id: 27 }).sends(chat!.externalId, SIZES);
    const [question] = await account.chat(client.id).receives(1, 15_000);
    account.clientPresses(client, question!.message_id, 'Large', { accessible: false });
    await dialog.waitFor(({ text }) => text === '🔘 Pressed button: Large (size:l)', 15_000);
    await eventually(
      () => account.chat(client.id).find(question!.message_id)!,
      (message) => message.reply_markup === undefined,
    );
  });
});
