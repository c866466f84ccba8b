import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { noteOf } from '../support/conversation.js';

const OLGA = { id: 801, first_name: 'Olga' };
const DAY_MS = 86_400_000;

let bridge: Bridge;
/** How far Telegram's clock is ahead. */
let ahead = 0;

beforeAll(async () => {
  bridge = await Bridge.start({
    environment: { B24_REQUESTS_PER_SECOND: '1000' },
    bitrix24: { limits: false },
    telegram: { now: () => Date.now() + ahead },
  });
});

afterAll(async () => bridge?.stop());

const answers = (dialog: string, text: string) =>
  bridge.portal.operator({ id: 27, name: 'Samantha Johnson' }).sends(dialog, text);

const reached = (chatId: number) =>
  bridge.telegram
    .ledger()
    .filter((entry) => entry.chatId === chatId)
    .map(({ text }) => text);

const callsTo = (chatId: number) =>
  bridge.telegram.calls.filter(({ params }) => String(params['chat_id']) === String(chatId)).length;

function notes(dialog: string): Promise<string[]> {
  return eventually(
    () => bridge.portal.dialog(dialog).messages.filter(({ author }) => author === 'system'),
    (lines) => lines.some((line) => noteOf(line).startsWith('⚠️')),
  ).then((lines) => lines.map(noteOf).filter((text) => text.startsWith('⚠️')));
}

describe('an operator’s answer', () => {
  it('follows a group that became a supergroup, and the next one goes there at once', async () => {
    const group = bridge.bot.group({ id: -4001, type: 'group', title: 'Team' });
    group.sets('administrator', OLGA);
    group.says(OLGA, 'hello');
    await bridge.portal.dialog('tg:-4001').receives(1);
    const successor = bridge.bot.group({ id: -1_001_000_004_001, type: 'supergroup', title: 'Team' });
    successor.sets('administrator', OLGA);
    group.chat.migratedTo = successor.id;
    answers('tg:-4001', 'first');
    await eventually(
      () => reached(successor.id),
      (texts) => texts.includes('first'),
    );
    const calls = callsTo(group.id);
    answers('tg:-4001', 'second');
    await eventually(
      () => reached(successor.id),
      (texts) => texts.includes('second'),
      20_000,
    );
    expect(callsTo(group.id)).toBe(calls);
  });

  it('says that the topic was deleted', async () => {
    const forum = bridge.bot.group({ id: -1_001_000_004_002, type: 'supergroup', title: 'Forum', is_forum: true });
    forum.sets('administrator', OLGA);
    const topic = forum.createsTopic(OLGA, 'Orders');
    forum.saysInTopic(OLGA, topic, 'hello');
    const dialog = `tg:${forum.id}:${topic}`;
    await bridge.portal.dialog(dialog).receives(1);
    answers(dialog, 'in the topic');
    await eventually(
      () => bridge.telegram.ledger().findLast(({ chatId }) => chatId === forum.id),
      (entry) => entry?.text === 'in the topic' && entry.threadId === topic,
    );
    forum.deletesTopic(topic);
    answers(dialog, 'too late');
    expect((await notes(dialog))[0]).toContain('the topic of this dialog was deleted');
  });

  it('goes through a Business account, and is explained when the client has been silent for a day', async () => {
    const account = bridge.bot.connectBusiness({ id: 9_101, first_name: 'Owner' }, { can_reply: true });
    account.clientSends({ id: 4_103, first_name: 'Ivan' }, 'hi');
    const [{ externalChatId }] = (await eventually(
      () => bridge.messages('&q=hi'),
      (items) => items.some((item) => String(item['externalChatId']).startsWith('tg:4103:b')),
    )) as [{ externalChatId: string }];
    await bridge.portal.dialog(externalChatId).receives(1);
    answers(externalChatId, 'hello');
    await eventually(
      () => bridge.telegram.ledger().findLast(({ chatId }) => chatId === 4_103),
      (entry) => entry?.text === 'hello' && entry.businessConnectionId === account.connection.id,
    );
    ahead = 2 * DAY_MS;
    answers(externalChatId, 'still there?');
    expect((await notes(externalChatId))[0]).toContain('within the last 24 hours');
    ahead = 0;
  });
});
