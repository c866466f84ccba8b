import { Logger } from '@nestjs/common';
import type { UpstreamError } from '../common/upstream-error.js';
import type { TokenKey } from '../storage/accounts/tokens.repository.js';
import { bitrixError, bitrixProblem } from './bitrix-problems.js';

/** How long a pair is left alone after a hiccup of the OAuth server: at first, and at most; each pause doubles. */
const HICCUP_MS = { first: 1_000, longest: 30_000 };
/** The same after a clear refusal of the application or for lack of payment, which a person has to put right. */
const REFUSAL_MS = { first: 30_000, longest: 300_000 };
/** After a token was refused although it was new. */
const USELESS_MS = 30_000;

interface Pause {
  until: number;
  /** Refreshes in a row that failed in this way. */
  failures: number;
  error: UpstreamError;
  /** The secret that the OAuth server refused; with another one it is asked at once. */
  secret?: string;
}

/** Pairs that are not refreshed for a while, because a refresh failed. */
export class TokenPauses {
  private readonly logger = new Logger(TokenPauses.name);
  private readonly pauses = new Map<string, Pause>();

  /** After a refresh that failed. Answers the error for the call that needed the token: it was not sent. */
  begin(key: TokenKey, { kind, code, detail }: UpstreamError, secret: string): UpstreamError {
    const name = nameOfPair(key);
    const refused = kind === 'refused';
    const { first, longest } = refused ? REFUSAL_MS : HICCUP_MS;
    const last = this.pauses.get(name);
    const failures = last && (last.secret !== undefined) === refused ? last.failures + 1 : 1;
    const pauseMs = Math.min(first * 2 ** Math.min(failures - 1, 20), longest);
    const error = bitrixError(
      'not_sent',
      code,
      `no new access token: ${detail}`,
      refused ? 'portal' : 'endpoint',
      // RestTroubles lengthens the pauses of a whole portal by itself.
      refused ? first : pauseMs,
    );
    this.pauses.set(name, { until: Date.now() + pauseMs, failures, error, ...(refused && { secret }) });
    this.logger.warn(`Portal ${key.portalId}: could not refresh the token of user ${key.userId} (${code})`);
    return error;
  }

  /** A token was rejected although it had just been renewed: no use in renewing it again at once. */
  beginUseless(key: TokenKey): void {
    const error = bitrixProblem('REFRESH_PAUSED', 'the token was refused although it was new');
    this.pauses.set(nameOfPair(key), { until: Date.now() + USELESS_MS, failures: 0, error });
  }

  end(key: TokenKey): void {
    this.pauses.delete(nameOfPair(key));
  }

  until(key: TokenKey): Date | undefined {
    const until = this.pauses.get(nameOfPair(key))?.until ?? 0;
    return until > Date.now() ? new Date(until) : undefined;
  }

  /** Throws while the pair is left alone; `secretNow`: the secret with which the OAuth server would be asked. */
  async assertNone(key: TokenKey, secretNow: () => Promise<string>): Promise<void> {
    const pause = this.pauses.get(nameOfPair(key));
    const left = (pause?.until ?? 0) - Date.now();
    if (!pause || left <= 0) return;
    if (pause.secret !== undefined && (await secretNow()) !== pause.secret) return;
    const { kind, code, detail, scope, retryAfterMs } = pause.error;
    throw bitrixError(kind, code, detail, scope, scope === 'portal' ? retryAfterMs : left);
  }
}

export function nameOfPair({ portalId, userId }: TokenKey): string {
  return `${portalId}:${userId}`;
}
