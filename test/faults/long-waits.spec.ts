import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

const TEN_MINUTES = 600;

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
});

afterAll(async () => bridge?.stop());

const silences = (chat: Conversation, seconds: number) =>
  bridge.telegram.faults.next('sendMessage', { tooManyRequests: seconds }, 1, chat.toClient);

/** Notes on waits, once there are so many and a moment has passed. */
async function told(chat: Conversation, times: number): Promise<string[]> {
  const notes = () => chat.notes.filter((note) => note.includes('Telegram asks the bot to pause'));
  await eventually(notes, (found) => found.length >= times);
  await new Promise((resolve) => setTimeout(resolve, 500));
  return notes();
}

async function silenced(): Promise<{ what: string; advice: string; ok: boolean } | undefined> {
  const { json } = await bridge.program.admin('GET', '/doctor');
  return json.checks.find(({ id }: { id: string }) => id.endsWith(':silenced'));
}

/** A restart, as if the time named had passed meanwhile. */
async function restartAfterWaits(): Promise<void> {
  await bridge.program.stop();
  const client = new Client({ connectionString: bridge.database.directUrl });
  await client.connect();
  await client.query(`UPDATE lanes SET due_at = now(), waits_until = now() WHERE waits_until > now()`);
  await client.query(`UPDATE endpoints SET cooldown_until = now() WHERE cooldown_until > now()`);
  await client.end();
  await bridge.restart();
}

describe('a long retry_after of Telegram', () => {
  let first: Conversation;
  let second: Conversation;
  let third: Conversation;

  beforeAll(async () => {
    [first, second, third] = await Promise.all([
      Conversation.begin(bridge, 1_301),
      Conversation.begin(bridge, 1_302),
      Conversation.begin(bridge, 1_303),
    ]);
  });

  it('of five minutes or less is nobody’s affair', async () => {
    silences(second, 2);
    second.answers('soon');
    await second.becomes('soon', 'delivered');
    expect(second.notes).toEqual([]);
    expect(await silenced()).toBeUndefined();
  });

  it('is told once in the dialog, however many messages wait there, and by the doctor', async () => {
    silences(first, TEN_MINUTES);
    first.answers('one');
    const [note] = await told(first, 1);
    expect(note).toMatch(/in (9|10) minutes/);
    expect(note).toContain('«one»');
    first.answers('two');
    bridge.portal.systemText('tg:1301', 'Your request is number 7.');
    const check = await eventually(silenced, (found) => found?.what.includes('3 answers') ?? false, 25_000);
    expect(check).toMatchObject({ ok: false });
    expect(check!.what).toContain('@shop_bot');
    expect(check!.what).toMatch(/until \d{4}-\d\d-\d\d \d\d:\d\d UTC/);
    expect(await told(first, 1)).toHaveLength(1);
    expect(second.notes).toEqual([]);
    second.answers('others go on');
    await second.becomes('others go on', 'delivered');
  });

  it('is told in every chat where an operator waits when it is the bot that must be silent', async () => {
    silences(second, TEN_MINUTES);
    second.answers('too fast');
    await told(second, 1);
    bridge.portal.systemText('tg:1303', 'All operators are busy.');
    await eventually(silenced, (found) => found?.what.includes('5 answers') ?? false, 25_000);
    expect(third.notes).toEqual(['All operators are busy.']);
    third.answers('here I am');
    third.answers('and again');
    const notes = await told(third, 1);
    expect(notes).toEqual([expect.stringContaining('«here I am»')]);
    expect(third.sends).toBe(0);
  });

  it('is not told again after a restart, nor when the same message has to wait again', async () => {
    silences(first, TEN_MINUTES);
    await restartAfterWaits();
    await second.becomes('too fast', 'delivered');
    await third.becomes('and again', 'delivered', 20_000);
    await eventually(
      () => first.sends,
      (sends) => sends === 2,
    );
    await eventually(silenced, (found) => found !== undefined, 25_000);
    for (const chat of [first, second, third]) expect(await told(chat, 1)).toHaveLength(1);
  });

  it('ends by itself, in order, and the next one is told anew', async () => {
    await restartAfterWaits();
    await first.becomes('two', 'delivered', 20_000);
    await eventually(
      () => first.reached,
      (texts) => texts.length === 3,
      20_000,
    );
    expect(first.reached).toEqual(['one', 'two', 'Your request is number 7.']);
    await eventually(silenced, (found) => found === undefined, 25_000);
    silences(first, 7_200);
    first.answers('once more');
    const notes = await told(first, 2);
    expect(notes).toHaveLength(2);
    expect(notes[1]).toContain('in 2 hours');
  });
});
