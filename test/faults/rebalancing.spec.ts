import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import type { Dialog } from '../support/bitrix24-simulator/dialog.js';
import { EndpointOwners } from '../support/endpoint-owners.js';
import type { Program, RunningProgram } from '../support/program.js';
import type { SimulatedClient } from '../support/telegram-simulator/simulated.client.js';

/** With the default bot and the portal twelve endpoints. */
const MORE_BOTS = 10;
const EVERY_MS = 1_000;
/** Of which a machine with nothing else to do needs less than half. */
const SHARED_WITHIN_MS = 20_000;

/** One client of each bot, who writes and is answered all the time. */
class Chatter {
  readonly inbound: string[] = [];
  readonly outbound: string[] = [];

  constructor(
    private readonly bridge: Bridge,
    readonly client: SimulatedClient,
  ) {}

  get dialog(): Dialog {
    return this.bridge.portal.dialog(`tg:${this.client.id}`);
  }

  ask(text: string): void {
    this.inbound.push(text);
    this.client.sends(text);
  }

  answer(text: string): void {
    this.outbound.push(text);
    this.bridge.portal.operator({ id: 27 }).sends(`tg:${this.client.id}`, text);
  }

  get arrived(): { inbound: string[]; outbound: string[] } {
    return {
      inbound: this.dialog.clientMessages.map(({ text }) => text),
      outbound: this.client.inbox.map(({ text }) => text!),
    };
  }
}

describe('twelve endpoints and three programs', { timeout: 240_000 }, () => {
  let bridge: Bridge;
  let owners: EndpointOwners;
  let programs: RunningProgram[];
  const more: Program[] = [];
  const chatters: Chatter[] = [];
  let talking: NodeJS.Timeout | undefined;

  beforeAll(async () => {
    bridge = await Bridge.start({
      environment: { B24_REQUESTS_PER_SECOND: '1000' },
      bitrix24: { limits: false },
      oneProcess: 'it starts the others itself, one after the other',
    });
    owners = await EndpointOwners.connect(bridge.database.directUrl);
    const [{ id: portalId }] = (await bridge.program.admin('GET', '/portals')).json.items;
    const bots = [bridge.bot];
    for (let n = 0; n < MORE_BOTS; n++) {
      const token = `${200_000_000 + n}:AA${randomBytes(16).toString('hex')}`;
      const lineId = String(20 + n);
      bots.push(bridge.telegram.addBot({ token, username: `bot_${n}`, firstName: `Bot ${n}` }));
      bridge.portal.addLine({ id: lineId, name: `Line ${n}` });
      const made = await bridge.program.admin('POST', '/bots', { token, portalId, lineId, mode: 'polling' });
      expect(made.status, made.text).toBe(201);
      await bridge.program.admin('POST', `/portals/${portalId}/connector/activate`, { lineId });
    }
    for (const [n, bot] of bots.entries()) {
      const chatter = new Chatter(bridge, bot.client({ id: 3_000 + n, first_name: `Client ${n}` }));
      chatters.push(chatter);
      chatter.ask('hello');
    }
    for (const { dialog } of chatters) await dialog.receives(1, 15_000);
    programs = [bridge.program];
  });

  afterAll(async () => {
    clearInterval(talking);
    await owners?.end();
    await Promise.all(more.map((program) => program.stop()));
    await bridge?.stop();
  });

  /** How many endpoints each of the programs drives. */
  const shares = async (): Promise<number[]> => {
    const pids = Object.values(await owners.pids());
    return programs.map(({ pid }) => pids.filter((owner) => owner === pid).length);
  };
  const isShared = (among: number[]) => among.every((count) => count === (MORE_BOTS + 2) / among.length);
  const join = async () => {
    const program = await bridge.replica();
    more.push(program);
    programs.push(program);
  };
  /** Each client once a second, each operator half as often. */
  const talk = () => {
    let n = 0;
    talking = setInterval(() => {
      n++;
      for (const chatter of chatters) {
        chatter.ask(`in ${n}`);
        if (n % 2 === 0) chatter.answer(`out ${n}`);
      }
    }, EVERY_MS);
  };
  /** Everything that was said is there, once and in order. */
  const verify = async () => {
    clearInterval(talking);
    for (const chatter of chatters) {
      await eventually(
        () => chatter.arrived,
        ({ inbound, outbound }) =>
          inbound.length >= chatter.inbound.length && outbound.length >= chatter.outbound.length,
        60_000,
      );
      expect(chatter.arrived).toEqual({ inbound: chatter.inbound, outbound: chatter.outbound });
    }
  };

  it('one drives them all', async () => {
    expect(await eventually(shares, isShared)).toEqual([12]);
  });

  it('soon after the start of a third each has its part, and nothing is lost, doubled or out of order', async () => {
    talk();
    await join();
    await eventually(shares, isShared, SHARED_WITHIN_MS);
    await join();
    expect(await eventually(shares, isShared, SHARED_WITHIN_MS)).toHaveLength(3);
    const before = await owners.pids();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(await owners.pids()).toEqual(before);
    await verify();
    // A poll of the former owner would be refused, or refuse the new one's.
    expect(programs.flatMap(({ log }) => log.filter((line) => line.includes('Polling fails')))).toEqual([]);
    const { items } = (await bridge.program.admin('GET', '/messages?state=uncertain')).json;
    expect(items).toEqual([]);
  });

  it('after the end of one the others share what it had', async () => {
    const victim = more.pop()!;
    programs = programs.filter((program) => program !== victim);
    expect(await victim.stop()).toBe(0);
    expect(await eventually(shares, isShared, 3_000)).toEqual([6, 6]);
  });

  it('after a kill too', async () => {
    await join();
    await eventually(shares, isShared, SHARED_WITHIN_MS);
    const victim = more.shift()!;
    programs = programs.filter((program) => program !== victim);
    await victim.kill();
    expect(await eventually(shares, isShared, 15_000)).toEqual([6, 6]);
    for (const chatter of chatters) chatter.ask('still there?');
    await verify();
  });
});
