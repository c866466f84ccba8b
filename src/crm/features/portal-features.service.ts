import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { isMethodWithheld } from '../../bitrix/bitrix-problems.js';
import type { Language } from '../../common/language.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { Environment } from '../../config/environment.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { retryDelay } from '../../relay/retry-schedule.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import {
  FEATURES,
  type FeatureName,
  PortalFeaturesRepository,
  type FeatureRecord,
  type FeatureSettings,
  type FeatureState,
} from '../../storage/crm/portal-features.repository.js';
import { idOf, isPortal } from '../../storage/work/endpoint-id.js';
import { FEATURE_NAMES, FEATURE_STATES } from './feature.words.js';
import { hasScope, type Feature } from './feature.js';

const LOOK_MS = 30_000;
/** How long a choice waits for another look at the same, which may be that of a process that was killed; milliseconds. */
const PATIENCE_MS = 20_000;
const CLAIMED_MS = 200;
const CLAIMED_AT_ONCE = 10;
/** What fails again and again asks the portal no more often than this; seconds. */
const LOOKED_SECONDS = 60;
/** Bitrix24 tells nobody when it has forgotten a robot. */
const DAY_MS = 24 * 3_600_000;
/** What keeps a feature away may have been changed in the portal. */
const HOUR_MS = 3_600_000;

/** One feature of a portal as it is shown to people. */
export interface ShownFeature {
  feature: FeatureName;
  wanted: boolean;
  /** null: nobody has chosen it yet, or nobody has looked. */
  state: FeatureState | null;
  checkedAt: Date | null;
  record: FeatureRecord | null;
}

/**
 * Keeps on each portal what somebody there has chosen, as far as its scopes and its plan allow: registers it, looks once a
 * day whether it is still there, and says in one sentence what is missing. The connector depends on none of it.
 */
@Injectable()
export class PortalFeatures implements BeforeApplicationShutdown {
  private readonly logger = new Logger(PortalFeatures.name);
  private readonly features = new Map<FeatureName, Feature>();
  private looking: Promise<void> | undefined;
  private stopping = false;

  constructor(
    private readonly records: PortalFeaturesRepository,
    private readonly portals: PortalsRepository,
    private readonly environment: Environment,
    relay: RelayEvents,
  ) {
    relay.on('changed', (endpoint) => {
      const of = isPortal(endpoint) ? { portalId: idOf(endpoint) } : { botId: idOf(endpoint) };
      void this.lookAfter(() => this.records.lookAgain(of));
    });
  }

  register(feature: Feature): void {
    this.features.set(feature.name, feature);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    await this.looking;
  }

