import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOLD_SECONDS } from '../../src/storage/portals.repository.js';
import { Bridge } from '../support/bridge.js';
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
  bridge.portal.systemText('tg:777', 'A system line');
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
    await chat.becomes('newer', 'delivered', (HOLD_SECONDS + 5) * 1_000);
    expect(performance.now() - begun).toBeGreaterThan(HOLD_SECONDS * 1_000 - 1_000);
    expect(chat.reached).toEqual(['before', 'newer']);

    bridge.bitrix24.faults.clear();
    await chat.becomes('missed', 'delivered', 30_000);
    expect(chat.reached).toEqual(['before', 'newer', 'missed']);
  }, 120_000);
});
