import { check, type Check } from './row.js';
import type { Stage } from './stage.js';

/** Lanes in which something still waits although nothing is under way any more, and where; to be called once all is still. */
export async function noneStuck(stage: Stage, of = ''): Promise<Check> {
  const rows = await stage.query<{ lanes: number; where: string }>(
    `SELECT count(*)::int AS lanes,
            concat_ws(' ', endpoint, channel, CASE WHEN busy_fence IS NOT NULL THEN 'busy' END) AS where
       FROM lanes WHERE pending > 0 GROUP BY 2 ORDER BY 1 DESC`,
  );
  const lanes = rows.reduce((sum, row) => sum + row.lanes, 0);
  const places = rows.map((row) => `${row.lanes} × ${row.where}`).join(', ');
  return check(`${of}chats stuck: ${lanes}${places && ` (${places})`}`, lanes === 0);
}
