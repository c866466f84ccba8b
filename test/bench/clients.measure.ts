import { sendInALoop } from './direct-sender.js';
import type { Figure } from './figure.js';
import { Stage, UNLIMITED, type BenchContext } from './stage.js';

export const CHATS = 50;
export const UNDER_WAY = 1_000;
const BASELINE_SECONDS = 5;

/** P2: clients' messages from Telegram's queue into Bitrix24's dialogs. */
export function clientsToBitrix24(context: BenchContext): Promise<Figure[]> {
  return Stage.use(context, { environment: UNLIMITED }, async (stage) => {
    const baseline = await sendInALoop(await stage.networks.call('access'), CHATS, BASELINE_SECONDS);
    await stage.networks.call('clientsWrite', CHATS, UNDER_WAY);
    const { count, perSecond, cpuMsEach } = await stage.flow(context.seconds);
    return [
      {
        id: 'P2',
        what: `client → Bitrix24, ${CHATS} chats, a Bitrix24 that answers at once`,
        unit: '/s',
        value: perSecond,
        baseline: { what: 'one call after the other with the same HTTP client, no database', value: baseline },
        target: { atLeast: 2_500 },
        cpuMsEach,
        count,
      },
    ];
  });
}
