import { UpstreamError } from '../common/upstream-error.js';
import type { PortalRecord } from '../storage/accounts/portals.repository.js';
import { bitrixError } from './bitrix-problems.js';
import type { CallablePortals } from './callable-portals.js';
import type { RateLimiter } from './rate-limiter.js';
import { RequestPermit } from './request-permit.js';
import { isPageRefusal, pageAboutWords, pageOfPortal } from './rest-errors.js';
import type { Exchange, RestExchange } from './rest-exchange.js';
import type { Credentials } from './tokens.service.js';

/** Asks nothing of a portal, so whoever answers it answers other calls too; Bitrix24 has always had it. */
const METHOD = 'app.info';
const TIMEOUT_MS = 10_000;
/** An answer counts for all calls that a page refused and that began at most this long after it was asked for. */
const KEPT_MS = 300;

/** Tells what a portal is like by a call that asks nothing of it. */
export class HarmlessCall {
  /** How the latest call ended, by portal; undefined: it was answered. */
  private readonly verdicts = new Map<bigint, { begunAt: number; verdict: Promise<UpstreamError | undefined> }>();

  constructor(
    private readonly exchange: RestExchange,
    private readonly limiter: RateLimiter,
    private readonly portals: CallablePortals,
  ) {}

  async ask(portal: PortalRecord, credentials: Credentials): Promise<Exchange<unknown>> {
    await new RequestPermit(this.limiter, portal.id).ready();
    await this.portals.get(portal.id);
    return this.exchange.run(portal, METHOD, credentials, {}, { timeoutMs: TIMEOUT_MS });
  }

  /**
   * What a page in place of an answer means. If this call gets a page too, the portal is closed; if it is answered, the
   * page was about what the refused call said, and nothing of that call happened.
   */
  async judgePage(
    portal: PortalRecord,
    method: string,
    credentials: Credentials,
    page: UpstreamError,
    askedAt: number,
  ): Promise<UpstreamError> {
    if (method === METHOD) return pageOfPortal(page);
    const verdict = await this.verdict(portal, credentials, askedAt);
    if (verdict?.scope === 'portal') return verdict;
    // This call failed for another reason: what the page means is unknown, but nothing happened.
    if (verdict && verdict.kind !== 'refused') return bitrixError('not_sent', page.code, page.detail, 'endpoint');
    return isPageRefusal(verdict) ? pageOfPortal(verdict) : pageAboutWords(page);
  }

  /** One call for all that were refused at about the same time: an older answer says nothing about a later page. */
  private verdict(portal: PortalRecord, credentials: Credentials, askedAt: number): Promise<UpstreamError | undefined> {
    const last = this.verdicts.get(portal.id);
    if (last && askedAt - last.begunAt < KEPT_MS) return last.verdict;
    const verdict = this.ask(portal, credentials).then(
      ({ error }) => (error instanceof UpstreamError ? error : undefined),
      (error: unknown) => {
        if (error instanceof UpstreamError) return bitrixError('unknown', error.code, error.detail, 'endpoint');
        throw error;
      },
    );
    this.verdicts.set(portal.id, { begunAt: performance.now(), verdict });
    verdict.catch(() => this.verdicts.delete(portal.id));
    return verdict;
  }
}
