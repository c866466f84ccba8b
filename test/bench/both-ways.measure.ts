import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure } from './figure.js';
import { FIRST_LINE, query, Stage, UNLIMITED, type BenchContext } from './stage.js';

const BOTS = 4;
const CHATS_PER_BOT = 15;
const CHATS = BOTS * CHATS_PER_BOT;
const OF_CLIENTS = 500;
const OF_OPERATORS = 200;
/** Deadlocks need their time. */
const TOGETHER_SECONDS = 60;

/** P14: clients and operators of the same chats at once, both as fast as it goes. */
export function bothWays(context: BenchContext): Promise<Figure[]> {
  const lines = Array.from({ length: BOTS }, (_, n) => String(Number(FIRST_LINE) + n));
  return Stage.use(context, { environment: UNLIMITED, lines }, async (stage) => {
    await stage.addBots(lines.slice(1).map((lineId) => ({ portal: 0, lineId })));
    await stage.networks.call('clientsIntroduceThemselves', CHATS_PER_BOT);
    const [clients = 0] = await flowing(stage, OF_CLIENTS, 0, context.seconds);
    const [, operators = 0] = await flowing(stage, 0, OF_OPERATORS, context.seconds);
    const before = await deadlocks(stage);
    const together = await flowing(stage, OF_CLIENTS, OF_OPERATORS, TOGETHER_SECONDS);
    const value = together.reduce((sum, each) => sum + each, 0);
    const each = `${Math.round(together[0]!)} + ${Math.round(together[1]!)}`;
    await stage.networks.call('assertSound');
    return [
      {
        id: 'P14',
        what: `both ways at once, ${CHATS} chats, ${TOGETHER_SECONDS} s (${each})`,
        unit: '/s',
        value,
        baseline: {
          what: `the sum of either way alone (${Math.round(clients)} + ${Math.round(operators)})`,
          value: clients + operators,
        },
        target: { timesBaseline: 0.8 },
      },
      {
        id: 'P14',
        what: 'deadlocks meanwhile (pg_stat_database)',
        unit: '',
        value: (await deadlocks(stage)) - before,
        target: { atMost: 0 },
      },
    ];
  });
}

/** Messages a second that arrive: of clients, of operators. */
async function flowing(
  { networks }: Stage,
  ofClients: number,
  ofOperators: number,
  seconds: number,
): Promise<number[]> {
  await networks.call('bothWrite', CHATS_PER_BOT, ofClients, ofOperators);
  await sleep(2_000);
  const [before, begun] = [await networks.call('arrivedEach'), performance.now()];
  await sleep(seconds * 1_000);
  const [after, took] = [await networks.call('arrivedEach'), (performance.now() - begun) / 1_000];
  await networks.call('stopWriting');
  // What is still under way belongs to nobody's figure.
  await sleep(5_000);
  return after.map((count, way) => (count - before[way]!) / took);
}

async function deadlocks({ database }: Stage): Promise<number> {
  const sql = 'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()';
  const { rows } = await query<{ deadlocks: number }>(database, sql);
  return rows[0]!.deadlocks;
}
