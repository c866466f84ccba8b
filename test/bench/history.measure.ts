import { Client } from 'pg';
import { DatabaseService } from '../../src/storage/postgres/database.service.js';
import { MessageRetentionRepository } from '../../src/storage/history/message-retention.repository.js';
import { PortalsRepository } from '../../src/storage/accounts/portals.repository.js';
import { latencyOf, type Figure, type Latency } from './figure.js';
import { residentMiB } from './processes.js';
import { SEARCHED_MESSAGES, storedAt, storeSearchedMessages } from './searched-messages.js';
import { query, Stage, type BenchContext } from './stage.js';

/** Rounds of the mix, and of the baseline, which takes about a second for each search. */
const ROUNDS = 10;
const BASELINE_SEARCHES = ['заказа', '700005', 'поддержкаж'];
const OVERVIEWS = 20;
const STATISTICS = 5;
/** Of a portal that keeps a little less than it has. */
const EXPIRED = 50_000;
const EXPIRY_BATCH = 1_000;
const DAY_MS = 86_400_000;

/**
 * Frequent and rare words, words that are frequent one by one and rare together, words of a time that is over, numbers
 * and parts of them, what is not there, with filters and pages.
 */
const MIX: Record<string, string[]> = {
  'frequent words': ['q=заказа', 'q=orders', 'q=дост'],
  'rare words, or none': ['q=а', 'q=возвратж', 'q=nothing like it'],
  'several words': ['q=поддержка ship города'],
  'frequent words of long ago': ['q=распродажа доставка'],
  'numbers and parts of them': ['q=№ 700005', 'q=0005'],
  'words with filters': [
    'q=доставка&chat=77',
    'q=доставка&state=failed',
    'q=заказ&direction=outbound&from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z',
  ],
  'filters alone': ['from=2026-02-01T00:00:00Z&to=2026-02-02T00:00:00Z&state=failed', 'state=uncertain'],
};

/** Milliseconds, the first search included, for which nothing is in memory yet. */
const TARGETS: Record<string, number> = { 'frequent words of long ago': 300 };

/** P10: a history of a million messages, searched, counted, exported and erased through the program. */
export function historySearch(context: BenchContext): Promise<Figure[]> {
  return Stage.use(context, {}, async (stage) => {
    await storeSearchedMessages(stage.database);
    const searches = await search(stage);
    const scans: number[] = [];
    for (const words of BASELINE_SEARCHES) {
      const scan = `SELECT id, text FROM messages WHERE text ILIKE '%${words}%' ORDER BY id DESC`;
      scans.push(await timed(() => query(stage.database, scan)));
    }
    const counting = `SELECT portal_id, bot_id, direction, state, count(*) FROM messages GROUP BY 1, 2, 3, 4`;
    const counts = [await timed(() => query(stage.database, counting))];
    const compared = 'every message compared with the text (ILIKE), p95';
    return [
      figure('search of 10⁶ messages, p95', [...searches.values()].flat(), compared, scans, 60),
      ...[...searches].map(([kind, samples]) => figure(`  ${kind}, p95`, samples, compared, scans, TARGETS[kind])),
      figure('overview of 10⁶ messages, p95', await overviews(stage), 'every message counted', counts, 50),
      figure('statistics of 10⁶ messages, p95', await statistics(stage), 'every message counted', counts, 1_000),
      ...(await exported(stage)),
      await expired(stage),
    ];
  });
}

