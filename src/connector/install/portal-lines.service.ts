import { Injectable } from '@nestjs/common';
import { RestClient } from '../../bitrix/rest.client.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { TimeLimitError, within } from '../../common/within.js';
import { readLineConfigs, type LineConfig, lineConfigsQuery, LINES_METHOD } from '../dialogs/line-config.parser.js';

/** How long a portal may take, and how long its answer serves: a console that polls must not eat its bucket. */
const LIMIT_MS = 3_000;
const KEPT_MS = 5_000;
const MOST_PORTALS = 10_000;

/** The open lines as the portal names them; `error`: why it did not, in words for people. */
export type AskedLines = { configs: LineConfig[]; error: null } | { configs: null; error: string };

/** Reads which open lines a portal has. */
@Injectable()
export class PortalLinesService {
  private readonly kept = new Map<bigint, { until: number; lines: Promise<AskedLines> }>();

  constructor(private readonly rest: RestClient) {}

  /** At most 5 s old, failures too; takes 3 s at most and throws only what is no fault of the portal. */
  list(portalId: bigint): Promise<AskedLines> {
    const now = performance.now();
    const known = this.kept.get(portalId);
    if (known && now < known.until) return known.lines;
    const lines = this.ask(portalId);
    if (this.kept.size >= MOST_PORTALS) this.kept.clear();
    this.kept.set(portalId, { until: now + LIMIT_MS + KEPT_MS, lines });
    lines.then(
      () => this.kept.set(portalId, { until: performance.now() + KEPT_MS, lines }),
      () => this.kept.delete(portalId),
    );
    return lines;
  }

  private async ask(portalId: bigint): Promise<AskedLines> {
    try {
      const call = this.rest.call(portalId, LINES_METHOD, lineConfigsQuery(), { timeoutMs: LIMIT_MS });
      return { configs: readLineConfigs((await within(LIMIT_MS, call)).result), error: null };
    } catch (error) {
      if (error instanceof UpstreamError) return { configs: null, error: `${error.code}: ${error.detail}` };
      if (error instanceof TimeLimitError) return { configs: null, error: `The portal gave ${error.message}.` };
      throw error;
    }
  }
}
