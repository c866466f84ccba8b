import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure } from './figure.js';
import { residentMiB } from './processes.js';
import { Stage, UNLIMITED, type BenchContext } from './stage.js';
import { pushUpdates, WEBHOOK } from './webhook.measure.js';

const WAITING = 10_000;
/** Long enough for the retries to be in full swing and for garbage to be collected. */
const SETTLE_MS = 10_000;

/** P8: memory of the program while many messages wait for a Bitrix24 that is out of order. */
export function memoryWithBacklog(context: BenchContext): Promise<Figure[]> {
  return Stage.use(context, { environment: { ...WEBHOOK, ...UNLIMITED } }, async (stage) => {
    const before = await residentMiB(stage.program.pid);
    await stage.networks.call('refuseBitrix24');
    await pushUpdates(stage, WAITING);
    await sleep(SETTLE_MS);
    const value = await residentMiB(stage.program.pid);
    const baseline = { what: 'the same process before, idle', value: before };
    return [
      { id: 'P8', what: 'memory, idle', unit: 'MiB', value: before, target: { atMost: 150 } },
      {
        id: 'P8',
        what: `memory with ${WAITING} messages waiting (Bitrix24 answers 503)`,
        unit: 'MiB',
        value,
        baseline,
        target: { atMost: 180 },
      },
    ];
  });
}
