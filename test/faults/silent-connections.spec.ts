import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { ConnectProxy } from '../support/loopback-proxies.js';
import { freePort } from '../support/program.js';
import { TcpProxy } from '../support/tcp-proxy.js';

/** In which polling must be back, whatever became of its connection. */
const BACK_MS = 45_000;
const CHATS = 5;

/** A program whose connections to Telegram can all go silent at once: the network changed, a router forgot them. */
class Rig {
  private constructor(
    readonly bridge: Bridge,
    readonly router: TcpProxy,
    private readonly proxy: ConnectProxy | null,
  ) {}

  static async start(byProxy: boolean): Promise<Rig> {
    const port = await freePort();
    const telegram = `http://127.0.0.1:${port}`;
    const [router, proxy] = await Promise.all([TcpProxy.before(telegram), byProxy ? ConnectProxy.start() : null]);
    const bridge = await Bridge.start({
      environment: {
        B24_REQUESTS_PER_SECOND: '1000',
        TG_API_ROOT: router.through(telegram),
        ...(proxy && { TG_PROXY_URL: proxy.url }),
      },
      bitrix24: { limits: false },
      telegram: { port },
    });
    return new Rig(bridge, router, proxy);
  }

  async stop(): Promise<void> {
    await this.bridge.stop();
    await Promise.all([this.router.stop(), this.proxy?.die()]);
  }
}

describe.each([
  { way: 'without a proxy', byProxy: false },
  { way: 'by a proxy', byProxy: true },
])('after all connections went silent, $way', ({ byProxy }) => {
  let rig: Rig;
  let chats: Conversation[];

  beforeAll(async () => {
    rig = await Rig.start(byProxy);
    chats = await Promise.all(Array.from({ length: CHATS }, (_, index) => Conversation.begin(rig.bridge, 700 + index)));
  });

  afterAll(async () => rig?.stop());

  it('one answer is in doubt at most, and clients are heard again within 45 s', async () => {
    // So that several connections are needed at once, and kept.
    rig.bridge.telegram.faults.next('sendMessage', { delayMs: 500 }, CHATS);
    for (const chat of chats) chat.answers('before');
    await Promise.all(chats.map((chat) => chat.becomes('before', 'delivered')));

    rig.router.forget();
    const began = Date.now();
    for (const chat of chats) chat.answers('after');
    for (const chat of chats) chat.client.sends('are you there');
    const silent = chats.filter((chat) => !chat.reached.includes('after'));
    await eventually(
      () => {
        silent.splice(0, Infinity, ...silent.filter((chat) => !chat.reached.includes('after')));
        return silent.length;
      },
      (waiting) => waiting <= 1,
      10_000,
    );
    await Promise.all(chats.map((chat) => chat.becomes('are you there', 'delivered', BACK_MS - (Date.now() - began))));
    expect(Date.now() - began).toBeLessThan(BACK_MS);
    for (const chat of chats) {
      await chat.becomes('after', silent.includes(chat) ? 'uncertain' : 'delivered', 40_000);
      chat.answers('and then');
    }
    await Promise.all(chats.map((chat) => chat.becomes('and then', 'delivered', 5_000)));
    for (const chat of chats) {
      expect(chat.reached).toEqual(silent.includes(chat) ? ['before', 'and then'] : ['before', 'after', 'and then']);
    }
  }, 120_000);

  it('an answer after a rest goes by a new connection', async () => {
    const [chat] = chats as [Conversation];
    await new Promise((resolve) => setTimeout(resolve, 8_000));
    rig.router.forget();
    chat.answers('after a rest');
    await chat.becomes('after a rest', 'delivered', 5_000);
  });
});
