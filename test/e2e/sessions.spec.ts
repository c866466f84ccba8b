import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LineMessage } from '../support/bitrix24-simulator/open-lines.js';
import { SESSION_STATUS } from '../support/bitrix24-simulator/sessions.js';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

const BLOCKED = {
  status: 403,
  body: { ok: false, error_code: 403, description: 'Forbidden: bot was blocked by the user' },
};
const GOODBYE = 'Goodbye.';
/** What goes wrongly goes at once: so long is waited for it. */
const A_MOMENT = 1_500;

let bridge: Bridge;
let lastId = 700;

beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
});
afterAll(async () => bridge?.stop());
beforeEach(() => letsIn(true));

/** Whether the portal lets the administrator who installed the application enter dialogs. */
function letsIn(joinable: boolean): void {
  Object.assign(bridge.portal.lines.lines.get(LINE)!, { joinable, closingText: GOODBYE });
}

const sessionsOf = ({ dialog }: Conversation) => dialog.chat?.sessions ?? [];
const lines = ({ dialog }: Conversation) => dialog.messages.filter(({ author }) => author === 'system');
const texts = ({ dialog }: Conversation) => dialog.messages.map(({ author, text }) => `${author}: ${text}`);

/** A client who was answered, with the answer's id in Telegram. A new one each time: dialogs remember refusals. */
async function answered(): Promise<{ talk: Conversation; answer: number }> {
  const talk = await Conversation.begin(bridge, (lastId += 1));
  talk.answers('hi there');
  const [message] = await talk.client.receives(1);
  await talk.becomes('hi there', 'delivered');
  return { talk, answer: message!.message_id };
}

/** The same, and the dialog is over: the program has heard of it. */
async function finished(): Promise<{ talk: Conversation; answer: number }> {
  const begun = await answered();
  begun.talk.dialog.closeSession();
  await bridge.portal.events.idle();
  return begun;
}

const sends = () => bridge.portal.calls.filter(({ method }) => method === 'imconnector.send.messages').length;

const waiting = (talk: Conversation, kind: string) =>
  eventually(
    async () => (await bridge.messages(`&chat=${talk.chatId}`)).find((message) => message.kind === kind),
    (message) => message !== undefined,
  );

const arrives = (talk: Conversation, words: string): Promise<LineMessage> =>
  talk.dialog.waitFor(({ text }) => text.includes(words), 15_000);

