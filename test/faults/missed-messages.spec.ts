import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DatabaseService } from '../../src/storage/postgres/database.service.js';
import { PAUSE_SECONDS } from '../../src/storage/work/answer-pauses.js';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { TcpProxy } from '../support/tcp-proxy.js';

let bridge: Bridge;
let proxy: TcpProxy;

beforeAll(async () => {
  bridge = await Bridge.start({ installed: false });
  proxy = await TcpProxy.before(bridge.database.url);
  bridge.environment.DATABASE_URL = proxy.through(bridge.database.url);
  await bridge.restart();
  await bridge.install();
});

afterAll(async () => {
  await bridge?.stop();
  await proxy?.stop();
});

it('delivers once what operators wrote while the program was away, and nothing that was not meant for the client', async () => {
  const ivan = bridge.bot.client({ id: 777, first_name: 'Ivan' });
  const operator = bridge.portal.operator({ id: 27, name: 'Samantha' });
  ivan.sends('Hello');
  await bridge.portal.dialog('tg:777').receives(1, 10_000);
  const before = operator.sends('tg:777', 'before');
  await bridge.portal.dialog('tg:777').delivered(before, 10_000);

  await bridge.program.stop();
  const first = operator.sends('tg:777', 'while [b]away[/b] 1');
  operator.whispers('tg:777', 'for colleagues only');
  const dialog = bridge.portal.chat('tg:777');
  bridge.portal.lines.store(dialog, { author: 'operator', authorId: 27, text: 'A copy that the portal made' });
  bridge.portal.lines.store(dialog, { author: 'system', authorId: 0, text: 'A note of the box' });
  const second = operator.sends('tg:777', 'while away 2');
  await bridge.portal.events.idle();
  expect(bridge.portal.ledger().eventsLost).toBeGreaterThanOrEqual(2);
  await bridge.restart();

  await ivan.receives(3, 60_000);
  await bridge.portal.dialog('tg:777').delivered(second, 10_000);
  expect(ivan.inbox.map(({ text }) => text)).toEqual(['before', 'while away 1', 'while away 2']);
  expect(bridge.portal.message(first).sending).toBe(false);

  // Another start finds nothing that is not delivered already.
  await bridge.restart();
  const last = operator.sends('tg:777', 'after');
  await bridge.portal.dialog('tg:777').delivered(last, 10_000);
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  expect(ivan.inbox.map(({ text }) => text)).toEqual(['before', 'while away 1', 'while away 2', 'after']);
}, 90_000);

describe('what was missed is not overtaken', () => {
  const HISTORY = 'imopenlines.session.history.get';
  let lastId = 800;

  /** A conversation in which one answer went through, so that both sides know the dialog. */
  async function begin(): Promise<Conversation> {
    const chat = await Conversation.begin(bridge, ++lastId);
    chat.answers('before');
    await chat.becomes('before', 'delivered');
    return chat;
  }

  const events = () => bridge.portal.events.idle();
  const becomeDelivered = async (chat: Conversation, texts: string[]) => {
    for (const text of texts) await chat.becomes(text, 'delivered', 40_000);
  };

  it('after a restart, by what operators write while the dialogs are still being read', async () => {
    const [chat, other] = [await begin(), await begin()];
    await bridge.program.stop();
    chat.answers('missed 1');
    chat.answers('missed 2');
    await events();
    bridge.bitrix24.faults.next(HISTORY, { delayMs: 2_000 });
    await bridge.restart();
    chat.answers('newer');
    other.answers('newer');
    await becomeDelivered(chat, ['missed 1', 'missed 2', 'newer']);
    await becomeDelivered(other, ['newer']);
    expect(chat.reached).toEqual(['before', 'missed 1', 'missed 2', 'newer']);
    expect(other.reached).toEqual(['before', 'newer']);
  }, 90_000);

  it('after the database was away, by the first messages that are taken again', async () => {
    const chat = await begin();
    await proxy.cut();
    chat.answers('refused 1');
    chat.answers('refused 2');
    await events();
    bridge.bitrix24.faults.next(HISTORY, { delayMs: 2_000 }, 2);
    await proxy.restore();
    await bridge.program.ready(20_000);
    chat.answers('newer');
    await becomeDelivered(chat, ['refused 1', 'refused 2', 'newer']);
    expect(chat.reached).toEqual(['before', 'refused 1', 'refused 2', 'newer']);
  }, 90_000);

  it('unless the portal cannot be read: answers wait for it, but not for ever', async () => {
    const chat = await begin();
    await bridge.program.stop();
    chat.answers('missed');
    await events();
    bridge.bitrix24.faults.next(HISTORY, { html: 503, performed: false }, Infinity);
    const begun = performance.now();
    await bridge.restart();
    chat.answers('newer');
    await chat.becomes('newer', 'delivered', (PAUSE_SECONDS + 5) * 1_000);
    expect(performance.now() - begun).toBeGreaterThan(PAUSE_SECONDS * 1_000 - 1_000);
    expect(chat.reached).toEqual(['before', 'newer']);

    bridge.bitrix24.faults.clear();
    await chat.becomes('missed', 'delivered', 30_000);
    expect(chat.reached).toEqual(['before', 'newer', 'missed']);
  }, 120_000);
});

