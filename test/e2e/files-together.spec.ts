import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

const SEND = 'imconnector.send.messages';
const FILES = ['first', 'second', 'third'].map((words) => Buffer.from(`%PDF-1.4 ${words}`));
const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

let bridge: Bridge;
beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
});

afterAll(async () => bridge?.stop());

/** How many messages with files each request carried that carried any: the portal fetches them before it answers. */
const filesPerRequest = (): number[] =>
  bridge.portal.calls
    .filter(({ method }) => method === SEND)
    .map(({ params }) => Object.values(params['MESSAGES'] as Record<string, { message?: { files?: unknown } }>))
    .map((elements) => elements.filter(({ message }) => message?.files !== undefined).length)
    .filter((count) => count > 0);

it('of several messages with files that wait, each goes in a request of its own, once and in order', async () => {
  const chat = await Conversation.begin(bridge, 1_301);
  bridge.bitrix24.faults.next(SEND, { delayMs: 3_000 });
  chat.client.sends('a moment');
  for (const [index, content] of FILES.entries()) {
    chat.client.sendsFile('document', { content, fileName: `${index}.pdf` });
    chat.client.sends(`words ${index}`);
  }
  await chat.becomes('words 2', 'delivered', 40_000);
  const said = chat.dialog.messages.filter(({ author }) => author === 'client').slice(1);
  expect(said.map(({ text, files }) => files[0]?.sha256 ?? text)).toEqual([
    'a moment',
    ...FILES.flatMap((content, index) => [sha256(content), `words ${index}`]),
  ]);
  expect(filesPerRequest()).toEqual([1, 1, 1]);
}, 60_000);
