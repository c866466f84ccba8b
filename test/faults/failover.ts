import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { isSound, settle } from './account.js';
import { arrivals, seconds } from './crashes.rows.js';
import { missingPrograms, PatroniCluster } from './patroni-cluster.js';
import { isMet, printed, table, type Finished } from './report.js';
import { check, type Row, type RowContext, type RowResult } from './row.js';
import { Stage, until } from './stage.js';
import { Traffic } from './traffic.js';

const USAGE = `npm run test:failover [-- --full]

R22: kills the primary of a PostgreSQL cluster (streaming replication, Patroni, etcd, HAProxy) under the load of the
built program (dist/), until the standby is promoted. Synchronous replication must lose nothing; what asynchronous
replication loses is told and not judged. Exit code 1 when the target is missed.
  --full  ten fail-overs of each instead of two
`;

const CHATS = 20;
/** Patroni's ttl is 20 s at least: so long the old primary could still be alive. */
const BACK_MS = 60_000;

const rows: Row[] = [
  {
    id: 'R22',
    fault: 'fail-over of a synchronous cluster, the primary killed under load',
    target: 'lost 0, duplicated 0, reordered 0',
    run: (context) => failOver(context, true),
  },
  {
    id: 'R22a',
    fault: 'fail-over of an asynchronous cluster',
    target: 'both ways again; what was lost with the old primary is told',
    run: (context) => failOver(context, false),
  },
];

async function failOver({ full }: RowContext, synchronous: boolean): Promise<RowResult> {
  const cluster = await PatroniCluster.start(synchronous);
  const context = { postgresUrl: cluster.url, dataDir: '', full };
  try {
    return await Stage.use(context, {}, async (stage) => {
      const times = full ? 10 : 2;
      const traffic = await Traffic.begin(stage, CHATS);
      const backs: number[] = [];
      traffic.flow({ clients: 15, operators: 6 });
      for (let n = 0; n < times; n++) {
        await sleep(5_000);
        await cluster.killPrimary();
        backs.push(await flowsAgain(stage));
        await cluster.repair();
      }
      const account = await settle(stage, traffic, 240_000);
      const sound = isSound(account);
      return {
        done: `${times} × kill -9 of the primary and its Patroni, ${traffic.written} messages both ways`,
        account,
        checks: [
          ...(synchronous ? [check('nothing lost, repeated or out of order', sound)] : []),
          check(
            `both ways again after ${backs.map(seconds).join(', ')}`,
            backs.every((ms) => ms <= BACK_MS),
          ),
          check('the program stayed', stage.program.exitCode === null),
        ],
        notes: synchronous || sound ? [] : ['What the old primary had answered and not yet passed on is gone with it.'],
      };
    });
  } finally {
    await cluster.stop();
  }
}

/** Milliseconds until something that came after the kill has arrived on both sides. */
async function flowsAgain(stage: Stage): Promise<number> {
  // What was answered just before is still under way.
  await sleep(1_000);
  const before = arrivals(stage);
  const flows = await until(
    () => arrivals(stage),
    (now) => now.every((count, side) => count > before[side]!),
    BACK_MS * 2,
  );
  return flows.ok ? flows.ms + 1_000 : Infinity;
}

async function run(full: boolean): Promise<boolean> {
  const finished: Finished[] = [];
  for (const { id, fault, target, run: carryOut } of rows) {
    process.stderr.write(`${id} ${fault} …\n`);
    const begun = performance.now();
    const result = await carryOut({ postgresUrl: '', dataDir: '', full }).catch((error: Error) => ({
      done: 'broke off',
      checks: [check(error.message, false)],
    }));
    finished.push({ id, fault, target, ...result, seconds: Math.round((performance.now() - begun) / 1000) });
    process.stderr.write(`${printed(finished.at(-1)!)}\n`);
  }
  process.stdout.write(`\n${table(finished)}\n`);
  return finished.every(isMet);
}

const { values } = parseArgs({
  options: { full: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
});
const missing = missingPrograms();
if (values.help) process.stdout.write(USAGE);
else if (missing.length > 0)
  process.stdout.write(
    `Skipped: ${missing.join(', ')} not found. Debian: apt-get install patroni etcd-server haproxy postgresql\n`,
  );
// Answers that a network was told to give much later must not hold the end.
else process.exit((await run(values.full)) ? 0 : 1);
