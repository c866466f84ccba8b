import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { TcpProxy } from '../support/tcp-proxy.js';
import { isSound, settle } from './account.js';
import { sendsInFlight } from './crashes.rows.js';
import { check, type Row, type RowContext, type RowResult } from './row.js';
import { HANDLER_SECRET, query, Stage, until } from './stage.js';
import { Traffic } from './traffic.js';

export const storageRows: Row[] = [
  {
    id: 'R6',
    fault: 'PostgreSQL restarted in immediate mode, and away, under load',
    target: 'nothing accepted is lost; ingest answers 503 meanwhile',
    run: databaseCrashes,
  },
  {
    id: 'R15',
    fault: 'disk full, statement timeout, read-only database',
    target: 'ingest refuses with 5xx, never 200; nothing lost',
    run: databaseRefuses,
  },
  {
    id: 'R17',
    fault: 'backup and restore',
    target: 'nothing delivered before the backup is sent again',
    run: restored,
  },
];

function databaseCrashes(context: RowContext): Promise<RowResult> {
  let proxy: TcpProxy | undefined;
  const wayToDatabase = async (url: string) => {
    proxy = await TcpProxy.before(url);
    return proxy.through(url);
  };
  return Stage.use(context, { wayToDatabase }, async (stage) => {
    const [restarts, awayMs] = context.full ? [20, 30_000] : [3, 10_000];
    const traffic = await Traffic.begin(stage, 20);
    traffic.flow({ clients: 15, operators: 5 });
    for (let n = 0; n < restarts; n++) {
      await sleep(2_000 + Math.random() * 1_000);
      const pid = await crash(context);
      await until(
        () => postmaster(context),
        (now) => now !== undefined && now !== pid,
        60_000,
      );
      await stage.program.ready(60_000);
    }
    await sleep(3_000);
    await Promise.all([crash(context), proxy!.cut()]);
    const statuses: number[] = [];
    const back = performance.now() + awayMs;
    while (performance.now() < back) {
      statuses.push(...(await postDirectly(stage)));
      await sleep(300);
    }
    await proxy!.restore();
    await stage.program.ready(60_000);
    await sleep(3_000);
    // An event that was refused is found at the next look into the dialogs, two minutes after the one before.
    const account = await settle(stage, traffic, 180_000);
    await proxy!.stop();
    return {
      done: `${restarts} × SIGQUIT to the postmaster (what -m immediate does) and ${awayMs / 1000} s away, ${traffic.written} messages both ways`,
      account,
      checks: [
        check('nothing lost, repeated or out of order', isSound(account)),
        check(
          `${statuses.length} posts meanwhile: ${summary(statuses)}`,
          statuses.every((status) => status === 503),
        ),
        check('the program stayed', stage.program.exitCode === null),
      ],
      notes: [`${account.outbound.foundLate} operator messages whose event was refused were found after a later one.`],
    };
  }).finally(() => proxy?.stop());
}

function databaseRefuses(context: RowContext): Promise<RowResult> {
  return Stage.use(context, {}, async (stage) => {
    const posts = context.full ? 50 : 6;
    const traffic = await Traffic.begin(stage, 10);
    const checks = [];
    for (const [name, condition] of Object.entries(CONDITIONS)) {
      traffic.flow({ clients: 5, operators: 0 });
      const end = await condition(stage);
      const statuses: number[] = [];
      for (let n = 0; n < posts; n++) statuses.push(...(await postDirectly(stage)));
      await end();
      traffic.pause();
      const refused = statuses.every((status) => status >= 500);
      checks.push(check(`${name}: ${statuses.length} posts: ${summary(statuses)}`, refused));
    }
    const account = await settle(stage, traffic);
    return {
      done: `${posts} updates and events posted in each state, ${traffic.written} messages of clients meanwhile`,
      account,
      checks: [...checks, check('nothing lost, repeated or out of order', isSound(account))],
      notes: [
        'Disk full is the error that PostgreSQL answers then (53100), raised by a trigger: a file system that is ' +
          'really full needs a mount of its own. The timeout is the program’s own, on a locked table.',
      ],
    };
  });
}

