import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault as TelegramFault } from '../support/telegram-simulator/fault.plan.js';
import { isSound, readHistory, settle, takeAccount, underWay } from './account.js';
import { seconds } from './crashes.rows.js';
import { check, type Row, type RowContext, type RowResult } from './row.js';
import { Stage, until } from './stage.js';
import { answer, Traffic } from './traffic.js';

const SEND = 'imconnector.send.messages';
const of = (chat: number) => (params: Readonly<Record<string, unknown>>) =>
  String(params['chat_id']) === String(chat) || JSON.stringify(params).includes(`"tg:${chat}"`);

export const networkRows: Row[] = [
  {
    id: 'R3',
    fault: 'storm of 503, 502 and 429 from both networks',
    target: 'lost 0; drained within backlog ÷ allowed rate + 5 s',
    run: storm,
  },
  {
    id: 'R4',
    fault: 'Bitrix24 accepts and answers late or never',
    target: 'lost 0, duplicated 0',
    run: lateAnswers,
  },
  {
    id: 'R5',
    fault: 'Telegram: 502, 503, reset, 504, timeout, 429',
    target: 'lost 0, nothing uncertain sent again, 429 honoured within 0.5 s',
    run: telegramTrouble,
  },
  {
    id: 'R7',
    fault: 'one chat always refused among 100',
    target: 'the other 99 unaffected (p99 ± 10 %), failed within 60 s, replay works',
    run: oneChatRefused,
  },
];

function storm(context: RowContext): Promise<RowResult> {
  return Stage.use(context, { limits: true }, async (stage) => {
    const durations = context.full ? [60_000, 600_000] : [30_000];
    const chats = 40;
    const traffic = await Traffic.begin(stage, chats);
    const drains: { backlog: string; took: number; allowed: number; ok: boolean }[] = [];
    for (const ms of durations) {
      traffic.flow({ clients: 5, operators: 2 });
      await stormFor(stage, ms);
      traffic.pause();
      const { inbound, outbound } = await takeAccount(stage, traffic);
      const waiting = [inbound.written - inbound.arrived, outbound.written - outbound.arrived] as const;
      // 2 requests a second, each with a command for every chat that waits; 28 messages a second to Telegram.
      const allowed = Math.max(waiting[0] / (2 * Math.min(chats, 50)), waiting[1] / 28) * 1000 + 5_000;
      const drained = await until(
        () => underWay(stage, traffic),
        (count) => count === 0,
        120_000,
      );
      drains.push({ backlog: waiting.join(' + '), took: drained.ms, allowed, ok: drained.ok && drained.ms <= allowed });
    }
    const account = await settle(stage, traffic);
    return {
      done: `storms of ${durations.map((ms) => ms / 1000).join(' and ')} s, ${traffic.written} messages both ways`,
      account,
      checks: [
        check('nothing lost, repeated or out of order', isSound(account)),
        check(`nothing uncertain: ${account.outbound.uncertain}`, account.outbound.uncertain === 0),
        ...drains.map(({ backlog, took, allowed, ok }) =>
          check(`backlog of ${backlog} drained in ${seconds(took)}, allowed ${seconds(allowed)}`, ok),
        ),
      ],
    };
  });
}

/** A third of the time each: 503, 502, 429. */
async function stormFor(stage: Stage, ms: number): Promise<void> {
  const { bitrix24, telegram } = stage;
  bitrix24.faults.next('*', { html: 503, performed: false }, Infinity);
  telegram.faults.next('sendMessage', { gateway: 503, performed: false }, Infinity);
  await sleep(ms / 3);
  clearFaults(stage);
  bitrix24.faults.next('*', { html: 502, performed: false }, Infinity);
  telegram.faults.next('sendMessage', { gateway: 502, performed: false }, Infinity);
  await sleep(ms / 3);
  clearFaults(stage);
  const end = (Date.now() + ms / 3) / 1000;
  const extra = { time: { finish: Date.now() / 1000, operating: 481, operating_reset_at: Math.floor(end) } };
  bitrix24.faults.next(SEND, { status: 429, error: 'OPERATION_TIME_LIMIT', extra }, Infinity);
  telegram.faults.next('sendMessage', { tooManyRequests: 1 }, Infinity);
  await sleep(ms / 3);
  clearFaults(stage);
}

