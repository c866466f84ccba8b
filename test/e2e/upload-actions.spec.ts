import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { sampleJpeg } from '../support/telegram-simulator/sample.media.js';

/** How long Telegram takes for a file here: time for a first announcement and one more. */
const SLOW_MS = 7_500;
const OLGA = { id: 1_201, first_name: 'Olga' };

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
});

afterAll(async () => bridge?.stop());

const sendsFile = (dialog: string, name: string, mime: string, content: Buffer | string) =>
  bridge.portal.operator({ id: 27, name: 'Samantha Johnson' }).sends(dialog, {
    files: [{ name, mime, content }],
  });

const actionsIn = (chatId: number) =>
  bridge.telegram.calls
    .filter(({ method, params }) => method === 'sendChatAction' && Number(params['chat_id']) === chatId)
    .map(({ params }) => params);

const slow = (method: string, chatId: number, delayMs = SLOW_MS) =>
  bridge.telegram.faults.next(method, { delayMs }, 1, (params) => Number(params['chat_id']) === chatId);

const arrives = (chatId: number) =>
  eventually(
    () => bridge.telegram.ledger().filter((entry) => entry.chatId === chatId).length,
    (count) => count > 0,
    // Two messages with files of a bot are under way at once, and the tests of this file run together.
    40_000,
  );

describe('while a file is on its way to Telegram', () => {
  it.concurrent(
    'the client sees it from the second second on, again and again, and only until it is there',
    async () => {
      const chat = await Conversation.begin(bridge, 1_210);
      slow('sendDocument', 1_210);
      const message = sendsFile('tg:1210', 'contract.pdf', 'application/pdf', '%PDF contract');
      await chat.dialog.delivered(message, 40_000);
      const shown = { chat_id: 1_210, action: 'upload_document' };
      expect(actionsIn(1_210)).toEqual([shown, shown]);
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      expect(actionsIn(1_210)).toHaveLength(2);
    },
  );

  it.concurrent('nothing is shown for one that is there within a second', async () => {
    const chat = await Conversation.begin(bridge, 1_211);
    const message = sendsFile('tg:1211', 'note.pdf', 'application/pdf', '%PDF note');
    await chat.dialog.delivered(message, 40_000);
    expect(actionsIn(1_211)).toEqual([]);
  });

  it.concurrent('an announcement that fails or hangs changes nothing', async () => {
    const [refused, hanging] = await Promise.all([
      Conversation.begin(bridge, 1_212),
      Conversation.begin(bridge, 1_213),
    ]);
    const body = { ok: false, error_code: 400, description: 'Bad Request: no' };
    bridge.telegram.faults.next('sendChatAction', { status: 400, body }, 1, refused.toClient);
    bridge.telegram.faults.next('sendChatAction', { delayMs: 40_000 }, 1, hanging.toClient);
    slow('sendPhoto', 1_212);
    slow('sendPhoto', 1_213, 3_000);
    const photo = (name: string) => sampleJpeg({ width: 640, height: 480 }, name);
    const first = sendsFile('tg:1212', 'a.jpg', 'image/jpeg', photo('a'));
    const second = sendsFile('tg:1213', 'b.jpg', 'image/jpeg', photo('b'));
    await hanging.dialog.delivered(second, 40_000);
    await refused.dialog.delivered(first, 40_000);
    expect(actionsIn(1_212)).toEqual([{ chat_id: 1_212, action: 'upload_photo' }]);
    expect(refused.notes.concat(hanging.notes)).toEqual([]);
  });

  it.concurrent('it is shown in the topic, and through the Business account', async () => {
    const forum = bridge.bot.group({ id: -1_001_000_001_214, type: 'supergroup', title: 'Forum', is_forum: true });
    forum.sets('administrator', OLGA);
    const topic = forum.createsTopic(OLGA, 'Orders');
    forum.saysInTopic(OLGA, topic, 'hello');
    const account = bridge.bot.connectBusiness({ id: 1_215, first_name: 'Owner' }, { can_reply: true });
    account.clientSends({ id: 1_216, first_name: 'Ivan' }, 'business hello');
    const inTopic = `tg:${forum.id}:${topic}`;
    await bridge.portal.dialog(inTopic).receives(1);
    const [{ externalChatId }] = (await eventually(
      () => bridge.messages('&q=business'),
      (items) => items.length > 0,
    )) as [{ externalChatId: string }];
    await bridge.portal.dialog(externalChatId).receives(1);
    slow('sendDocument', forum.id, 3_000);
    slow('sendDocument', 1_216, 3_000);
    sendsFile(inTopic, 'topic.pdf', 'application/pdf', '%PDF topic');
    sendsFile(externalChatId, 'business.pdf', 'application/pdf', '%PDF business');
    await Promise.all([arrives(forum.id), arrives(1_216)]);
    await eventually(
      () => [...actionsIn(forum.id), ...actionsIn(1_216)],
      (shown) => shown.length === 2,
    );
    expect(actionsIn(forum.id)).toEqual([{ chat_id: forum.id, message_thread_id: topic, action: 'upload_document' }]);
    expect(actionsIn(1_216)).toEqual([
      { chat_id: 1_216, business_connection_id: account.connection.id, action: 'upload_document' },
    ]);
  });
});
