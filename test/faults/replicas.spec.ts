import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually, HANDLER_SECRET } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { EndpointOwners } from '../support/endpoint-owners.js';
import type { RunningProgram } from '../support/program.js';

describe('several programs on one database', () => {
  let bridge: Bridge;
  let owners: EndpointOwners;
  /** Those that run, and all that ever did. */
  let programs: RunningProgram[];
  let started: RunningProgram[];

  beforeAll(async () => {
    bridge = await Bridge.start({
      environment: { B24_REQUESTS_PER_SECOND: '1000' },
      bitrix24: { limits: false },
      oneProcess: 'it starts the others itself',
    });
    owners = await EndpointOwners.connect(bridge.database.directUrl);
    programs = [bridge.program, ...(await Promise.all([bridge.replica(), bridge.replica()]))];
    started = [...programs];
  });

  afterAll(async () => {
    await owners?.end();
    await Promise.all(
      (programs ?? []).filter((program) => program !== bridge.program).map((program) => program.stop()),
    );
    await bridge?.stop();
  });

  /** Both endpoints by one of the programs. */
  const settled = async (among: RunningProgram[], timeoutMs = 15_000): Promise<Record<string, number>> =>
    eventually(
      () => owners.pids(),
      (pids) => {
        const alive = among.map(({ pid }) => pid);
        return Object.values(pids).length === 2 && Object.values(pids).every((pid) => alive.includes(pid));
      },
      timeoutMs,
    );
  const botOwner = async (): Promise<RunningProgram> => {
    const pids = await settled(programs);
    const [, pid] = Object.entries(pids).find(([id]) => id.startsWith('bot:'))!;
    return programs.find((program) => program.pid === pid)!;
  };
  /** What the programs were told; Telegram also answers polls of which nobody waits for the answer any more. */
  const conflicts = () => started.flatMap(({ log }) => log.filter((line) => line.includes('Polling fails')));

  it('one of three polls the bot: Telegram sees no 409', async () => {
    await settled(programs);
    const chat = await Conversation.begin(bridge, 501);
    chat.answers('hi');
    await chat.becomes('hi', 'delivered');
    expect(conflicts()).toEqual([]);
  });

  it('takes an update and an event at any of them', async () => {
    for (const [index, program] of programs.entries()) {
      const id = 510 + index;
      const chat = Conversation.of(bridge, id);
      bridge.bot.startChat(chat.client);
      const message = {
        message_id: 7,
        date: 1773265993,
        chat: { id, type: 'private' },
        from: { id, is_bot: false, first_name: 'A' },
        text: 'pushed',
      };
      const pushed = await program.post('/tg/webhook', { update_id: 900_000 + index, message });
      expect(pushed).toMatchObject({ status: 200, text: '' });
      await chat.becomes('pushed', 'delivered');
      const event = {
        event: 'ONIMCONNECTORMESSAGEADD',
        data: { chat: { id: `tg:${id}` }, message: { id: `b24:${index}`, text: 'answered' } },
      };
      expect((await program.post(`/b24/handler?secret=${HANDLER_SECRET}`, event)).status).toBe(200);
      await chat.becomes('answered', 'delivered');
      expect(chat.received).toEqual(['pushed']);
      expect(chat.reached).toEqual(['answered']);
    }
  });

  it('a change made at one of them reaches the one that drives the bot', async () => {
    const owner = await botOwner();
    const other = programs.find((program) => program !== owner)!;
    const [bot] = (await other.admin('GET', '/bots')).json.items;
    expect((await other.admin('PATCH', `/bots/${bot.id}`, { mode: 'webhook' })).status).toBe(200);
    await eventually(
      () => bridge.bot.webhookInfo.url,
      (url) => url === `${bridge.environment.PUBLIC_URL}/tg/webhook`,
      15_000,
    );
    const chat = await Conversation.begin(bridge, 520);
    expect((await other.admin('PATCH', `/bots/${bot.id}`, { mode: 'polling' })).status).toBe(200);
    await eventually(
      () => bridge.bot.webhookInfo.url,
      (url) => url === '',
      15_000,
    );
    chat.client.sends('polled again');
    await chat.becomes('polled again', 'delivered');
    expect(chat.received).toEqual(['hello', 'polled again']);
  });

  it('after SIGTERM another one takes over within 3 s, and the code is 0', async () => {
    const victim = await botOwner();
    const heirs = programs.filter((program) => program !== victim);
    const chat = await Conversation.begin(bridge, 530);
    const began = Date.now();
    const stopped = victim.stop();
    await settled(heirs, 3_000);
    expect(Date.now() - began).toBeLessThan(3_000);
    expect(await stopped).toBe(0);
    expect(Date.now() - began).toBeLessThan(10_000);
    chat.client.sends('still there?');
    await chat.dialog.receives(2, 5_000);
    programs = heirs;
    if (victim === bridge.program) bridge.program = heirs[0]!;
    const another = await bridge.replica();
    programs.push(another);
    started.push(another);
    expect(conflicts()).toEqual([]);
  });

  it('a frozen one sends nothing twice and writes nothing when it wakes up', async () => {
    const frozen = await botOwner();
    const others = programs.filter((program) => program !== frozen);
    if (frozen === bridge.program) bridge.program = others[0]!;
    const chats = await Promise.all([541, 542, 543].map((id) => Conversation.begin(bridge, id)));
    frozen.signal('SIGSTOP');
    for (const chat of chats) chat.client.sends('during the frost');
    await settled(others, 15_000);
    for (const chat of chats) await chat.becomes('during the frost', 'delivered');
    const before = await owners.pids();
    frozen.signal('SIGCONT');
    for (const chat of chats) chat.client.sends('after the frost');
    for (const chat of chats) await chat.becomes('after the frost', 'delivered');
    await eventually(
      () => frozen.log.filter((line) => line.includes('Another replica drives')).length,
      (lines) => lines > 0,
    );
    expect(await owners.pids()).toEqual(before);
    for (const chat of chats) expect(chat.received).toEqual(['hello', 'during the frost', 'after the frost']);
    const [bot] = (await bridge.program.admin('GET', '/bots')).json.items;
    expect(bot).toMatchObject({ state: 'active' });
    expect((await frozen.get('/health/ready')).status).toBe(200);
    expect(conflicts()).toEqual([]);
  });

  it('after SIGKILL another one takes over within 15 s', async () => {
    const victim = await botOwner();
    programs = programs.filter((program) => program !== victim);
    if (victim === bridge.program) bridge.program = programs[0]!;
    const chat = await Conversation.begin(bridge, 550);
    const began = Date.now();
    await victim.kill();
    chat.client.sends('alone?');
    await settled(programs, 15_000);
    await chat.dialog.receives(2, 5_000);
    expect(Date.now() - began).toBeLessThan(15_000);
    expect(chat.received).toEqual(['hello', 'alone?']);
  });
});