function lateAnswers(context: RowContext): Promise<RowResult> {
  return Stage.use(context, {}, async (stage) => {
    const traffic = await Traffic.begin(stage, 20);
    const delays = context.full ? [11_000, 40_000, 600_000] : [11_000];
    const [first = 0, ...rest] = traffic.chats;
    const { faults } = stage.bitrix24;
    delays.forEach((delayMs, n) => faults.next(SEND, { delayMs }, 2, of(first + n)));
    faults.next(SEND, 'dropAfter', 2, of(first + 3));
    faults.next(SEND, { html: 502, performed: true }, 2, of(first + 4));
    for (let n = 0; n < 4; n++) {
      for (const chat of [first, ...rest]) traffic.ask(chat);
      await sleep(1_000);
    }
    const account = await settle(stage, traffic, context.full ? 400_000 : 90_000);
    const times = delays.map((ms) => (ms > 100_000 ? 'never' : `after ${ms / 1000} s`)).join(', ');
    return {
      done: `2 calls each performed and answered ${times}, by a reset, by a 502 page; ${traffic.written} messages`,
      account,
      checks: [check('nothing lost, repeated or out of order', isSound(account))],
    };
  });
}

interface Trouble {
  name: string;
  fault: TelegramFault;
  becomes: 'delivered' | 'uncertain';
  /** The client has it although nobody said so. */
  reaches: boolean;
}

const TROUBLES: Trouble[] = [
  { name: '502', fault: { gateway: 502, performed: false }, becomes: 'delivered', reaches: true },
  { name: '503', fault: { gateway: 503, performed: false }, becomes: 'delivered', reaches: true },
  { name: '504', fault: { gateway: 504, performed: true }, becomes: 'uncertain', reaches: true },
  { name: 'reset after the request', fault: 'dropAfter', becomes: 'uncertain', reaches: true },
  { name: 'reset before it was performed', fault: 'dropBefore', becomes: 'uncertain', reaches: false },
  { name: 'no answer in 40 s', fault: { delayMs: 40_000 }, becomes: 'uncertain', reaches: true },
];

function telegramTrouble(context: RowContext): Promise<RowResult> {
  return Stage.use(context, {}, async (stage) => {
    const repeats = context.full ? 5 : 2;
    const waits = context.full ? [1, 2, 5, 10, 30, 60] : [1, 3, 10];
    const traffic = await Traffic.begin(stage, TROUBLES.length * repeats + waits.length);
    const troubled = TROUBLES.flatMap((trouble) => Array.from({ length: repeats }, () => trouble));
    const [chatsInTrouble, chatsToWait] = [
      traffic.chats.slice(0, troubled.length),
      traffic.chats.slice(troubled.length),
    ];
    troubled.forEach(({ fault }, n) => stage.telegram.faults.next('sendMessage', fault, 1, of(chatsInTrouble[n]!)));
    waits.forEach((wait, n) =>
      stage.telegram.faults.next('sendMessage', { tooManyRequests: wait }, 1, of(chatsToWait[n]!)),
    );
    // Apart: two chats that are told to wait at once mean that the whole bot is too fast.
    for (const [n, chat] of chatsToWait.entries()) {
      traffic.reply(chat);
      await until(
        () => sends(stage, chat).length,
        (count) => count > 1,
        (waits[n]! + 5) * 1000,
      );
    }
    // Later, since several chats in trouble at once make the program believe that Telegram is ill, and slow down.
    for (const chat of chatsInTrouble) traffic.reply(chat);
    const account = await settle(stage, traffic);
    const states = new Map((await readHistory(stage, '&direction=outbound')).map(({ text, state }) => [text, state]));
    const wrong = troubled.flatMap(({ name, becomes, reaches }, n) => {
      const chat = chatsInTrouble[n]!;
      const state = states.get(answer(chat, 1));
      const copies = stage.telegram.ledger().filter(({ chatId }) => chatId === chat).length;
      return state === becomes && copies === Number(reaches) ? [] : [`${name}: ${state}, ${copies} copies`];
    });
    const late = waits.map((wait, n) => {
      const [first = 0, second = Infinity] = sends(stage, chatsToWait[n]!);
      return second - first - wait * 1000;
    });
    return {
      done: `${repeats} × ${TROUBLES.map(({ name }) => name).join(', ')}; 429 of ${waits.join(', ')} s`,
      account,
      checks: [
        check('nothing lost, repeated or out of order', isSound(account)),
        check(`each ended as it should${wrong.map((what) => `; ${what}`).join('')}`, wrong.length === 0),
        check(
          `sent again ${late.map((ms) => `${ms >= 0 ? '+' : ''}${Math.round(ms)}`).join(', ')} ms after the time named`,
          late.every((ms) => ms >= 0 && ms <= 500),
        ),
      ],
    };
  });
}

