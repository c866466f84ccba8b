import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { isSound, settle } from './account.js';
import { arrivals, seconds } from './crashes.rows.js';
import { CommitProxy } from './commit-proxy.js';
import { check, type Row, type RowContext, type RowResult } from './row.js';
import { query, Stage, until } from './stage.js';
import { noneStuck } from './stuck.js';
import { answer, Traffic, WORDS } from './traffic.js';

const CHATS = 20;
const LOST_SHARE = 0.02;
const STALL_MS = 20_000;
const STALLED_SHARE = 0.01;
const AFTER_STALL_MS = 5_000;
const RECOVERY_MS = 10_000;
/** SQLSTATE of a server that takes no more connections. */
const TOO_MANY_CONNECTIONS = '53300';

export const commitRows: Row[] = [
  {
    id: 'R19',
    fault: '2 % of all commits go through and their answer is lost, both ways',
    target: 'lost 0, duplicated 0, reordered 0, no chat stuck',
    run: answersLost,
  },
  {
    id: 'R20',
    fault: 'commits stall 20 s and come back: all of them, as with a frozen synchronous standby, and single ones',
    target: 'lost 0, duplicated 0, reordered 0, no chat stuck; what was accepted is delivered within 5 s',
    run: stalled,
  },
  {
    id: 'R21',
    fault: 'a stream of pg_terminate_backend, then no free connection',
    target: 'lost 0, duplicated 0, reordered 0; both ways again within 10 s',
    run: withoutConnections,
  },
];

function answersLost(context: RowContext): Promise<RowResult> {
  let proxy: CommitProxy | undefined;
  const wayToDatabase = async (url: string) => {
    proxy = await CommitProxy.before(url);
    return proxy.through(url);
  };
  return Stage.use(context, { wayToDatabase }, async (stage) => {
    const ms = context.full ? 600_000 : 120_000;
    const traffic = await Traffic.begin(stage, CHATS);
    proxy!.loseAnswers(LOST_SHARE);
    await traffic.flowFor({ clients: 15, operators: 8 }, ms);
    proxy!.loseAnswers(0);
    const account = await settle(stage, traffic, 180_000);
    const { commits, cuts } = proxy!;
    const stuck = await noneStuck(stage);
    return {
      done:
        `${ms / 1000} s, ${traffic.written} messages both ways; of ${commits} commits the answers to ` +
        `${cuts.transactions} COMMITs and ${cuts.statements} single statements were lost`,
      account,
      checks: [
        check('nothing lost, repeated or out of order', isSound(account)),
        stuck,
        check(
          `the answers to ${cuts.transactions + cuts.statements} commits were lost`,
          cuts.transactions + cuts.statements > 0,
        ),
      ],
      notes: [`${account.outbound.uncertain} answers were called uncertain, though the program knew what it had sent.`],
    };
  }).finally(() => proxy?.stop());
}

function stalled(context: RowContext): Promise<RowResult> {
  return Stage.use(context, {}, async (stage) => {
    const stalls = context.full ? 10 : 2;
    const traffic = await Traffic.begin(stage, CHATS);
    const delays: number[] = [];
    for (let n = 0; n < stalls; n++) {
      traffic.flow({ clients: 10, operators: 5 });
      await sleep(4_000);
      const accepted = acceptedAnswers(traffic);
      await awaitStandby(context, true);
      await sleep(STALL_MS);
      traffic.pause();
      const asked = [...traffic.questions].map(([chat, count]) => [chat, count] as const);
      await awaitStandby(context, false);
      const delivered = await until(
        () => [hasAll(stage, accepted), heardAll(traffic, asked)],
        (sides) => sides.every(Boolean),
        30_000,
      );
      delays.push(delivered.ok ? delivered.ms : Infinity);
    }
    const lonely = context.full ? 300_000 : 60_000;
    const endLonely = await stallSingleCommits(stage);
    await traffic.flowFor({ clients: 10, operators: 5 }, lonely);
    const stalledAlone = await endLonely();
    const account = await settle(stage, traffic, 240_000);
    const stuck = await noneStuck(stage);
    return {
      done:
        `${stalls} × all commits waited ${STALL_MS / 1000} s for a standby, then ${stalledAlone} single ones in ` +
        `${lonely / 1000} s; ${traffic.written} messages both ways`,
      account,
      checks: [
        check('nothing lost, repeated or out of order', isSound(account)),
        stuck,
        check(
          `clients' words, and the answers accepted before, were delivered ${delays.map(seconds).join(', ')} after it`,
          delays.every((ms) => ms <= AFTER_STALL_MS),
        ),
        check(`uncertain: ${account.outbound.uncertain}`, account.outbound.uncertain === 0),
      ],
    };
  }).finally(() => awaitStandby(context, false));
}

/** Every commit waits for a standby that there is not, or does not; what waits goes on at once. */
async function awaitStandby({ postgresUrl }: RowContext, wait: boolean): Promise<void> {
  // The change itself must not wait for it.
  await query(postgresUrl, `ALTER SYSTEM SET synchronous_standby_names = '${wait ? 'frozen' : ''}'`);
  await query(postgresUrl, 'SELECT pg_reload_conf()');
}

