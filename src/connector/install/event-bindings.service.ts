import { Injectable } from '@nestjs/common';
import { RestClient } from '../../bitrix/rest.client.js';
import type { RestCommand } from '../../bitrix/rest.types.js';
import { Environment } from '../../config/environment.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { callAll } from './command-batches.js';
import {
  BOUND_EVENTS,
  isOurHandler,
  readBoundHandlers,
  reconcileHandlers,
  type BoundHandler,
} from './event-handlers.js';
import { attempt, type RegistrationStep } from './registration-steps.js';

/** Where portals send their events, and which of them do. */
@Injectable()
export class EventBindings {
  constructor(
    private readonly rest: RestClient,
    private readonly environment: Environment,
  ) {}

  /** Address of our event handler; undefined while PUBLIC_URL is not known. */
  get handlerUrl(): string | undefined {
    const { publicUrl, B24_HANDLER_SECRET: secret } = this.environment;
    return publicUrl && `${publicUrl}/b24/handler${secret ? `?secret=${encodeURIComponent(secret)}` : ''}`;
  }

  /** Every event ends with exactly one handler of ours, at `handlerUrl`. */
  async bindEvents(portal: PortalRecord, handlerUrl: string): Promise<RegistrationStep[]> {
    let bound: BoundHandler[] = [];
    const read = await attempt('event.get', 'handlers read', async () => {
      bound = readBoundHandlers((await this.rest.call<unknown>(portal.id, 'event.get')).result);
      return `${bound.filter(isOurHandler).length} handlers of ours`;
    });
    const { stale, missing } = reconcileHandlers(bound, handlerUrl);
    const steps = [read];
    if (stale.length > 0) steps.push(await this.unbind(portal, stale));
    steps.push(await this.bind(portal, missing, handlerUrl));
    return steps;
  }

  /** Commands after which the portal sends no more events. */
  unbinding(): RestCommand[] {
    const { handlerUrl } = this;
    if (!handlerUrl) return [];
    return BOUND_EVENTS.map((event) => ({ method: 'event.unbind', params: { EVENT: event, HANDLER: handlerUrl } }));
  }

  private unbind(portal: PortalRecord, stale: BoundHandler[]): Promise<RegistrationStep> {
    const commands = stale.map(({ event, handler, auth_type }) => ({
      method: 'event.unbind',
      params: { EVENT: event, HANDLER: handler, AUTH_TYPE: auth_type ?? '0' },
    }));
    return attempt('event.unbind', `${stale.length} stale handlers removed`, async () => {
      const refused = await callAll(this.rest, portal, commands);
      if (refused.length > 0) throw refused[0];
    });
  }

  private bind(portal: PortalRecord, missing: readonly string[], handlerUrl: string): Promise<RegistrationStep> {
    if (missing.length === 0)
      return Promise.resolve({ step: 'event.bind', ok: true, detail: 'every event was bound already' });
    const commands = missing.map((event) => ({ method: 'event.bind', params: { EVENT: event, HANDLER: handlerUrl } }));
    return attempt('event.bind', `bound: ${missing.join(', ')}`, async () => {
      const refused = (await callAll(this.rest, portal, commands)).filter(
        (error) => !/already bind?ed/i.test(error.detail),
      );
      if (refused.length > 0) throw refused[0];
    });
  }
}
