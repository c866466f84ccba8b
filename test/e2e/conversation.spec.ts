import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually, LINE } from '../support/bridge.js';

describe.each([{ mode: 'polling' }, { mode: 'webhook' }])('a conversation by $mode', ({ mode }) => {
  let bridge: Bridge;

  beforeAll(async () => {
    bridge = await Bridge.start({ environment: { TG_USE_POLLING: mode === 'polling' ? '1' : '0' } });
  });

  afterAll(async () => bridge?.stop());

  it('installs itself: connector registered, events bound once, line active', async () => {
    expect(bridge.portal.lines.isReady(bridge.connectorId, LINE)).toBe(true);
    const bound = bridge.portal.handlers.filter(({ event }) => event === 'ONIMCONNECTORMESSAGEADD');
    expect(bound).toHaveLength(1);
    expect(bridge.app.installed).toBe(true);
  });

  it('carries the client’s words into the dialog with the frozen identifiers', async () => {
    const ivan = bridge.bot.client({ id: 777, first_name: 'Ivan', last_name: 'Petrov', username: 'ivan' });
    const update = ivan.sends('Здравствуйте! 👋');
    const dialog = bridge.portal.dialog('tg:777');
    const [message] = await dialog.receives(1, 10_000);
    expect(message).toMatchObject({ author: 'client', text: 'Здравствуйте! 👋' });
    expect(message!.externalIds).toEqual([`tg:777:${update.message.message_id}`]);
    const item = await eventually(
      async () => (await bridge.messages('&direction=inbound'))[0],
      (found) => found?.state === 'delivered',
    );
    expect(item).toMatchObject({
      kind: 'text',
      text: 'Здравствуйте! 👋',
      externalChatId: 'tg:777',
      telegramChatId: '777',
      telegramMessageIds: [String(update.message.message_id)],
      attempts: 1,
      error: null,
    });
  });

  it('carries the operator’s answer back, and reports its Telegram id as delivered', async () => {
    const ivan = bridge.bot.client({ id: 777, first_name: 'Ivan' });
    const dialog = bridge.portal.dialog('tg:777');
    const answer = bridge.portal
      .operator({ id: 27, name: 'Samantha Johnson' })
      .sends('tg:777', 'Good [b]afternoon[/b]!');
    const [received] = await ivan.receives(1, 10_000);
    expect(received).toMatchObject({ text: 'Good afternoon!', entities: [{ type: 'bold', offset: 5, length: 9 }] });
    const delivered = await dialog.delivered(answer, 10_000);
    expect(delivered.externalIds).toEqual([`tg:777:${received!.message_id}`]);
    const item = await eventually(
      async () => (await bridge.messages('&direction=outbound'))[0],
      (found) => found?.state === 'delivered',
    );
    expect(item).toMatchObject({
      bitrixMessageId: String(answer.id),
      telegramMessageIds: [String(received!.message_id)],
    });
  });

  it('takes the client’s next words as a sign that the answer was seen', async () => {
    bridge.bot.client({ id: 777, first_name: 'Ivan' }).sends('Thanks');
    await eventually(
      async () => (await bridge.messages('&direction=outbound'))[0],
      (item) => item?.seenAt !== null,
    );
    // The portal does nothing with read reports.
    expect(bridge.portal.calls.map(({ method }) => method)).not.toContain('imconnector.send.status.reading');
  });

  it('goes on after a restart, with nothing lost and nothing twice', async () => {
    const anna = bridge.bot.client({ id: 778, first_name: 'Anna' });
    await bridge.program.stop();
    anna.sends('one');
    anna.sends('two');
    await bridge.restart();
    const dialog = bridge.portal.dialog('tg:778');
    await dialog.receives(2, 15_000);
    expect(dialog.clientMessages.map(({ text }) => text)).toEqual(['one', 'two']);
    bridge.portal.operator({ id: 27 }).sends('tg:778', 'hello Anna');
    expect((await anna.receives(1, 10_000))[0]!.text).toBe('hello Anna');
  });

  it('keeps the order of a burst in each chat', async () => {
    const clients = [801, 802, 803].map((id) => bridge.bot.client({ id, first_name: `Client ${id}` }));
    for (let n = 1; n <= 8; n++) for (const client of clients) client.sends(`message ${n}`);
    for (const client of clients) {
      const dialog = bridge.portal.dialog(`tg:${client.id}`);
      await dialog.receives(8, 30_000);
      expect(dialog.clientMessages.map(({ text }) => text)).toEqual(
        Array.from({ length: 8 }, (_, i) => `message ${i + 1}`),
      );
    }
    const ledger = bridge.portal.ledger();
    expect(ledger.dialogs.every(({ duplicates, reordered }) => duplicates.length + reordered.length === 0)).toBe(true);
    expect(ledger).toMatchObject({ rejectedByBucket: 0, tokensInUrl: 0, eventTokensUsed: 0, botTokensInUrls: [] });
  });
});