/** States in which PostgreSQL answers but does not keep anything; each returns how it ends. */
const CONDITIONS: Record<string, (stage: Stage) => Promise<() => Promise<void>>> = {
  'disk full': async (stage) => {
    await stage.query(
      `CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS
       $$BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END$$`,
    );
    for (const table of ['messages', 'processed_events', 'attempts'])
      await stage.query(`CREATE TRIGGER disk_full BEFORE INSERT ON ${table} EXECUTE FUNCTION disk_full()`);
    return async () => void (await stage.query('DROP FUNCTION disk_full CASCADE'));
  },
  'read-only': async (stage) => {
    const name = new URL(stage.database).pathname.slice(1);
    // A session of this database could not end the state again.
    const elsewhere = new URL(stage.database);
    elsewhere.pathname = 'postgres';
    const change = async (setting: string) => {
      await query(elsewhere.href, `ALTER DATABASE ${name} ${setting}`);
      // Sessions keep the settings they began with.
      await query(elsewhere.href, 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
    };
    await change('SET default_transaction_read_only = on');
    return () => change('RESET default_transaction_read_only');
  },
  'statement timeout': async (stage) => {
    const client = new Client({ connectionString: stage.database });
    await client.connect();
    await client.query('BEGIN; LOCK TABLE messages IN ACCESS EXCLUSIVE MODE');
    return () => client.end();
  },
};

function restored(context: RowContext): Promise<RowResult> {
  return Stage.use(context, {}, async (stage) => {
    const traffic = await Traffic.begin(stage, 20);
    await traffic.flowFor({ clients: 20, operators: 8 }, context.full ? 60_000 : 8_000);
    const before = await settle(stage, traffic);
    await stage.program.stop();
    const backup = new URL(stage.database);
    backup.pathname += '_backup';
    // The packaged pg_dump is often older than the server, which it then refuses.
    await query(
      context.postgresUrl,
      `CREATE DATABASE ${backup.pathname.slice(1)} TEMPLATE ${new URL(stage.database).pathname.slice(1)}`,
    );
    await stage.start();
    await traffic.flowFor({ clients: 20, operators: 8 }, 4_000);
    await settle(stage, traffic);
    const uncertain = await sendsInFlight(stage);
    await stage.program.stop();
    stage.environment.DATABASE_URL = backup.href;
    await stage.start();
    // The first look for missed messages comes within 15 s.
    await sleep(15_000);
    await traffic.flowFor({ clients: 20, operators: 8 }, 3_000);
    const after = await settle(stage, traffic);
    const { inbound, outbound } = after;
    return {
      done: `${before.inbound.written + before.outbound.written} messages before and ${traffic.written} in all; CREATE DATABASE … TEMPLATE as the backup`,
      account: after,
      checks: [
        check(`before: nothing lost or repeated, ${uncertain} under way`, isSound(before) && uncertain === 0),
        check(
          `sent again after the restore: ${inbound.duplicated} / ${outbound.duplicated}`,
          inbound.duplicated + outbound.duplicated === 0,
        ),
        check(`lost: ${inbound.lost} / ${outbound.lost}`, inbound.lost + outbound.lost === 0),
      ],
    };
  });
}

/** An update and an event that nobody else knows of; the statuses. */
async function postDirectly(stage: Stage): Promise<number[]> {
  const id = 1_000_000_000 + Math.floor(Math.random() * 1_000_000_000);
  const person = { id: 5, first_name: 'Olga' };
  const message = {
    message_id: id,
    date: 1_773_265_993,
    chat: { ...person, type: 'private' },
    from: person,
    text: 'refused',
  };
  const event = {
    event: 'ONIMCONNECTORMESSAGEADD',
    data: { chat: { id: 'tg:1000' }, message: { id: `b24:${id}`, text: 'refused' } },
  };
  const answers = await Promise.all([
    stage.program.post('/tg/webhook', { update_id: id, message }),
    stage.program.post(`/b24/handler?secret=${HANDLER_SECRET}`, event),
  ]);
  return answers.map(({ status }) => status);
}

function summary(statuses: number[]): string {
  const counts = new Map<number, number>();
  for (const status of statuses) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts].map(([status, count]) => `${count} × ${status}`).join(', ');
}

/** Ends every process of PostgreSQL as a power cut would; embedded PostgreSQL brings it back by itself. */
async function crash(context: RowContext): Promise<number | undefined> {
  const pid = await postmaster(context);
  if (pid !== undefined) process.kill(pid, 'SIGQUIT');
  return pid;
}

async function postmaster({ dataDir }: RowContext): Promise<number | undefined> {
  const file = await readFile(path.join(dataDir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8').catch(() => '');
  return Number(file.split('\n')[0]) || undefined;
}
