import { Injectable } from '@nestjs/common';
import { RestClient } from '../../bitrix/rest.client.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { ClaimedTriggerEvent, TriggerOutcome } from '../../storage/crm/trigger-events.repository.js';
import { typeIdOf, type CrmEntity } from '../entities/crm-entity.js';
import { DialogEntitiesService } from '../entities/dialog-entities.service.js';
import { triggerCode } from './trigger-definitions.js';

/** What nobody could be told for so long is given up: a deal that moves a day late surprises. */
export const GIVEN_UP_MS = 24 * 3_600_000;
/** How soon, and how late at most, it is looked again whether the dialog has an entity: each time twice as late. */
const SOONEST_MS = 5_000;
const LATEST_MS = 3 * 3_600_000;
/** A trigger that is not there is registered within this time. */
const REGISTERED_MS = 30_000;
/** Robots of the stage run inside the call (apidocs.bitrix24.com, crm.automation.trigger.execute: a sample of 13 s). */
const EXECUTE_MS = 65_000;
/** The portal says so of what broke while it ran, too. */
const MAY_HAVE_RUN: ReadonlySet<string> = new Set(['INTERNAL_SERVER_ERROR', 'ERROR_UNEXPECTED_ANSWER']);

/** What one try came to, and whether the portal's triggers are to be looked at. */
export type TriedTrigger = TriggerOutcome & { isMissing?: boolean };

/** Has the CRM execute the trigger of one event. */
@Injectable()
export class TriggerWork {
  constructor(
    private readonly rest: RestClient,
    private readonly dialogs: DialogEntitiesService,
  ) {}

  /** What the trigger is to move; or why that is not to be done, or not yet. Asking again is harmless. */
  async target(
    portal: PortalRecord,
    event: ClaimedTriggerEvent,
    codes: ReadonlySet<string>,
  ): Promise<CrmEntity | TriedTrigger> {
    if (event.interrupted !== null)
      return done('uncertain', 'The program ended while the portal executed the trigger.');
    if (event.moved) return done('moved');
    if (!codes.has(triggerCode(event.event, event.subject))) return done('no_trigger');
    if (ageOf(event) > GIVEN_UP_MS) return done('given_up');
    try {
      const entity = event.bitrixChatId === null ? null : await this.dialogs.movable(portal, event.bitrixChatId);
      return entity ?? later(event, 'no_entity');
    } catch (error) {
      return this.failed(event, error, { executing: false });
    }
  }

  /** Not to be asked again, unless the answer says so: a second run moves the entity on, or repeats robots. */
  async execute(portal: PortalRecord, event: ClaimedTriggerEvent, { type, id }: CrmEntity): Promise<TriedTrigger> {
    const params = {
      CODE: triggerCode(event.event, event.subject),
      OWNER_TYPE_ID: typeIdOf(type),
      OWNER_ID: Number(id),
    };
    try {
      const options = { timeoutMs: EXECUTE_MS, yields: true };
      await this.rest.call(portal.id, 'crm.automation.trigger.execute', params, options);
      return done('executed', `${type} ${id}`);
    } catch (error) {
      return this.failed(event, error, { executing: true });
    }
  }

  private failed(event: ClaimedTriggerEvent, error: unknown, { executing }: { executing: boolean }): TriedTrigger {
    if (!(error instanceof UpstreamError)) throw error;
    const detail = `${error.code}: ${error.detail}`;
    const code = error.code.toUpperCase();
    if (executing && (error.kind === 'unknown' || MAY_HAVE_RUN.has(code))) return done('uncertain', detail);
    const isMissing = /is not registered/i.test(error.detail);
    if (isMissing) return { againInMs: REGISTERED_MS, outcome: 'no_trigger', detail, isMissing };
    // Somebody has to act in the portal: what is missing is said where features are.
    if (code === 'ACCESS_DENIED' || /^IN(?:SUFFICIENT|VALID)_SCOPE$/.test(code)) {
      return { ...later(event, 'no_rights', detail), isMissing: true };
    }
    if (error.kind === 'refused') return done('refused', detail);
    return { ...later(event, 'portal_trouble', detail), ...(error.retryAfterMs && { againInMs: error.retryAfterMs }) };
  }
}

const ageOf = ({ happenedAt }: ClaimedTriggerEvent) => Date.now() - happenedAt.getTime();

function done(outcome: string, detail?: string): TriedTrigger {
  return { againInMs: null, outcome, ...(detail === undefined ? {} : { detail }) };
}

function later(event: ClaimedTriggerEvent, outcome: string, detail?: string): TriedTrigger {
  const againInMs = Math.min(Math.max(ageOf(event), SOONEST_MS), LATEST_MS);
  return { againInMs, outcome, ...(detail === undefined ? {} : { detail }) };
}
