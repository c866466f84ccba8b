import type { Message } from '@grammyjs/types';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import { Conversation, noteOf } from '../support/conversation.js';

const QUESTION = 'How did we do? Just send 1 if you are happy, 0 if not.';
const TOO_LATE = 'This conversation can no longer be rated.';
const HOUR = 3_600;

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
  rates({});
});
afterAll(async () => bridge?.stop());

function rates(vote: { timeLimit?: number; closes?: boolean }): void {
  const texts = { question: QUESTION, like: 'We are glad!', dislike: 'We are sorry.' };
  bridge.portal.lines.lines.get(LINE)!.vote = { ...texts, timeLimit: 0, closes: false, ...vote };
}

const captions = ({ reply_markup }: Message) => reply_markup?.inline_keyboard.flat().map(({ text }) => text) ?? null;
const answerTo = (id: string) =>
  eventually(
    () =>
      bridge.telegram.calls.find(
        ({ method, params }) => method.toLowerCase() === 'answercallbackquery' && params['callback_query_id'] === id,
      )?.params['text'],
    (text) => text !== undefined,
  );
const reads = ({ client }: Conversation, text: string): Promise<Message> =>
  eventually(
    () => client.inbox.findLast((message) => message.text === text),
    (message) => message !== undefined,
  ) as Promise<Message>;
const said = ({ dialog }: Conversation) => dialog.messages.map((message) => `${message.author}: ${noteOf(message)}`);

/** The operator has answered and ends the dialog; the client reads the question. */
async function asked(id: number): Promise<{ talk: Conversation; question: Message }> {
  const talk = await Conversation.begin(bridge, id);
  await talk.dialog.delivered(talk.answers('All done'), 15_000);
  talk.dialog.finish();
  return { talk, question: await reads(talk, QUESTION) };
}

/** What would have come in order before is there. */
async function says(talk: Conversation, words: string): Promise<void> {
  talk.client.sends(words);
  await talk.becomes(words, 'delivered');
}

it.each([
  ['👍', 'like', 'We are glad!'],
  ['👎', 'dislike', 'We are sorry.'],
] as const)('%s is the vote, once, and the client is thanked', async (button, vote, thanks) => {
  const { talk, question } = await asked(vote === 'like' ? 8_001 : 8_002);
  expect(captions(question)).toEqual(['👍', '👎']);
  const press = talk.client.pressesText(question, button)!;
  const second = talk.client.pressesText(question, '👎')!;
  expect(await answerTo(press.callback_query!.id)).toBe('Thank you for your rating!');
  expect(await answerTo(second.callback_query!.id)).toBe(TOO_LATE);
  await reads(talk, thanks);
  expect(talk.dialog.session).toMatchObject({ vote, reopened: 0, closed: false });
  expect(said(talk).filter((line) => line.startsWith('client'))).toEqual(['client: hello', `client: [${vote}]`]);
  await eventually(
    () => talk.client.inbox.find(({ text }) => text === QUESTION)!,
    (message) => captions(message) === null,
  );
});

it('counts also after a broadcast has come with buttons of its own', async () => {
  const { talk, question } = await asked(8_010);
  await bridge.program.admin('PATCH', `/chats/${talk.chatId}`, { tags: ['rated'] });
  const body = { name: 'Sale', text: 'Sale', buttons: 'I want it', audience: { tags: ['rated'] } };
  const { json: made } = await bridge.program.admin('POST', '/broadcasts', body);
  await bridge.program.admin('POST', `/broadcasts/${made.id}/start`);
  await reads(talk, 'Sale');
  await eventually(
    async () => (await bridge.program.admin('GET', `/broadcasts/${made.id}`)).json.state,
    (state) => state === 'done',
  );
  const press = talk.client.pressesText(question, '👍')!;
  expect(await answerTo(press.callback_query!.id)).toBe('Thank you for your rating!');
  await reads(talk, 'We are glad!');
  expect(talk.dialog.session).toMatchObject({ vote: 'like' });
});

