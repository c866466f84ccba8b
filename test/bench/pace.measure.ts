import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure } from './figure.js';
import { Stage, UNLIMITED, type BenchContext } from './stage.js';

/** Enough for their own limit of one message a second not to count. */
const CHATS = 200;
const AT_ONCE = 200;
/** Longer than any bucket takes to fill. */
const REST_MS = 10_000;
const PATIENCE_MS = 20_000;

/** P17: messages of one bot in any second, whatever it did before. */
export function mostInAnySecond(context: BenchContext): Promise<Figure[]> {
  return Stage.use(context, { environment: UNLIMITED }, async (stage) => {
    await stage.networks.call('clientsIntroduceThemselves', CHATS);
    await sleep(REST_MS);
    await stage.networks.call('liveAnswers', AT_ONCE, CHATS, 0, PATIENCE_MS);
    return [
      {
        id: 'P17',
        what: `messages of one bot in any second, ${AT_ONCE} answers at once after a rest`,
        unit: '',
        value: await stage.networks.call('mostInASecond'),
        baseline: { what: 'what Telegram allows (core.telegram.org/bots/faq#broadcasting-to-users)', value: 30 },
        target: { atMost: 30 },
        count: AT_ONCE,
      },
    ];
  });
}
