import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { freePort } from '../support/program.js';

const CHATS = 8;

/** Everything that was said, and what both networks' ledgers and the history know of it. */
class Load {
  readonly inbound = new Map<number, string[]>();
  readonly outbound = new Map<number, string[]>();
  private running = true;
  private readonly loop: Promise<void>;

  constructor(
    private readonly bridge: Bridge,
    private readonly chats: Conversation[],
  ) {
    this.loop = this.run();
  }

  private async run(): Promise<void> {
    for (let n = 1; this.running; n++) {
      for (const chat of this.chats) {
        say(this.inbound, chat, `in ${n}`);
        chat.client.sends(`in ${n}`);
        say(this.outbound, chat, `out ${n}`);
        chat.answers(`out ${n}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 600));
    }
  }

  async end(): Promise<void> {
    this.running = false;
    await this.loop;
  }

  /** Lost 0, duplicated 0, reordered 0; what is uncertain can be seen. Returns how many are uncertain. */
  async verify(timeoutMs: number): Promise<number> {
    let uncertain = 0;
    for (const chat of this.chats) {
      const inbound = this.inbound.get(chat.client.id)!;
      const outbound = this.outbound.get(chat.client.id)!;
      await eventually(
        () => chat.received.length,
        (count) => count >= inbound.length + 1,
        timeoutMs,
      );
      expect(chat.received).toEqual(['hello', ...inbound]);
      const items = await eventually(
        async () =>
          (await this.bridge.messages(`&direction=outbound&chat=${chat.chatId}`)).toReversed() as {
            text: string;
            state: string;
          }[],
        (list) =>
          list.length === outbound.length && list.every(({ state }) => state === 'delivered' || state === 'uncertain'),
        timeoutMs,
      );
      const doubtful = items.filter(({ state }) => state === 'uncertain').map(({ text }) => text);
      uncertain += doubtful.length;
      expect(new Set(chat.reached).size).toBe(chat.reached.length);
      const certain = outbound.filter((text) => !doubtful.includes(text));
      expect(chat.reached).toEqual(expect.arrayContaining(certain));
      expect(chat.reached).toEqual(outbound.filter((text) => chat.reached.includes(text)));
    }
    return uncertain;
  }
}

function say(said: Map<number, string[]>, { client }: Conversation, text: string): void {
  said.set(client.id, [...(said.get(client.id) ?? []), text]);
}

describe('restarts while messages flow both ways', () => {
  let bridge: Bridge;
  let proxy: TcpProxy;

  beforeAll(async () => {
    // What stands before the programs in production: events go to one that lives.
    proxy = await TcpProxy.before(`http://127.0.0.1:${await freePort()}`);
    const { origin } = new URL(proxy.through('http://127.0.0.1:1'));
    bridge = await Bridge.start({
      environment: {
        PUBLIC_URL: origin,
        B24_REDIRECT_URI: `${origin}/b24/oauth/callback`,
        B24_REQUESTS_PER_SECOND: '1000',
      },
      bitrix24: { limits: false, latencyMs: 20 },
    });
    await proxy.leadTo(bridge.program.url);
  });

  afterAll(async () => {
    await bridge?.stop();
    await proxy?.stop();
  });

  const conversations = (from: number) =>
    Promise.all(Array.from({ length: CHATS }, (_, index) => Conversation.begin(bridge, from + index)));

  it('kill -9 five times: nothing lost, nothing twice, order kept', async () => {
    const chats = await conversations(700);
    const spare = await bridge.replica();
    await proxy.leadTo(spare.url);
    const load = new Load(bridge, chats);
    for (let kill = 1; kill <= 5; kill++) {
      // From right after the start to the middle of the takeover.
      await new Promise((resolve) => setTimeout(resolve, kill % 2 ? 4_000 : 1_500));
      await bridge.restart({}, 'kill');
    }
    await load.end();
    const uncertain = await load.verify(60_000);
    expect(uncertain).toBeLessThanOrEqual(CHATS * 5);
    const ledger = bridge.portal.ledger();
    expect(ledger.dialogs.flatMap(({ duplicates, reordered }) => [...duplicates, ...reordered])).toEqual([]);
    expect(await spare.stop()).toBe(0);
    await proxy.leadTo(bridge.program.url);
  }, 180_000);

  it('SIGTERM: code 0 within 10 s, and nothing twice after the restart', async () => {
    const chats = await conversations(750);
    const spare = await bridge.replica();
    await proxy.leadTo(spare.url);
    const load = new Load(bridge, chats);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const began = Date.now();
    expect(await bridge.program.stop()).toBe(0);
    expect(Date.now() - began).toBeLessThan(10_000);
    await bridge.restart();
    await load.end();
    expect(await load.verify(30_000)).toBe(0);
    for (const chat of chats) expect(chat.reached).toEqual(load.outbound.get(chat.client.id));
    expect(await spare.stop()).toBe(0);
  }, 60_000);
});
