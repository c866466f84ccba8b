import { beforeEach, expect, it } from 'vitest';
import { UpstreamError } from '../../common/upstream-error.js';
import type { OperatorReaction } from './messenger-events.parser.js';
import { OperatorReactions } from './operator-reactions.service.js';

const told: OperatorReaction = {
  bitrixChatId: '12',
  bitrixMessageId: '5012',
  externalIds: ['tg:777:11'],
  name: 'like',
  action: 'add',
};
const PORTAL = { id: 1n } as never;

let shown: [string, string | null][];
let chat: object | null;
/** What the portal says of the message; undefined: it does not. */
let names: string[] | undefined;
let failure: UpstreamError | null;
let tries: number;

beforeEach(() => {
  [shown, names, failure, tries] = [[], undefined, null, 0];
  chat = { botId: 7n, externalId: 'tg:777', telegramChatId: 777n, isBusiness: false };
});

const show = (...reactions: Partial<OperatorReaction>[]) => {
  const chats = { inDialog: () => Promise.resolve(chat) };
  const client = {
    show: ({ telegramMessageId }: { telegramMessageId: bigint }, emoji: string | null) => {
      tries++;
      if (failure) return Promise.reject(failure);
      shown.push([String(telegramMessageId), emoji]);
      return Promise.resolve();
    },
  };
  const ask = () => Promise.resolve(names && { reactions: names.map((reaction) => ({ reaction })) });
  const service = new OperatorReactions(chats as never, client as never);
  return service.show(
    PORTAL,
    reactions.map((reaction) => ({ ...told, ...reaction })),
    ask,
  );
};

it('the newest of a message is shown, each message has its own', async () => {
  const other = { bitrixMessageId: '5013', externalIds: ['tg:777:12'] };
  expect(await show({}, { ...other, name: 'fire' }, { name: 'redHeart' })).toBe(true);
  expect(shown).toEqual([
    ['11', '❤'],
    ['12', '🔥'],
  ]);
});

it('what is taken back leaves what others have given, or nothing', async () => {
  await show({ action: 'delete' });
  names = ['facepalm', 'kiss'];
  await show({ action: 'delete' });
  names = [];
  await show({ action: 'delete' });
  expect(shown.map(([, emoji]) => emoji)).toEqual([null, '😘', null]);
});

it('where the event does not say what happened the portal is asked, or nothing is done', async () => {
  await show({ action: null });
  expect(shown).toEqual([]);
  names = ['like'];
  await show({ action: null });
  names = [];
  await show({ action: null });
  expect(shown.map(([, emoji]) => emoji)).toEqual(['👍', null]);
});

it('of an album, or of a text in several parts, the first message has it', async () => {
  await show({ externalIds: ['tg:777:13', 'tg:777:12'] });
  await show({ externalIds: ['tg:777:14:2'] });
  await show({ externalIds: ['tg:777:15:m3'] });
  expect(shown.map(([id]) => id)).toEqual(['12', '14', '15']);
});

it.each([
  ['of another chat', { externalIds: ['tg:7777:11'] }],
  ['of another topic of the chat', { externalIds: ['tg:777:x:11'] }],
  ['that our connector does not know', { externalIds: [] }],
  ['that Telegram has nothing like', { name: 'facepalm' }],
])('nothing is shown of one %s', async (_, reaction) => {
  expect(await show(reaction)).toBe(true);
  expect(shown).toEqual([]);
});

it('nothing is shown in dialogs of others, and of Business accounts', async () => {
  chat = { ...chat, isBusiness: true };
  await show({});
  chat = null;
  await show({});
  expect(shown).toEqual([]);
});

it('one that Telegram refuses is dropped, one that did not get there is tried again', async () => {
  const fields = { network: 'telegram', code: '400', detail: 'REACTION_INVALID', scope: 'message' } as const;
  failure = new UpstreamError({ ...fields, kind: 'refused' });
  expect(await show({})).toBe(true);
  failure = new UpstreamError({ ...fields, kind: 'unknown' });
  expect(await show({})).toBe(false);
});

it('a bot that is not answered is asked for one only: its others would wait as long again, each', async () => {
  failure = new UpstreamError({
    network: 'telegram',
    code: 'ETIMEDOUT',
    detail: '',
    scope: 'endpoint',
    kind: 'unknown',
  });
  const storm = Array.from({ length: 100 }, (_, at) => ({ bitrixMessageId: `${at}`, externalIds: [`tg:777:${at}`] }));
  expect(await show(...storm)).toBe(false);
  expect(tries).toBe(1);
});