  /** Somebody of the portal, or who runs the program, wants it or not. Answers what came of it. */
  async choose(
    portalId: bigint,
    name: FeatureName,
    wanted: boolean,
    settings?: FeatureSettings,
  ): Promise<ShownFeature> {
    await this.records.choose(portalId, name, wanted, settings);
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      for (const record of await this.records.claim(1, { portalId, feature: name })) await this.check(record);
      const shown = (await this.show(portalId)).find(({ feature }) => feature === name)!;
      // Somebody looks at it as it was chosen before, or is already as it is wanted now.
      const isLookedAt = Number(shown.record?.claimedUntil ?? 0) > Date.now();
      if (!isLookedAt || Date.now() > deadline) return shown;
      await pause(CLAIMED_MS);
    }
  }

  /** All that there are, chosen or not. */
  async show(portalId: bigint): Promise<ShownFeature[]> {
    const known = new Map((await this.records.list(portalId)).map((record) => [record.feature, record]));
    return FEATURES.filter((name) => this.features.has(name)).map((feature) => {
      const record = known.get(feature) ?? null;
      const { wanted = false, state = null, checkedAt = null } = record ?? {};
      return { feature, wanted, state, checkedAt, record };
    });
  }

  /** Whether the portal has it now: what comes from a portal that refused it is not done. */
  async isWanted(portalId: bigint, name: FeatureName): Promise<boolean> {
    return (await this.show(portalId)).some(({ feature, wanted }) => feature === name && wanted);
  }

  /** What there is, or what is missing; null: nobody wants it. */
  sentence({ feature, record }: Pick<ShownFeature, 'feature' | 'record'>, language: Language): string | null {
    const known = this.features.get(feature);
    if (!record?.state || !known || (!record.wanted && record.state === 'off')) return null;
    const name = FEATURE_NAMES[feature][language];
    return FEATURE_STATES[record.state][language]({ name, detail: record.detail ?? '' });
  }

  @Interval(LOOK_MS)
  look(): Promise<void> {
    if (this.stopping) return Promise.resolve();
    this.looking ??= this.checkDue().finally(() => (this.looking = undefined));
    return this.looking;
  }

  /** Something of the feature is not there, or refused: it is looked at what, unless that was done a moment ago. */
  lookSoon(portalId: bigint, feature: FeatureName): void {
    void this.lookAfter(() => this.records.lookAgainAt(portalId, feature, LOOKED_SECONDS));
  }

  private async lookAfter(makeDue: () => Promise<void>): Promise<void> {
    try {
      await makeDue();
      await this.look();
    } catch (error) {
      this.logger.debug({ err: error }, 'The features of a portal could not be looked at; later again');
    }
  }

  /** Never rejects. */
  private async checkDue(): Promise<void> {
    try {
      for (;;) {
        const due = await this.records.claim(CLAIMED_AT_ONCE);
        await Promise.all(due.map((record) => this.check(record)));
        if (due.length < CLAIMED_AT_ONCE || this.stopping) return;
      }
    } catch (error) {
      this.logger.debug({ err: error }, 'Features could not be looked at; later again');
    }
  }

  private async check(record: FeatureRecord): Promise<void> {
    const feature = this.features.get(record.feature);
    const portal = await this.portals.findById(record.portalId);
    if (!feature || portal?.state !== 'active') return;
    const stamp = record.wanted ? digestOf(await feature.wish(portal)) : null;
    const { state, error, refused } = await this.bring(portal, feature, record, stamp);
    const dueInMs =
      state === 'failed'
        ? retryDelay(record.attempts, 0, Math.random()) * 10
        : (state === 'ready' && !refused) || state === 'off'
          ? DAY_MS
          : HOUR_MS;
    const said = error ? `${error.code}: ${error.detail}` : (refused ?? null);
    const detail = state === 'no_scope' ? missingScopes(portal, feature) : said;
    await this.records.settle(record, { state, detail, stamp: state === 'ready' ? stamp : null, dueInMs });
    if (error)
      this.logger.warn(
        { portalId: String(portal.id), feature: feature.name, state, code: error.code },
        'A feature is not there',
      );
  }

  private async bring(
    portal: PortalRecord,
    feature: Feature,
    { wanted, stamp: known }: FeatureRecord,
    stamp: string | null,
  ): Promise<{ state: FeatureState; error: UpstreamError | null; refused?: string | undefined }> {
    if (wanted && !this.environment.publicUrl) return { state: 'no_address', error: null };
    if (!feature.scopes.every((scope) => hasScope(portal, scope))) {
      return { state: wanted ? 'no_scope' : 'off', error: null };
    }
    try {
      if (wanted) {
        const refused = await feature.register(portal, known !== stamp);
        return { state: 'ready', error: null, refused: refused || undefined };
      }
      await feature.withdraw(portal);
      return { state: 'off', error: null };
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      // What cannot be called has nothing registered.
      const state = stateOf(error);
      return { state: !wanted && state !== 'failed' ? 'off' : state, error };
    }
  }
}

/** All of them where the portal had told others than it has. */
function missingScopes(portal: PortalRecord, { scopes }: Feature): string {
  const missing = scopes.filter((scope) => !hasScope(portal, scope));
  return (missing.length > 0 ? missing : scopes).join(', ');
}

function stateOf(error: UpstreamError): FeatureState {
  const code = error.code.toUpperCase();
  if (code === 'INSUFFICIENT_SCOPE' || code === 'INVALID_SCOPE') return 'no_scope';
  if (isMethodWithheld(error)) return 'no_plan';
  return code === 'ACCESS_DENIED' && error.kind === 'refused' ? 'no_rights' : 'failed';
}

function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