describe('what happened while the program was away', () => {
  let lastId = 900;
  const samantha = () => bridge.portal.operator({ id: 27, name: 'Samantha Johnson' });
  const begin = () => Conversation.begin(bridge, ++lastId);
  const dialogOf = (chat: Conversation) => bridge.portal.chat(`tg:${chat.client.id}`);
  const sees = (chat: Conversation, texts: string[], timeoutMs = 15_000) =>
    eventually(
      () => chat.client.inbox.map(({ text, caption }) => text ?? caption ?? ''),
      (seen) => JSON.stringify(seen) === JSON.stringify(texts),
      timeoutMs,
    );
  const callsTo = (chat: Conversation, method: RegExp) =>
    bridge.telegram.calls.filter((call) => method.test(call.method) && chat.toClient(call.params)).length;

  async function answered(chat: Conversation, text: string) {
    const message = chat.answers(text);
    await chat.becomes(text, 'delivered');
    await chat.dialog.delivered(message);
    return message;
  }

  async function whileAway(happens: () => void | Promise<void>): Promise<void> {
    await bridge.program.stop();
    await happens();
    await bridge.portal.events.idle();
    await bridge.restart();
  }

  it('texts are read as they were written, texts of the line itself too, and nothing without the portal’s mark', async () => {
    const chat = await begin();
    await whileAway(() => {
      bridge.portal.lines.store(dialogOf(chat), { author: 'operator', authorId: 27, text: 'A copy' });
    });
    await whileAway(() => {
      samantha().sends(`tg:${chat.client.id}`, 'See [url=https://a.example/?x=1&y=2]<here> & there[/url]\nBye');
      bridge.portal.systemText(`tg:${chat.client.id}`, 'We are closed until 9:00');
    });
    await sees(chat, ['See <here> & there\nBye', 'We are closed until 9:00']);
    expect(chat.client.inbox[0]!.entities).toMatchObject([
      { type: 'text_link', offset: 4, length: 14, url: 'https://a.example/?x=1&y=2' },
    ]);
  }, 90_000);

  it('answers made with "Reply" stay answers, to the client’s words and to an operator’s', async () => {
    const chat = await begin();
    const offer = await answered(chat, 'It costs 10');
    const [question] = chat.dialog.clientMessages;
    await whileAway(() => {
      samantha().replies(question!, 'Hello to you');
      samantha().replies(offer, 'In euros');
    });
    await sees(chat, ['It costs 10', 'Hello to you', 'In euros']);
    const [cost, greeting, currency] = bridge.telegram.ledger().filter(({ chatId }) => chatId === chat.client.id);
    expect(chat.client.chat.find(greeting!.replyTo!)?.text).toBe('hello');
    expect(currency!.replyTo).toBe(cost!.messageId);
  }, 60_000);

  it('every session since then is read', async () => {
    const chat = await begin();
    await answered(chat, 'before');
    const { lines } = bridge.portal;
    dialogOf(chat).members.add(1);
    await whileAway(() => {
      for (const text of ['in the old session', 'in one between', 'in the newest']) {
        chat.answers(text);
        if (text !== 'in the newest') lines.closeSession(dialogOf(chat));
      }
      // It may be heard, and open a session or go to the newest one, before the dialog is read.
      chat.client.sends('Anybody there?');
    });
    await sees(chat, ['before', 'in the old session', 'in one between', 'in the newest']);
    await bridge.restart();
    await answered(chat, 'after');
    expect(chat.reached).toEqual(['before', 'in the old session', 'in one between', 'in the newest', 'after']);
  }, 90_000);

  it('changes of what was delivered reach the client, each once, and then again the other way', async () => {
    const chat = await begin();
    const [price, wrong] = [await answered(chat, 'It costs 10'), await answered(chat, 'To the wrong person')];
    await whileAway(() => {
      samantha().edits(price, 'It costs [b]12[/b]');
      samantha().deletes(wrong);
    });
    await sees(chat, ['It costs 12']);
    await whileAway(() => samantha().edits(price, 'It costs 10'));
    await sees(chat, ['It costs 10']);
    await bridge.restart();
    await answered(chat, 'So it stays');
    expect(callsTo(chat, /^editMessageText$/i)).toBe(2);
    expect(callsTo(chat, /^deleteMessages?$/i)).toBe(1);
    const { id } = await chat.becomes('It costs 10', 'delivered');
    const { json } = await bridge.program.admin('GET', `/messages/${id}`);
    expect(json.revisions.map(({ text }: { text: string }) => text)).toEqual([
      'It costs 10',
      'It costs 12',
      'It costs 10',
    ]);
    expect(chat.notes).toEqual([]);
  }, 120_000);

  it('files are fetched by their ids; without the permission the operator reads which one did not arrive', async () => {
    const chat = await begin();
    const pdf = (name: string) => ({ name, mime: 'application/pdf', content: `%PDF ${name}` });
    await whileAway(() => {
      samantha().sends(`tg:${chat.client.id}`, { text: 'The offer', files: [pdf('offer.pdf')] });
    });
    await sees(chat, ['The offer']);
    const [note] = await chat.hasNotes(1);
    expect(note).toContain('offer.pdf: the portal announced it too late');
    bridge.app.scope.push('disk');
    let sent = '';
    await whileAway(() => {
      const { files } = samantha().sends(`tg:${chat.client.id}`, { text: 'Again', files: [pdf('again.pdf')] });
      sent = files[0]!.sha256;
    });
    await sees(chat, ['The offer', 'Again']);
    const last = bridge.telegram.ledger().findLast(({ chatId }) => chatId === chat.client.id);
    expect(last?.file?.sha256).toBe(sent);
    expect(chat.notes).toHaveLength(1);
  }, 90_000);

  it('a delivery of which the portal does not know is reported again, and not made again', async () => {
    const chat = await begin();
    const message = await answered(chat, 'Once');
    await whileAway(async () => {
      Object.assign(bridge.portal.message(message.id), { sending: true, externalIds: [] });
      const db = new DatabaseService(bridge.database.url);
      await db.query(`UPDATE attempts SET finished_at = finished_at - interval '1 hour'`);
      await db.query(`UPDATE messages SET delivered_at = delivered_at - interval '1 hour'`);
      await db.onApplicationShutdown();
    });
    await chat.dialog.delivered(message, 15_000);
    await eventually(
      () => bridge.portal.message(message.id).externalIds.length,
      (count) => count === 1,
    );
    expect(chat.reached).toEqual(['Once']);
  }, 60_000);
});