async function search(stage: Stage): Promise<Map<string, number[]>> {
  const samples = new Map<string, number[]>(Object.keys(MIX).map((kind) => [kind, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [kind, searches] of Object.entries(MIX)) {
      for (const words of searches) {
        samples.get(kind)!.push(await timed(() => get(stage, `messages?${String(new URLSearchParams(words))}`)));
      }
    }
  }
  return samples;
}

async function overviews(stage: Stage): Promise<number[]> {
  const samples: number[] = [];
  for (let n = 0; n < OVERVIEWS; n++) {
    samples.push(await timed(() => get(stage, 'overview')));
    await new Promise((resolve) => setTimeout(resolve, 1_100));
  }
  return samples;
}

/** Of all of it; another end each time, because answers are kept for a while. */
async function statistics(stage: Stage): Promise<number[]> {
  const samples: number[] = [];
  for (let n = 1; n <= STATISTICS; n++) {
    const [from, to] = [storedAt(0), storedAt(SEARCHED_MESSAGES + n)].map((time) => time.toISOString());
    samples.push(await timed(() => get(stage, `statistics?from=${from}&to=${to}`)));
  }
  return samples;
}

/** Read as fast as it comes, and thrown away. */
async function exported(stage: Stage): Promise<Figure[]> {
  const { pid } = stage.program;
  const baseline = { what: 'the same rows read in pages of 1,000 and thrown away', value: await pagesPerSecond(stage) };
  const figures: Figure[] = [];
  for (const format of ['ndjson', 'csv']) {
    const before = await residentMiB(pid);
    let [most, messages] = [before, 0];
    const watch = setInterval(() => void residentMiB(pid).then((now) => (most = Math.max(most, now))), 250);
    const took = await timed(async () => (messages = await linesOf(stage, format)));
    clearInterval(watch);
    // The table has a line above it, and no message of it has several.
    const rate = { value: messages / (took / 1_000), count: messages };
    figures.push(
      { id: 'P10', what: `export as ${format}`, unit: '/s', baseline, ...rate },
      { id: 'P10', what: `the program's memory beyond what it had before`, unit: 'MiB', value: most - before },
    );
  }
  return figures;
}

async function linesOf({ program }: Stage, format: string): Promise<number> {
  const response = await fetch(`${program.url}/admin/export/messages?format=${format}`, {
    headers: { Authorization: `Bearer ${program.adminKey}` },
  });
  if (!response.ok) throw new Error(`The export was refused: ${response.status} ${await response.text()}`);
  let lines = 0;
  for await (const chunk of response.body! as AsyncIterable<Uint8Array>) {
    for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, at + 1)) lines++;
  }
  return lines;
}

async function pagesPerSecond({ database }: Stage): Promise<number> {
  const client = new Client({ connectionString: database });
  await client.connect();
  let last = 0;
  const took = await timed(async () => {
    for (let rows = 1; rows > 0;) {
      const page = await client.query<{ id: string }>(
        `SELECT m.*, c.external_id FROM messages m JOIN chat_links c ON c.id = m.chat_id WHERE m.id > $1 ORDER BY m.id LIMIT 1000`,
        [last],
      );
      rows = page.rows.length;
      last = Number(page.rows.at(-1)?.id ?? last);
    }
  });
  await client.end();
  return SEARCHED_MESSAGES / (took / 1_000);
}

/** As the hourly job does it, without the hour. */
async function expired(stage: Stage): Promise<Figure> {
  const db = new DatabaseService(stage.database);
  try {
    const portalId = BigInt((await stage.portalIds())[0]!);
    const days = Math.floor((Date.now() - storedAt(EXPIRED).getTime()) / DAY_MS);
    await new PortalsRepository(db).setRetention(portalId, days);
    const retention = new MessageRetentionRepository(db);
    let erased = 0;
    const took = await timed(async () => {
      for (let next: bigint | null = 0n; next !== null && erased < EXPIRED;) {
        const step = await retention.expireMessages(portalId, next, EXPIRY_BATCH);
        erased += step.erased;
        next = step.next;
      }
    });
    const plain = `DELETE FROM messages WHERE id IN (SELECT id FROM messages ORDER BY id DESC LIMIT ${erased})`;
    const atOnce = await timed(() => query(stage.database, plain));
    return {
      id: 'P10',
      what: 'messages erased by age',
      unit: '/s',
      value: erased / (took / 1_000),
      count: erased,
      baseline: { what: 'as many by one DELETE', value: erased / (atOnce / 1_000) },
    };
  } finally {
    await db.onApplicationShutdown();
  }
}

function figure(what: string, samples: number[], baseline: string, others: number[], atMost?: number): Figure {
  const [latency, other] = [latencyOf(samples), latencyOf(others)];
  return {
    id: 'P10',
    what,
    unit: 'ms',
    value: latency.p95,
    latency,
    baseline: { what: baseline, value: other.p95, latency: other satisfies Latency },
    ...(atMost === undefined ? {} : { target: { atMost } }),
    count: samples.length,
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

async function get({ program }: Stage, path: string): Promise<void> {
  const response = await fetch(`${program.url}/admin/${path}`, {
    headers: { Authorization: `Bearer ${program.adminKey}` },
  });
  if (!response.ok) throw new Error(`GET /admin/${path}: ${response.status} ${await response.text()}`);
  await response.arrayBuffer();
}
