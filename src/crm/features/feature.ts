import { UpstreamError } from '../../common/upstream-error.js';
import type { FeatureName } from '../../storage/crm/portal-features.repository.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';

/** Something that is registered on a portal beside the connector. Its methods may be called at any time, and twice. */
export interface Feature {
  readonly name: FeatureName;
  /** Scopes that its methods ask for. */
  readonly scopes: readonly string[];
  /** What it would register, to be compared with what was registered last. */
  wish(portal: PortalRecord): Promise<unknown>;
  /**
   * Registers what is missing and, with `changed`, the rest anew. Resolves with what the portal refuses of it while the
   * rest is there, in its words; it is asked for again soon. Throws UpstreamError where nothing is there.
   */
  register(portal: PortalRecord, changed: boolean): Promise<string | void>;
  /** Takes all of it away. Throws UpstreamError. */
  withdraw(portal: PortalRecord): Promise<void>;
}

/** Scopes as the token endpoint lists them; a portal that never told them is asked. */
export function hasScope({ scope }: Pick<PortalRecord, 'scope'>, wanted: string): boolean {
  return scope === '' || scope.split(/[\s,]+/).includes(wanted);
}

/** What is to be taken away may be gone by then: another process, or somebody on the portal, was faster. */
export async function unlessGone(
  deletion: Promise<unknown>,
  isGone: (refusal: UpstreamError) => boolean,
): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    if (!(error instanceof UpstreamError) || !isGone(error)) throw error;
  }
}

/** After a refusal with this code something else is done: another process, or somebody on the portal, was faster. */
export async function insteadOf(
  code: string,
  call: Promise<unknown>,
  otherwise: () => Promise<unknown>,
): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof UpstreamError) || error.code !== code) throw error;
    await otherwise();
  }
}