/** When sendMessage was called for this chat; ms. */
function sends(stage: Stage, chat: number): number[] {
  return stage.telegram.calls
    .filter(({ method, params }) => method.toLowerCase() === 'sendmessage' && of(chat)(params))
    .map(({ at }) => at);
}

function oneChatRefused(context: RowContext): Promise<RowResult> {
  return Stage.use(context, {}, async (stage) => {
    const rounds = context.full ? 20 : 5;
    const traffic = await Traffic.begin(stage, 100);
    const [bad = 0, ...others] = traffic.chats;
    const latencies: [healthy: number[], refused: number[]] = [[], []];
    // The first seconds belong to what compiles and connects.
    await measure(stage, traffic, others, null);
    let lastRefused = 0;
    for (let round = 0; round < rounds * 2; round++) {
      const refused = round % 2;
      if (refused) {
        lastRefused = Date.now();
        stage.bitrix24.faults.next(SEND, { elementError: ['Refused.'] }, Infinity, of(bad));
      }
      latencies[refused]!.push(...(await measure(stage, traffic, others, refused ? bad : null)));
      stage.bitrix24.faults.clear();
    }
    stage.bitrix24.faults.next(SEND, { elementError: ['Refused.'] }, Infinity, of(bad));
    const failed = await until(
      () => readHistory(stage, '&direction=inbound&state=failed'),
      (items) => items.length >= rounds,
      60_000,
    );
    const failedAfter = Date.now() - lastRefused;
    stage.bitrix24.faults.clear();
    const others99 = await takeAccount(stage, traffic);
    const spread = [p99(latencies[0]), p99(latencies[1])] as const;
    const { json } = await stage.program.admin('POST', '/messages/retry', { state: 'failed', direction: 'inbound' });
    const account = await settle(stage, traffic);
    return {
      done: `${traffic.written} messages in 100 chats, ${rounds} of them refused; 4 s with and 4 s without, in turn`,
      account,
      checks: [
        check(
          `failed: ${failed.value.length} of ${rounds}, ${seconds(failedAfter)} after the last was written`,
          failed.ok && failedAfter <= 60_000,
        ),
        check(`nothing of the other chats lost: ${others99.inbound.lost}`, others99.inbound.lost === 0),
        check(
          `p99 of the others ${spread.map((ms) => `${Math.round(ms)} ms`).join(' without, ')} with (± 10 % or 20 ms)`,
          spread[1] <= Math.max(spread[0] * 1.1, spread[0] + 20),
        ),
        check(`replayed ${json.retried}, all arrived`, json.retried === rounds && account.inbound.failed === 0),
        check('nothing lost or repeated', account.inbound.lost + account.inbound.duplicated === 0),
      ],
      notes: ['What is replayed goes to the end of its chat: counted as reordered there.'],
    };
  });
}

/** 4 s of messages in these chats, and one in the refused one; milliseconds from the client to Bitrix24. */
async function measure(stage: Stage, traffic: Traffic, chats: number[], bad: number | null): Promise<number[]> {
  const asked = new Map<string, number>();
  const begun = performance.now();
  if (bad !== null) traffic.ask(bad);
  for (let n = 0; performance.now() < begun + 4_000; n++) {
    const chat = chats[n % chats.length]!;
    const { message } = traffic.ask(chat);
    asked.set(`tg:${chat}:${message.message_id}`, Date.now());
    await sleep(25);
  }
  await sleep(1_000);
  const { messages } = stage.portal.lines;
  return [...messages.values()].flatMap(({ externalIds: [id = ''], at }) => {
    const from = asked.get(id);
    return from === undefined ? [] : [at - from];
  });
}

function p99(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Infinity;
}

function clearFaults({ bitrix24, telegram }: Stage): void {
  bitrix24.faults.clear();
  telegram.faults.clear();
}
