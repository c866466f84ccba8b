import { wordsVector } from '../../src/storage/message-words.repository.js';
import { latencyOf, type Figure, type Latency } from './figure.js';
import { query, Stage, type BenchContext } from './stage.js';

const MESSAGES = 1_000_000;
const CHATS = 20_000;
const BATCH = 100_000;
/** Rounds of the mix, and of the baseline, which takes about a second for each search. */
const ROUNDS = 10;
const BASELINE_SEARCHES = ['заказа', '700005', 'поддержкаж'];
const OVERVIEWS = 20;

/**
 * Frequent and rare words, words that are frequent one by one and rare together, numbers and parts of them, what is
 * not there, with filters and pages.
 */
const MIX = [
  'q=заказа',
  'q=orders',
  'q=дост',
  'q=а',
  'q=возвратж',
  'q=поддержка ship города',
  'q=распродажа доставка',
  'q=№ 700005',
  'q=0005',
  'q=nothing like it',
  'q=доставка&chat=77',
  'q=доставка&state=failed',
  'q=заказ&direction=outbound&from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z',
  'from=2026-02-01T00:00:00Z&to=2026-02-02T00:00:00Z&state=failed',
  'state=uncertain',
];

/** P10: searches of a history of a million messages, through the admin API. */
export function historySearch(context: BenchContext): Promise<Figure[]> {
  return Stage.use(context, {}, async (stage) => {
    await fill(stage.database);
    const searches: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      for (const search of MIX) searches.push(await timed(() => get(stage, `messages?${new URLSearchParams(search)}`)));
    }
    const overviews: number[] = [];
    for (let n = 0; n < OVERVIEWS; n++) {
      overviews.push(await timed(() => get(stage, 'overview')));
      await new Promise((resolve) => setTimeout(resolve, 1_100));
    }
    const scans: number[] = [];
    for (const words of BASELINE_SEARCHES) {
      const scan = `SELECT id, text FROM messages WHERE text ILIKE '%${words}%' ORDER BY id DESC`;
      scans.push(await timed(() => query(stage.database, scan)));
    }
    const counting = `SELECT portal_id, bot_id, direction, state, count(*) FROM messages GROUP BY 1, 2, 3, 4`;
    const counts = [await timed(() => query(stage.database, counting))];
    return [
      figure('search of 10⁶ messages, p95', searches, 'every message compared with the text (ILIKE), p95', scans, 100),
      figure('overview of 10⁶ messages, p95', overviews, 'every message counted', counts, 50),
    ];
  });
}

function figure(what: string, samples: number[], baseline: string, others: number[], atMost: number): Figure {
  const [latency, other] = [latencyOf(samples), latencyOf(others)];
  return {
    id: 'P10',
    what,
    unit: 'ms',
    value: latency.p95,
    latency,
    baseline: { what: baseline, value: other.p95, latency: other satisfies Latency },
    target: { atMost },
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

/**
 * Half a year of it. Words as they are in real texts: few make up most of it, most are rare; a fifth of the messages
 * has an order number; the first third was written during a sale that is over.
 */
async function fill(database: string): Promise<void> {
  await query(
    database,
    `CREATE TABLE vocabulary AS
     SELECT n, (ARRAY['заказ', 'доставк', 'оплат', 'order', 'товар', 'цен', 'ship', 'поддержк', 'возврат', 'город'])[1 + n % 10]
               || CASE WHEN n < 100 THEN '' ELSE translate(to_hex(n * 7919), '0123456789abcdef', 'аеиоуклмнпрстдвж') END
               || CASE WHEN n % 10 IN (3, 6) THEN (ARRAY['', 's', 'ed'])[1 + n / 10 % 3]
                       ELSE (ARRAY['', 'а', 'ы', 'у', 'ом'])[1 + n / 10 % 5] END AS word
       FROM generate_series(0, 29999) n;
     CREATE UNIQUE INDEX ON vocabulary (n);
     INSERT INTO chat_links (id, bot_id, portal_id, external_id, external_user_id, telegram_chat_id, title)
     SELECT n, b.id, b.portal_id, 'tg:' || n, 'tg:' || n, n, 'Client ' || n
       FROM generate_series(1, ${CHATS}) n, (SELECT id, portal_id FROM bots LIMIT 1) b`,
  );
  for (let from = 1; from <= MESSAGES; from += BATCH) await query(database, messagesFrom(from));
  await query(database, 'VACUUM ANALYZE');
}

function messagesFrom(first: number): string {
  return `
    WITH said AS (
      SELECT m.n, string_agg(v.word, ' ')
                  || CASE WHEN m.n % 5 = 0 THEN ' ' || m.n ELSE '' END
                  || CASE WHEN m.n < ${Math.round(MESSAGES / 3)} AND m.n % 3 = 0 THEN ' распродажа' ELSE '' END AS text
        FROM generate_series(${first}, ${first + BATCH - 1}) AS m (n)
       CROSS JOIN LATERAL (SELECT floor(power(29999, random()))::int AS n FROM generate_series(1, 3 + m.n % 15)) r
        JOIN vocabulary v ON v.n = r.n
       GROUP BY m.n ORDER BY m.n
    ), kept AS (
      INSERT INTO messages (id, portal_id, bot_id, chat_id, direction, state, kind, text, raw, created_at)
      SELECT said.n, c.portal_id, c.bot_id, c.id, (CASE WHEN said.n % 2 = 0 THEN 'inbound' ELSE 'outbound' END)::"Direction",
             (CASE WHEN said.n % 100 = 0 THEN 'failed' WHEN said.n % 999 = 0 THEN 'uncertain' ELSE 'delivered' END)::"MessageState",
             'text', text, jsonb_build_object('update_id', said.n, 'message', jsonb_build_object('text', text)),
             '2026-01-01T00:00:00Z'::timestamptz + said.n * interval '15 seconds'
        FROM said JOIN chat_links c ON c.id = 1 + said.n % ${CHATS}
    )
    INSERT INTO message_words (message_id, words) SELECT n, ${wordsVector('text')} FROM said`;
}
