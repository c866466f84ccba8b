import type { Update } from '@grammyjs/types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually, HANDLER_SECRET } from '../support/bridge.js';
import type { Program } from '../support/program.js';

describe.each([{ mode: 'polling' }, { mode: 'webhook' }])('everything twice, by $mode', ({ mode }) => {
  let bridge: Bridge;
  let replica: Program;

  beforeAll(async () => {
    bridge = await Bridge.start({ environment: { TG_USE_POLLING: mode === 'polling' ? '1' : '0' } });
    replica = await bridge.replica({ PUBLIC_URL: bridge.program.url });
  });

  afterAll(async () => {
    await replica?.stop();
    await bridge?.stop();
  });

  /** The update posted `times` at the same moment, to both replicas in turn. */
  async function push(update: Update, times: number): Promise<void> {
    const answers = await Promise.all(
      Array.from({ length: times }, (_, i) => (i % 2 === 0 ? bridge.program : replica).post('/tg/webhook', update)),
    );
    expect(answers.map(({ status, text }) => [status, text])).toEqual(answers.map(() => [200, '']));
  }

  async function postEvent(form: string, times: number): Promise<void> {
    const path = `/b24/handler?secret=${HANDLER_SECRET}`;
    const answers = await Promise.all(
      Array.from({ length: times }, (_, i) => (i % 2 === 0 ? bridge.program : replica).post(path, form)),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  }

  const textsOf = async (direction: string, text: string) =>
    (await bridge.messages(`&direction=${direction}`)).filter((item) => item.text === text);

  it('keeps one message of an update that comes twice, and of one that comes twenty times at once', async () => {
    const ivan = bridge.bot.client({ id: 777, first_name: 'Ivan' });
    const dialog = bridge.portal.dialog('tg:777');
    const twice = ivan.sends('twice');
    await push(twice, 1);
    await push(twice, 1);
    await push(ivan.sends('twenty times'), 20);
    await dialog.receives(2, 10_000);
    await push(ivan.sends('and then'), 3);
    await dialog.receives(3, 10_000);
    expect(dialog.clientMessages.map(({ text }) => text)).toEqual(['twice', 'twenty times', 'and then']);
    for (const text of ['twice', 'twenty times', 'and then']) {
      expect(await textsOf('inbound', text)).toHaveLength(1);
    }
  });

  it('keeps one message of each of many new chats whose updates come several times at once', async () => {
    const updates = Array.from({ length: 10 }, (_, i) =>
      bridge.bot.client({ id: 900 + i, first_name: `Client ${i}` }).sends(`hello ${i}`),
    );
    await Promise.all(updates.map((update) => push(update, 4)));
    for (const [i] of updates.entries()) {
      const dialog = bridge.portal.dialog(`tg:${900 + i}`);
      await dialog.receives(1, 15_000);
      expect(await textsOf('inbound', `hello ${i}`)).toHaveLength(1);
    }
    const { items } = (await bridge.program.admin('GET', '/chats?limit=200')).json;
    const ids = items.map((chat: { externalId: string }) => chat.externalId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('sends one message of an event that is delivered twice, and of one that comes twenty times at once', async () => {
    const ivan = bridge.bot.client({ id: 777, first_name: 'Ivan' });
    const operator = bridge.portal.operator({ id: 27, name: 'Samantha Johnson' });
    bridge.portal.events.duplicateNext(1);
    operator.sends('tg:777', 'once');
    await ivan.receives(1, 10_000);
    await bridge.portal.events.idle();

    bridge.portal.events.loseNext(1);
    operator.sends('tg:777', 'also once');
    await bridge.portal.events.idle();
    const lost = bridge.portal.events.journal.findLast(({ event }) => event === 'ONIMCONNECTORMESSAGEADD')!;
    expect(lost.outcome).toBe('lost');
    await postEvent(lost.body, 20);
    await postEvent(lost.body, 2);
    await ivan.receives(2, 10_000);

    operator.sends('tg:777', 'the end');
    await ivan.receives(3, 10_000);
    expect(ivan.inbox.map(({ text }) => text)).toEqual(['once', 'also once', 'the end']);
    for (const text of ['once', 'also once', 'the end']) {
      expect(await textsOf('outbound', text)).toHaveLength(1);
    }
    await eventually(
      () => bridge.portal.ledger().clocksLeft,
      (waiting) => waiting.length === 0,
    );
  });

  it('takes the same message in its short form and with one event per handler once', async () => {
    const body = {
      event: 'ONIMCONNECTORMESSAGEADD',
      data: { chat: { id: 'tg:777' }, message: { id: 'b24:1', text: 'from a script' } },
    };
    const answers = await Promise.all(Array.from({ length: 10 }, () => bridge.handler(body)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    await bridge.bot.client({ id: 777, first_name: 'Ivan' }).receives(4, 10_000);
    const [item, ...more] = await textsOf('outbound', 'from a script');
    expect(more).toEqual([]);
    expect(item).toMatchObject({ bitrixMessageId: '1', unsigned: true });
  });

  it('leaves no dialog with a message twice or out of order', () => {
    const { dialogs, eventTokensUsed } = bridge.portal.ledger();
    expect(dialogs.filter(({ duplicates, reordered }) => duplicates.length + reordered.length > 0)).toEqual([]);
    expect(eventTokensUsed).toBe(0);
    const sent = bridge.telegram.ledger().map(({ text }) => text);
    expect(new Set(sent).size).toBe(sent.length);
  });
});
