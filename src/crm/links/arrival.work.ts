import { Injectable } from '@nestjs/common';
import { UpstreamError } from '../../common/upstream-error.js';
import { readyNote } from '../../connector/dialogs/operator-notes.js';
import { retryDelay } from '../../relay/retry-schedule.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { ArrivalOutcome, ClaimedArrival } from '../../storage/crm/arrivals.repository.js';
import { UTM_PARTS, type Utm } from '../../storage/crm/links.repository.js';
import { mayUseCrm, type CrmEntity } from '../entities/crm-entity.js';
import { CrmItems, titleOf } from '../entities/crm-items.client.js';
import { DialogEntitiesService, type DialogEntities } from '../entities/dialog-entities.service.js';
import { ARRIVAL_WORDS, linesOf } from './arrival.words.js';

/** What nobody could be told for so long is given up. */
export const GIVEN_UP_MS = 24 * 3_600_000;
/** How soon, and how late at most, it is looked again whether the dialog has an entity: each time twice as late. */
const SOONEST_MS = 5_000;
const LATEST_MS = 3 * 3_600_000;

type Line = ReturnType<typeof ARRIVAL_WORDS.bound>;

/** What was done with an invitation. */
interface Bound {
  /** null: the client is an ordinary one. */
  entity: CrmEntity | null;
  lines: Line[];
  /** Why they are. */
  why?: string;
}

/** The dialog, or its activity, is not there yet: why. */
class NotYet extends Error {
  constructor(readonly reason: 'no_dialog' | 'no_entity' | 'no_activity') {
    super(reason);
  }
}

/** Tells the CRM of one client who came by a link: what they are to be bound to, and by which campaign they came. */
@Injectable()
export class ArrivalWork {
  constructor(
    private readonly dialogs: DialogEntitiesService,
    private readonly items: CrmItems,
  ) {}

  /** Every step may be done twice: what is there already is left as it is. */
  async outcomeOf(portal: PortalRecord, arrival: ClaimedArrival): Promise<ArrivalOutcome> {
    const lines: Line[] = [];
    if (arrival.obstacle !== null && !arrival.looked) lines.push(ARRIVAL_WORDS.obstacle(arrival.obstacle));
    const outcome = await this.tell(portal, arrival, lines).catch((error: unknown) => failureOf(error, arrival));
    return lines.length === 0 ? outcome : { ...outcome, note: readyNote(linesOf(lines)) };
  }

  private async tell(portal: PortalRecord, arrival: ClaimedArrival, lines: Line[]): Promise<ArrivalOutcome> {
    if (!mayUseCrm(portal)) return finished('no_scope');
    if (arrival.bitrixChatId === null) throw new NotYet('no_dialog');
    const dialog = await this.dialogs.entitiesOf(portal, arrival.bitrixChatId, { fresh: true });
    if (dialog === null) throw new NotYet('no_dialog');
    const invitation = arrival.obstacle === null ? arrival.entity : null;
    const bound = invitation === null ? null : await this.bind(portal, arrival, dialog, invitation as CrmEntity);
    const entity = bound?.entity ?? dialog.primary;
    if (entity === null && bound === null) throw new NotYet('no_entity');
    const written = entity === null ? {} : await this.write(portal, entity, arrival);
    // Only now: what is said is said once, and all of it.
    lines.push(...(bound?.lines ?? []));
    if (entity !== null && Object.keys(written).length > 0) lines.push(ARRIVAL_WORDS.written(entity, written));
    return {
      ...finished(outcomeName(bound, written), bound?.why),
      ...(entity === null ? {} : { found: { type: entity.type, id: entity.id } }),
    };
  }

  /** The session's activity is bound to the entity: the dialog stands in its card from then on. */
  private async bind(
    portal: PortalRecord,
    { bitrixSessionId }: ClaimedArrival,
    dialog: DialogEntities,
    entity: CrmEntity,
  ): Promise<Bound> {
    const item = await this.items.find(portal.id, entity);
    if (item === null) return { entity: null, lines: [ARRIVAL_WORDS.gone(entity)], why: 'entity_gone' };
    const title = titleOf(item);
    if (dialog.primary?.type === entity.type && dialog.primary.id === entity.id) {
      return { entity, lines: [ARRIVAL_WORDS.bound(entity, title)] };
    }
    // One that was closed meanwhile is bound all the same.
    const session = dialog.sessionId ?? bitrixSessionId;
    const activity = session === null ? null : await this.items.sessionActivity(portal.id, session);
    if (activity === null) throw new NotYet('no_activity');
    try {
      await this.items.bindActivity(portal.id, activity, entity);
    } catch (error) {
      if (!(error instanceof UpstreamError && error.kind === 'refused')) throw error;
      return { entity: null, lines: [ARRIVAL_WORDS.notBound(entity, error.detail)], why: error.detail };
    }
    this.dialogs.forget(portal.id);
    return { entity, lines: [ARRIVAL_WORDS.bound(entity, title)] };
  }

  /**
   * Fills the UTM fields that are empty, and answers what stands there by us: a person's value is never touched. What an
   * interrupted try has written already reads as ours.
   */
  private async write(portal: PortalRecord, entity: CrmEntity, { utm, attempt }: ClaimedArrival): Promise<Utm> {
    const wanted = UTM_PARTS.flatMap((name) => (utm[name] === undefined ? [] : [[name, utm[name]] as const]));
    if (wanted.length === 0) return {};
    const item = await this.items.find(portal.id, entity);
    if (item === null) return {};
    const empty = wanted.filter(([name]) => isEmpty(item[fieldOf(name)]) && fieldOf(name) in item);
    const before = attempt > 1 ? wanted.filter(([name, value]) => item[fieldOf(name)] === value) : [];
    if (empty.length > 0) {
      const fields = Object.fromEntries(empty.map(([name, value]) => [fieldOf(name), value]));
      await this.items.update(portal.id, entity, fields);
    }
    const ours = new Set([...before, ...empty]);
    return Object.fromEntries(wanted.filter((part) => ours.has(part)));
  }
}

function outcomeName(bound: Bound | null, written: Utm): string {
  if (bound?.entity) return 'bound';
  if (bound) return 'not_bound';
  return Object.keys(written).length > 0 ? 'written' : 'nothing_to_write';
}

/** `utmSource` of `source`. */
function fieldOf(name: string): string {
  return `utm${name[0]!.toUpperCase()}${name.slice(1)}`;
}

function isEmpty(value: unknown): boolean {
  return value === null || value === undefined || value === '';
}

function finished(outcome: string, detail?: string): ArrivalOutcome {
  return { againInMs: null, outcome, ...(detail === undefined ? {} : { detail }) };
}

function failureOf(error: unknown, { attempt, pressedAt }: ClaimedArrival): ArrivalOutcome {
  const ageMs = Date.now() - pressedAt.getTime();
  if (error instanceof NotYet) {
    if (ageMs > GIVEN_UP_MS) return finished('given_up', error.reason);
    return { againInMs: Math.min(Math.max(ageMs, SOONEST_MS), LATEST_MS), outcome: error.reason };
  }
  if (!(error instanceof UpstreamError)) throw error;
  const { kind, code, retryAfterMs } = error;
  const detail = `${code}: ${error.detail}`;
  if (/^IN(?:SUFFICIENT|VALID)_SCOPE$/i.test(code)) return finished('no_scope', detail);
  if (kind === 'refused') return finished('refused', detail);
  if (ageMs > GIVEN_UP_MS) return finished('given_up', detail);
  return { againInMs: retryAfterMs ?? retryDelay(attempt, ageMs, Math.random()), outcome: 'portal_trouble', detail };
}