describe('a dialog that is over', () => {
  it('is not opened by a reaction, which comes behind the next words, in the same call', async () => {
    const { talk, answer } = await finished();
    talk.client.reacts(answer, '👍');
    await waiting(talk, 'reaction');
    await pause(A_MOMENT);
    expect(sessionsOf(talk)).toHaveLength(1);
    expect(lines(talk)).toEqual([]);
    const item = await waiting(talk, 'reaction');
    expect(item).toMatchObject({ state: 'queued', attempts: 0, error: { code: 'waits_for_client' } });
    const timeline = await talk.timeline(String(item!.id));
    expect(timeline.at(-1)).toMatchObject({ what: 'waiting', detail: expect.stringContaining('next words') });
    const { json } = await bridge.program.admin('GET', '/overview');
    expect(json.oldestWaiting).toBeNull();
    const before = sends();

    talk.client.sends('one more question');
    await arrives(talk, '👍');
    expect(texts(talk).slice(-2)).toEqual(['client: one more question', expect.stringMatching(/^system: .*👍/s)]);
    expect(sessionsOf(talk).map(({ openedBy }) => openedBy)).toEqual(['client', 'client']);
    expect(lines(talk)[0]).toMatchObject({ disableCrm: true, authorId: 0 });
    await eventually(
      async () => (await waiting(talk, 'reaction'))!.state,
      (state) => state === 'delivered',
    );
    expect(sends() - before).toBe(1);
  });

  it('is not opened by a client who blocks the bot', async () => {
    const { talk } = await finished();
    talk.client.blocks();
    await pause(A_MOMENT);
    expect(sessionsOf(talk)).toHaveLength(1);
    expect(lines(talk)).toEqual([]);
    talk.client.unblocks();
    talk.client.sends('here again');
    await arrives(talk, 'here again');
    await eventually(
      () => lines(talk).length,
      (count) => count === 2,
    );
    expect(
      texts(talk)
        .slice(-3)
        .map((line) => line.split(':')[0]),
    ).toEqual(['client', 'system', 'system']);
    expect(sessionsOf(talk).map(({ openedBy }) => openedBy)).toEqual(['client', 'client']);
  });

  it('gets all that waited, however much, when an operator goes on', async () => {
    const { talk, answer } = await finished();
    for (let n = 0; n < 12; n++) talk.client.reacts(answer, n % 2 === 0 ? '👍' : '🔥');
    await pause(A_MOMENT);
    expect(lines(talk)).toEqual([]);
    talk.answers('a late answer');
    await eventually(
      () => lines(talk).length,
      (count) => count === 12,
      15_000,
    );
    expect(sessionsOf(talk).map(({ openedBy }) => openedBy)).toEqual(['client', 'operator']);
    expect(sessionsOf(talk).at(-1)!.woken).toEqual([]);
  });

  it('is opened by the words first, however many lines waited', async () => {
    const { talk, answer } = await finished();
    for (let n = 0; n < 15; n++) talk.client.reacts(answer, n % 2 === 0 ? '👍' : '🔥');
    await waiting(talk, 'reaction');
    for (let n = 0; n < 3; n++) talk.client.sends(`question ${n}`);
    await eventually(
      () => lines(talk).length,
      (count) => count === 15,
      15_000,
    );
    expect(talk.received).toEqual(['hello', 'question 0', 'question 1', 'question 2']);
    expect(sessionsOf(talk).map(({ openedBy }) => openedBy)).toEqual(['client', 'client']);
  });

  it('is not opened by the note on a welcome', async () => {
    const talk = await Conversation.begin(bridge, (lastId += 1));
    const { json } = await bridge.program.admin('GET', '/portals');
    const path = `/portals/${json.items[0].id}/lines/${LINE}`;
    await bridge.program.admin('PATCH', path, { welcomeText: 'Welcome!' });
    const later = { ok: false, error_code: 429, description: 'Too Many Requests', parameters: { retry_after: 2 } };
    bridge.telegram.faults.next('sendMessage', { status: 429, body: later }, 1, talk.toClient);
    talk.client.sends('/start');
    await arrives(talk, 'pressed Start');
    await bridge.program.admin('PATCH', path, { welcomeText: null });
    talk.dialog.closeSession();
    await eventually(
      () => talk.reached,
      (reached) => reached.includes('Welcome!'),
    );
    await pause(A_MOMENT);
    expect(sessionsOf(talk)).toHaveLength(1);
    talk.client.sends('thank you');
    await arrives(talk, '👋');
    expect(texts(talk).slice(-2)).toEqual(['client: thank you', expect.stringContaining('Welcome!')]);
    expect(sessionsOf(talk).map(({ openedBy }) => openedBy)).toEqual(['client', 'client']);
  });

  it('keeps what waits through a restart, and says when an old line was said', async () => {
    const { talk, answer } = await finished();
    talk.client.reacts(answer, '👍');
    const { id } = (await waiting(talk, 'reaction'))!;
    await bridge.restart();
    await pause(A_MOMENT);
    expect(sessionsOf(talk)).toHaveLength(1);
    expect((await bridge.program.admin('GET', `/messages/${String(id)}`)).json.state).toBe('queued');
    talk.client.sends('still here?');
    await arrives(talk, '👍');
    expect(texts(talk).slice(-2)[0]).toBe('client: still here?');
  });
});

describe('a session that is being closed, or was answered', () => {
  it('is not woken by a reaction', async () => {
    const { talk, answer } = await answered();
    talk.client.reacts(answer, '👍');
    await arrives(talk, '👍');
    expect(sessionsOf(talk)[0]).toMatchObject({ status: SESSION_STATUS.operatorAnswered, woken: [] });
    talk.dialog.finish();
    talk.client.reacts(answer, '🔥');
    await arrives(talk, '🔥');
    expect(sessionsOf(talk)).toMatchObject([{ status: SESSION_STATUS.beingClosed, woken: [] }]);
  });

  it('is not woken by a note, which is read at once', async () => {
    const { talk } = await answered();
    bridge.telegram.faults.next('sendMessage', BLOCKED, 1, talk.toClient);
    talk.answers('in vain');
    const note = await arrives(talk, 'Not delivered');
    expect(note).toMatchObject({ authorId: 0, sending: false });
    talk.dialog.finish();
    talk.dialog.finish();
    await pause(A_MOMENT);
    expect(sessionsOf(talk)).toMatchObject([{ closed: true, woken: [] }]);
    expect(lines(talk).filter(({ text }) => text.includes('Not delivered'))).toHaveLength(1);
  });

  it('of a client who blocked the bot can be closed: nobody wrote the closing text, so nobody is told', async () => {
    const { talk } = await answered();
    talk.client.blocks();
    await arrives(talk, 'blocked');
    talk.dialog.finish();
    const [closing] = await eventually(
      async () => (await bridge.messages(`&chat=${talk.chatId}`)).filter(({ text }) => text === GOODBYE),
      ([message]) => message?.state === 'failed',
    );
    expect(closing).toMatchObject({ authorId: '0', error: { code: 'bot_blocked' } });
    talk.dialog.finish();
    await pause(A_MOMENT);
    expect(sessionsOf(talk)).toMatchObject([{ closed: true, woken: [] }]);
    expect(
      lines(talk)
        .map(({ text }) => text)
        .filter((text) => text.includes('Not delivered')),
    ).toEqual([]);
  });

  it('takes the rating although a line came before it', async () => {
    letsIn(false);
    const { talk, answer } = await answered();
    talk.dialog.askVote();
    talk.client.reacts(answer, '👍');
    talk.client.sends('1');
    await eventually(
      () => talk.dialog.session?.vote,
      (vote) => vote === 'like',
    );
    await pause(A_MOMENT);
    expect(sessionsOf(talk)).toMatchObject([{ woken: [] }]);
    expect(lines(talk)).toEqual([]);
  });
});

