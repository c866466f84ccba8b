import { Problem } from '../../common/problem.js';
import { UpstreamError } from '../../common/upstream-error.js';

/** What a failed call of the manager bot is to whoever asked for it; anything else comes back as it is. */
export function managerProblem(error: unknown): unknown {
  if (!(error instanceof UpstreamError)) return error;
  return error.kind === 'refused'
    ? new Problem(409, 'not_managed', `The manager bot may not manage this bot (${error.detail}).`, {
        said: error.detail,
      })
    : new Problem(503, 'telegram_unreachable', `Telegram could not be asked (${error.code}). Try again.`, {
        said: error.code,
      });
}

export const noManager = () =>
  new Problem(409, 'no_manager', 'No bots can be made now: see GET /admin/bot-requests/manager, or give a token.');

/** It was pasted here, or its owner made it for another portal: they alone take a new token, at @BotFather. */
export const notMadeHere = () =>
  new Problem(409, 'not_managed', 'Nobody made this bot for this portal: enter a token from @BotFather.');