/**
 * From now on one in a hundred changes of a lane has its commit wait: the others, heartbeats among them, go on. Resolves
 * with what ends it, which tells how many waited.
 */
async function stallSingleCommits(stage: Stage): Promise<() => Promise<number>> {
  await stage.query('CREATE SEQUENCE stalls');
  await stage.query(
    `CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS
     $$BEGIN IF random() < ${STALLED_SHARE} THEN PERFORM nextval('stalls'), pg_sleep(${STALL_MS / 1000}); END IF; RETURN NULL; END$$`,
  );
  await stage.query(
    `CREATE CONSTRAINT TRIGGER stall AFTER UPDATE ON lanes DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW EXECUTE FUNCTION stall()`,
  );
  return async () => {
    await stage.query(
      'CREATE OR REPLACE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$',
    );
    const [row] = await stage.query<{ stalls: number }>('SELECT last_value::int AS stalls FROM stalls');
    return row!.stalls;
  };
}

/** Answers so far whose event the program took, except those posted just now. */
function acceptedAnswers(traffic: Traffic): string[] {
  traffic.noteLostEvents();
  const told = traffic.portals.flatMap(({ events }) => events.journal).filter(({ outcome }) => outcome === 'delivered');
  const words = told.map(({ body }) => WORDS.exec(decodeURIComponent(body.replaceAll('+', ' ')))?.[0]);
  const taken = new Set(words);
  return [...traffic.answers].flatMap(([chat, count]) =>
    Array.from({ length: count }, (_, n) => answer(chat, n + 1)).filter((each) => taken.has(each)),
  );
}

function hasAll({ telegram }: Stage, words: string[]): boolean {
  const sent = new Set(telegram.ledger().map(({ text }) => WORDS.exec(text)?.[0]));
  return words.every((each) => sent.has(each));
}

function heardAll(traffic: Traffic, asked: (readonly [chat: number, count: number])[]): boolean {
  return asked.every(
    ([chat, count]) =>
      traffic
        .dialogs(chat)
        .reduce((sum, { messages }) => sum + messages.filter(({ author }) => author === 'client').length, 0) >= count,
  );
}

function withoutConnections(context: RowContext): Promise<RowResult> {
  return Stage.use(context, {}, async (stage) => {
    const ms = context.full ? 300_000 : 30_000;
    const traffic = await Traffic.begin(stage, CHATS);
    traffic.flow({ clients: 10, operators: 5 });
    const ended = await terminateFor(stage, ms);
    const afterStream = await flowsAgain(stage);
    const held = await withEveryConnectionTaken(stage, context.full ? 30_000 : 10_000);
    const afterFull = await flowsAgain(stage);
    const account = await settle(stage, traffic, 240_000);
    const stuck = await noneStuck(stage);
    return {
      done:
        `${ended} connections ended in ${ms / 1000} s, then all ${held} of the server taken; ` +
        `${traffic.written} messages both ways`,
      account,
      checks: [
        check('nothing lost, repeated or out of order', isSound(account)),
        stuck,
        check('the program stayed', stage.program.exitCode === null),
        check(
          `both ways again after ${seconds(afterStream)} and ${seconds(afterFull)}`,
          Math.max(afterStream, afterFull) <= RECOVERY_MS,
        ),
      ],
      notes: [`${account.outbound.uncertain} answers were called uncertain.`],
    };
  });
}

/** Ends one connection of the program five times a second; answers how many. */
async function terminateFor(stage: Stage, ms: number): Promise<number> {
  let ended = 0;
  for (const end = performance.now() + ms; performance.now() < end;) {
    const rows = await stage.query(
      `SELECT pg_terminate_backend(pid) FROM (
         SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
          ORDER BY random() LIMIT 1) AS one`,
    );
    ended += rows.length;
    await sleep(200);
  }
  return ended;
}

/** Takes every connection of the server, the program's too, for so long; answers how many there were. */
async function withEveryConnectionTaken(stage: Stage, ms: number): Promise<number> {
  const own: Client[] = [];
  const take = async (): Promise<boolean> => {
    const client = new Client({ connectionString: stage.database });
    client.on('error', () => undefined);
    try {
      await client.connect();
      own.push(client);
      return true;
    } catch (error) {
      if ((error as { code?: string }).code === TOO_MANY_CONNECTIONS) return false;
      throw error;
    }
  };
  try {
    while (await take());
    const pids = own.map((client) => (client as Client & { processID: number }).processID);
    await own[0]!.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND NOT pid = ANY($1)`,
      [pids],
    );
    for (const end = performance.now() + ms; performance.now() < end;) if (!(await take())) await sleep(20);
    return own.length;
  } finally {
    await Promise.all(own.map((client) => client.end()));
  }
}

/** Milliseconds until something new has arrived on both sides. */
async function flowsAgain(stage: Stage): Promise<number> {
  const before = arrivals(stage);
  const flows = await until(
    () => arrivals(stage),
    (now) => now.every((count, side) => count > before[side]!),
    60_000,
  );
  return flows.ok ? flows.ms : Infinity;
}
