import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LineMessage } from '../support/bitrix24-simulator/open-lines.js';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({
    environment: { B24_REQUESTS_PER_SECOND: '1000' },
    bitrix24: { limits: false },
  });
});

afterAll(async () => bridge?.stop());

const operator = () => bridge.portal.operator({ id: 27, name: 'Samantha Johnson' });

/** Said, in Telegram, and known to the portal as such. */
async function answered(chat: Conversation, text: string): Promise<LineMessage> {
  const message = chat.answers(text);
  await chat.becomes(text, 'delivered');
  await chat.dialog.delivered(message);
  return message;
}

async function sees(chat: Conversation, texts: string[]): Promise<void> {
  await eventually(
    () => chat.client.inbox.map(({ text }) => text),
    (seen) => JSON.stringify(seen) === JSON.stringify(texts),
  );
}

describe('what an operator does to a message that was delivered', () => {
  it('changes it for the client, however its length changes', async () => {
    const chat = await Conversation.begin(bridge, 301);
    const message = await answered(chat, 'It costs 10');
    operator().edits(message, 'It costs [b]12[/b]');
    await sees(chat, ['It costs 12']);
    expect(chat.client.inbox[0]!.entities).toMatchObject([{ type: 'bold', offset: 9, length: 2 }]);
    const [first, second] = ['a'.repeat(4000), 'b'.repeat(200)];
    operator().edits(message, `${first}\n\n${second}`);
    await sees(chat, [first, second]);
    operator().edits(message, 'In short: 12');
    await sees(chat, ['In short: 12']);
    expect(chat.notes).toEqual([]);
  });

  it('deletes it for the client', async () => {
    const chat = await Conversation.begin(bridge, 302);
    const message = await answered(chat, 'To the wrong person');
    await answered(chat, 'Sorry');
    operator().deletes(message);
    await sees(chat, ['Sorry']);
    expect(chat.notes).toEqual([]);
  });

  it('is explained to him when Telegram does not allow it', async () => {
    const chat = await Conversation.begin(bridge, 303);
    const message = await answered(chat, 'Too late');
    const refuses = (method: string, description: string) =>
      bridge.telegram.faults.next(
        method,
        { status: 400, body: { ok: false, error_code: 400, description: `Bad Request: ${description}` } },
        1,
        chat.toClient,
      );
    refuses('editMessageText', "message can't be edited");
    refuses('deleteMessage', "message can't be deleted for everyone");
    operator().edits(message, 'Too late, changed');
    const [edit] = await chat.hasNotes(1);
    expect(edit).toContain('Telegram does not allow changes to this message');
    operator().deletes(message);
    const [, deletion] = await chat.hasNotes(2);
    expect(deletion).toContain('48 hours');
    expect(chat.reached).toEqual(['Too late']);
  });

  it('follows the message when that is still waiting, and is repeated when nobody knows whether it came', async () => {
    const chat = await Conversation.begin(bridge, 304);
    const message = await answered(chat, 'One');
    bridge.telegram.faults.next('editMessageText', 'dropAfter', 1, chat.toClient);
    operator().edits(message, 'Two');
    await sees(chat, ['Two']);
    operator().edits(message, 'Three');
    await sees(chat, ['Three']);
    expect(chat.notes).toEqual([]);
    expect(chat.sends).toBe(1);
  });
});

describe('an answer to a message of the client', () => {
  it('refers to it in Telegram', async () => {
    const chat = await Conversation.begin(bridge, 305);
    const { message } = chat.client.sends('Is it red or blue?');
    await chat.becomes('Is it red or blue?', 'delivered');
    chat.client.sends('Hello?');
    await chat.becomes('Hello?', 'delivered');
    const quoted = chat.dialog.clientMessages.find(({ text }) => text === 'Is it red or blue?')!;
    operator().quotes(quoted, 'Blue');
    await chat.client.receives(1, 10_000);
    const entry = bridge.telegram.ledger().findLast(({ chatId }) => chatId === 305)!;
    expect(entry).toMatchObject({ text: 'Blue', replyTo: message.message_id });
  });
});
