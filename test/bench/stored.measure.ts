import { CHATS, UNDER_WAY } from './clients.measure.js';
import type { Figure } from './figure.js';
import { FIRST_LINE, query, Stage, UNLIMITED, type BenchContext, type Flowed } from './stage.js';
import { FIRST_WAITING_CHAT, storeHistory, storeWaiting } from './stored-messages.js';

const HISTORY = 1_000_000;
const WAITING = 100_000;
/** Per message it must cost nothing what else is stored; this much is left to the noise of the machine. */
const AS_EMPTY = 0.95;

/**
 * P11: P2 beside a long history, and beside a long backlog of other chats. Each on a database and a process of its own;
 * the empty one is measured before and after them.
 */
export async function throughputBesideStored(context: BenchContext): Promise<Figure[]> {
  const before = await besideStored(context, async () => undefined);
  const history = await besideStored(context, (stage) => storeHistory(stage.database, HISTORY));
  const waiting = await besideStored(context, (stage) => storeWaiting(stage.database, WAITING));
  const after = await besideStored(context, async () => undefined);
  const baseline = {
    what: 'the same with nothing stored, mean of the two runs',
    value: (before.perSecond + after.perSecond) / 2,
  };
  const figure = (what: string, { perSecond, cpuMsEach, count }: Flowed): Figure => ({
    id: 'P11',
    what: `client → Bitrix24, ${CHATS} chats, ${what}`,
    unit: '/s',
    value: perSecond,
    cpuMsEach,
    count,
  });
  const judged = { baseline, target: { timesBaseline: AS_EMPTY } };
  return [
    figure('nothing stored, before', before),
    { ...figure(`${HISTORY} messages of history`, history), ...judged },
    {
      ...figure(`${WAITING} waiting in other chats, half of them of a portal that may not be called`, waiting),
      ...judged,
    },
    figure('nothing stored, after', after),
  ];
}

function besideStored(context: BenchContext, store: (stage: Stage) => Promise<void>): Promise<Flowed> {
  return Stage.use(context, { environment: UNLIMITED, portals: 2 }, async (stage) => {
    await stage.addBots([{ portal: 1, lineId: FIRST_LINE }]);
    const [, parked] = await stage.portalIds();
    await query(
      stage.database,
      `UPDATE portals SET state = 'reauthorise', state_reason = 'bench' WHERE id = ${parked}`,
    );
    await store(stage);
    const stored = await pendingOfOthers(stage);
    await stage.networks.call('clientsWrite', CHATS, UNDER_WAY);
    const flowed = await stage.flow(context.seconds);
    const left = await pendingOfOthers(stage);
    if (left !== stored) throw new Error(`Of ${stored} messages that had to wait only ${left} still do`);
    return flowed;
  });
}

/** Deliveries that wait in chats of clients who do not write meanwhile. */
async function pendingOfOthers(stage: Stage): Promise<number> {
  const { rows } = await query<{ pending: number }>(
    stage.database,
    `SELECT coalesce(sum(l.pending), 0)::int AS pending
       FROM lanes l JOIN chat_links c ON c.id = l.chat_id WHERE c.telegram_chat_id >= ${FIRST_WAITING_CHAT}`,
  );
  return rows[0]!.pending;
}