describe('a portal that does not let us write past its sessions', () => {
  beforeEach(() => letsIn(false));

  it('is told of a failed answer by author 0 where a session is open', async () => {
    const { talk } = await answered();
    bridge.telegram.faults.next('sendMessage', BLOCKED, 1, talk.toClient);
    talk.answers('in vain');
    expect(await arrives(talk, 'Not delivered')).toMatchObject({ authorId: 0, disableCrm: true });
    expect(sessionsOf(talk)).toHaveLength(1);
  });

  it('keeps notes for the next words where none is, and tries once an hour', async () => {
    const { talk } = await answered();
    const later = { ok: false, error_code: 429, description: 'Too Many Requests', parameters: { retry_after: 2 } };
    bridge.telegram.faults.next('sendMessage', { status: 429, body: later }, 1, talk.toClient);
    bridge.telegram.faults.next('sendMessage', BLOCKED, 1, talk.toClient);
    talk.answers('in vain');
    talk.dialog.closeSession();
    await talk.becomes('in vain', 'failed');
    await pause(A_MOMENT);
    expect(sessionsOf(talk)).toHaveLength(1);
    expect(lines(talk)).toEqual([]);
    const asked = bridge.portal.calls.filter(({ method }) => method === 'im.message.add').length;
    await pause(A_MOMENT);
    expect(bridge.portal.calls.filter(({ method }) => method === 'im.message.add')).toHaveLength(asked);
    talk.client.sends('hello again');
    await arrives(talk, 'Not delivered');
    expect(texts(talk).slice(-2)[0]).toBe('client: hello again');
    expect(sessionsOf(talk).map(({ openedBy }) => openedBy)).toEqual(['client', 'client']);
  });

  it('is looked at after events were lost', async () => {
    letsIn(true);
    const { talk, answer } = await answered();
    bridge.portal.events.loseNext();
    talk.dialog.closeSession();
    await bridge.portal.events.idle();
    await bridge.restart();
    talk.client.reacts(answer, '👍');
    await waiting(talk, 'reaction');
    await pause(A_MOMENT);
    expect(sessionsOf(talk)).toHaveLength(1);
    expect(lines(talk)).toEqual([]);
    talk.client.sends('and now?');
    await arrives(talk, '👍');
    expect(sessionsOf(talk).map(({ openedBy }) => openedBy)).toEqual(['client', 'client']);
  });
});

it('one dialog that waits changes nothing for another', async () => {
  const [over, open] = await Promise.all([finished(), answered()]);
  over.talk.client.reacts(over.answer, '👍');
  open.talk.client.reacts(open.answer, '🔥');
  await arrives(open.talk, '🔥');
  open.talk.dialog.closeSession();
  open.talk.client.sends('a new matter');
  await arrives(open.talk, 'a new matter');
  await pause(A_MOMENT);
  expect(lines(over.talk)).toEqual([]);
  expect(sessionsOf(over.talk)).toHaveLength(1);
});

it('a line finds its note after an unknown outcome, and is not written twice', async () => {
  const { talk } = await answered();
  bridge.bitrix24.faults.next('im.message.add', 'dropAfter', 1);
  bridge.telegram.faults.next('sendMessage', BLOCKED, 1, talk.toClient);
  talk.answers('in vain');
  await arrives(talk, 'Not delivered');
  talk.client.sends('behind the note');
  await talk.becomes('behind the note', 'delivered', 25_000);
  expect(lines(talk).filter(({ text }) => text.includes('Not delivered'))).toHaveLength(1);
});
