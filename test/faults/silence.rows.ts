import { setTimeout as sleep } from 'node:timers/promises';
import { ConnectProxy } from '../support/loopback-proxies.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { isSound, settle } from './account.js';
import { seconds } from './crashes.rows.js';
import { check, type Row, type RowContext, type RowResult } from './row.js';
import { Stage, until, type StageOptions } from './stage.js';
import { noneStuck } from './stuck.js';
import { Traffic } from './traffic.js';

const CHATS = 10;
/** In which clients must be heard again: a poll is given up, or a call to Bitrix24 (60 s) and what became of it looked up. */
const BACK_MS = { telegram: 45_000, bitrix24: 75_000 };
const SEND = 'imconnector.send.messages';

export const silenceRows: Row[] = [
  {
    id: 'R28',
    fault: 'connections to Telegram, to its proxy and to Bitrix24 die in silence, as in a router that forgot them',
    target:
      'at most one answer in doubt each time; lost 0, duplicated 0, reordered 0; clients heard within 45 s, 75 s where Bitrix24 is meant',
    run: connectionsForgotten,
  },
];

/** Something that forgets connections, and the way through it. */
interface Way {
  name: string;
  options: StageOptions;
  backMs: number;
  forget: () => void;
  close: () => Promise<void>;
}

async function ways(): Promise<Way[]> {
  const proxy = await ConnectProxy.start();
  const toProxy = await TcpProxy.before(proxy.url);
  const [toTelegram, toPortal] = [new Router(), new Router()];
  return [
    {
      name: 'Telegram',
      options: { wayToTelegram: (url) => toTelegram.open(url) },
      backMs: BACK_MS.telegram,
      forget: () => toTelegram.forget(),
      close: () => toTelegram.close(),
    },
    {
      name: 'the proxy',
      options: { environment: { TG_PROXY_URL: toProxy.through(proxy.url).replace(/\/$/, '') } },
      backMs: BACK_MS.telegram,
      forget: () => toProxy.forget(),
      close: async () => {
        await toProxy.stop();
        await proxy.die();
      },
    },
    {
      name: 'Bitrix24',
      options: { wayToPortal: (url) => toPortal.open(url) },
      backMs: BACK_MS.bitrix24,
      forget: () => toPortal.forget(),
      close: () => toPortal.close(),
    },
  ];
}

/** Stands before one origin from the moment at which it is known. */
class Router {
  private proxy: TcpProxy | undefined;

  async open(url: string): Promise<string> {
    this.proxy = await TcpProxy.before(url);
    return new URL(this.proxy.through(url)).origin;
  }

  forget(): void {
    this.proxy!.forget();
  }

  async close(): Promise<void> {
    await this.proxy?.stop();
  }
}

async function connectionsForgotten(context: RowContext): Promise<RowResult> {
  const results: RowResult[] = [];
  for (const way of await ways()) results.push(await forgottenOn(way, context));
  const account = results
    .map((result) => result.account!)
    .reduce((sum, each) => ({
      inbound: added(sum.inbound, each.inbound),
      outbound: added(sum.outbound, each.outbound),
    }));
  return {
    done: results.map(({ done }) => done).join('; '),
    account,
    checks: results.flatMap(({ checks }) => checks),
  };
}

function forgottenOn(way: Way, context: RowContext): Promise<RowResult> {
  return Stage.use(context, way.options, async (stage) => {
    const rounds = context.full ? 10 : 2;
    const traffic = await Traffic.begin(stage, CHATS);
    const backs: number[] = [];
    for (let n = 0; n < rounds; n++) {
      await useManyConnections(stage, traffic);
      way.forget();
      const expected = heardBy(stage) + CHATS;
      for (const chat of traffic.chats) {
        traffic.reply(chat);
        traffic.ask(chat);
      }
      const back = await until(
        () => heardBy(stage),
        (count) => count >= expected,
        way.backMs * 2,
      );
      backs.push(back.ms);
    }
    const account = await settle(stage, traffic, 180_000);
    const { uncertain } = account.outbound;
    const stuck = await noneStuck(stage, `${way.name}: `);
    return {
      done: `${way.name}: ${rounds} × ${CHATS} answers and questions at once, right after it`,
      account,
      checks: [
        check(`${way.name}: nothing lost, repeated or out of order`, isSound(account)),
        check(`${way.name}: in doubt ${uncertain} of ${rounds * CHATS}, one each time is allowed`, uncertain <= rounds),
        check(
          `${way.name}: every client heard after ${backs.map(seconds).join(', ')}`,
          backs.every((ms) => ms <= way.backMs),
        ),
        stuck,
      ],
    };
  }).finally(() => way.close());
}

/** So that several connections are open and at rest. */
async function useManyConnections(stage: Stage, traffic: Traffic): Promise<void> {
  // The bucket of every chat must be full again.
  await sleep(4_000);
  stage.telegram.faults.next('sendMessage', { delayMs: 500 }, CHATS);
  stage.bitrix24.faults.next(SEND, { delayMs: 500 }, CHATS);
  const [sent, heard] = [stage.telegram.ledger().length + CHATS, heardBy(stage) + CHATS];
  for (const chat of traffic.chats) {
    traffic.reply(chat);
    traffic.ask(chat);
  }
  await until(() => stage.telegram.ledger().length >= sent && heardBy(stage) >= heard, Boolean, 30_000);
  await sleep(1_500);
}

function heardBy({ portal }: Stage): number {
  return [...portal.lines.messages.values()].filter(({ author }) => author === 'client').length;
}

function added<Counts extends { [Name in keyof Counts]: number }>(one: Counts, other: Counts): Counts {
  const names = Object.keys(one) as (keyof Counts)[];
  return Object.fromEntries(names.map((name) => [name, one[name] + other[name]])) as Counts;
}