it('counts until the line says no more, and closes the session where the line wants that', async () => {
  rates({ timeLimit: HOUR, closes: true });
  const { talk, question } = await asked(8_003);
  talk.client.pressesText(question, '👍');
  await reads(talk, 'We are glad!');
  expect(talk.dialog.session).toMatchObject({ vote: 'like', closed: true });
  expect(talk.dialog.chat!.sessions).toHaveLength(1);

  rates({ timeLimit: 1 });
  const late = await asked(8_004);
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  const press = late.talk.client.pressesText(late.question, '👍')!;
  expect(await answerTo(press.callback_query!.id)).toBe(TOO_LATE);
  await says(late.talk, 'still here');
  expect(late.talk.dialog.chat!.sessions.map(({ vote }) => vote)).toEqual([null]);
  expect(late.talk.received).toEqual(['hello', 'still here']);
  rates({});
});

it('is none after words of the client, after a newer session, and after the vote', async () => {
  const spoken = await asked(8_005);
  spoken.talk.client.sends('one more question');
  const press = spoken.talk.client.pressesText(spoken.question, '👍')!;
  expect(await answerTo(press.callback_query!.id)).toBe(TOO_LATE);
  await spoken.talk.becomes('one more question', 'delivered');
  expect(spoken.talk.dialog.session).toMatchObject({ vote: null, closed: false });
  expect(spoken.talk.received).toEqual(['hello', 'one more question']);

  const newer = await asked(8_006);
  newer.talk.dialog.finish();
  await newer.talk.dialog.delivered(newer.talk.answers('We have news'), 15_000);
  await reads(newer.talk, 'We have news');
  const sessions = newer.talk.dialog.chat!.sessions.length;
  const other = newer.talk.client.pressesText(newer.question, '👍')!;
  expect(await answerTo(other.callback_query!.id)).toBe(TOO_LATE);
  await says(newer.talk, 'thanks');
  expect(newer.talk.dialog.chat!.sessions).toHaveLength(sessions);
  expect(newer.talk.received).toEqual(['hello', 'thanks']);
});

it('reaches a session that is closed by now, as long as it is the newest', async () => {
  const { talk, question } = await asked(8_007);
  talk.dialog.finish();
  expect(talk.dialog.session).toMatchObject({ closed: true });
  talk.client.pressesText(question, '👍');
  await reads(talk, 'We are glad!');
  expect(talk.dialog.chat!.sessions).toHaveLength(1);
  expect(talk.dialog.session).toMatchObject({ vote: 'like', reopened: 1 });
});

it('waits for a portal that does not answer, and is left alone when its time is over meanwhile', async () => {
  rates({ timeLimit: 3 });
  const { talk, question } = await asked(8_008);
  const away = bridge.bitrix24.faults;
  away.next('imconnector.send.messages', { html: 503, performed: false }, 50, talk.fromClient);
  const press = talk.client.pressesText(question, '👍')!;
  expect(await answerTo(press.callback_query!.id)).toBe('Thank you for your rating!');
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  away.clear();
  await eventually(
    async () =>
      (await bridge.messages()).find(({ externalChatId, kind }) => externalChatId === 'tg:8008' && kind === 'vote'),
    (item) => item?.['state'] === 'delivered',
    30_000,
  );
  expect(talk.received).toEqual(['hello']);
  expect(talk.dialog.chat!.sessions).toHaveLength(1);
  // Nor was the portal asked to take it.
  expect(talk.dialog.messages.map(({ text }) => text)).not.toContain('Cannot rate this conversation.');
  rates({});
}, 60_000);

it('is still given by the words that the question asks for', async () => {
  const { talk, question } = await asked(8_009);
  talk.client.sends('1');
  await reads(talk, 'We are glad!');
  const press = talk.client.pressesText(question, '👎')!;
  expect(await answerTo(press.callback_query!.id)).toBe(TOO_LATE);
  expect(talk.dialog.session).toMatchObject({ vote: 'like' });
});
