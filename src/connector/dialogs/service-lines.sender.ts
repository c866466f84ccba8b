import { Injectable } from '@nestjs/common';
import { RateLimiter } from '../../bitrix/rate-limiter.js';
import { RestClient } from '../../bitrix/rest.client.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { DeliveryResult, LaneResult } from '../../relay/endpoint-driver.js';
import { portalEndpoint } from '../../storage/work/endpoint-id.js';
import { ChatsRepository } from '../../storage/history/chats.repository.js';
import type { ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';
import { LanesRepository } from '../../storage/work/lanes.repository.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { DialogReader, type OpenSession } from './dialog.reader.js';
import { failed, untried } from './lane-results.js';
import type { Caller } from './caller.js';
import { PortalSender } from './portal.sender.js';
import { type Prepared, PreparedMessages } from './prepared-messages.js';
import { needsLook, routeOf, standingOf } from './service-line.route.js';
import { SystemLinesSender } from './system-lines.sender.js';

/**
 * Brings lines of the service into a dialog to which the client says nothing at the moment. They go by im.message.add,
 * as lines of the system that no session learns of, where the portal lets whoever installed us enter the dialog
 * (yuliai/bitrix-modules, im/classes/general/im_rest.php, messageAdd: SYSTEM, SKIP_CONNECTOR); else as messages of author
 * 0 while a session is open that is not being closed; else they wait for the client's next words. What an operator must
 * read at once does not wait for a session when it can go past them.
 */
@Injectable()
export class ServiceLinesSender {
  private readonly systemLines: SystemLinesSender;

  constructor(
    rest: RestClient,
    private readonly limiter: RateLimiter,
    private readonly dialogs: DialogReader,
    private readonly chats: ChatsRepository,
    private readonly messages: PreparedMessages,
    private readonly sender: PortalSender,
    private readonly lanes: LanesRepository,
  ) {
    this.systemLines = new SystemLinesSender(rest);
  }

  /** Events of the portal may have been lost: which sessions are open is looked up before the next line. */
  eventsMayBeLost(portalId: bigint): Promise<void> {
    return this.chats.doubtSessions(portalId);
  }

  /** Words that another version put behind lines which wait are on their way again. */
  wakeForgotten(portalId: bigint): Promise<void> {
    return this.lanes.wakeForgotten(portalEndpoint(portalId));
  }

  /** The lane holds nothing but lines. */
  async send(portal: PortalRecord, lane: ClaimedLane, caller: Caller, permit: boolean): Promise<LaneResult> {
    const reserved = { left: permit };
    try {
      return await this.bring(portal, lane, caller, reserved);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      return failed(lane, error);
    } finally {
      if (reserved.left) await this.limiter.release(portal.id, 1);
    }
  }

  private async bring(
    portal: PortalRecord,
    lane: ClaimedLane,
    caller: Caller,
    reserved: { left: boolean },
  ): Promise<LaneResult> {
    const permit = (): boolean => {
      const had = reserved.left;
      reserved.left = false;
      return had;
    };
    const aside = new Set(lane.deliveries.filter((delivery) => this.systemLines.canSend(portal, lane, delivery)));
    const mustLook = lane.deliveries.some((delivery) => needsLook(lane, delivery, aside.has(delivery)));
    const looked = mustLook ? await this.dialogs.session(portal, lane.chat, permit) : null;
    const standing = standingOf(lane, looked, mustLook);
    const done: DeliveryResult[] = [];
    const add: Prepared[] = [];
    const inside: ClaimedDelivery[] = [];
    for (const delivery of lane.deliveries) {
      const route = routeOf(delivery, aside.has(delivery), standing);
      if (route === 'inside') {
        inside.push(delivery);
        continue;
      }
      // What may have arrived is looked for first, even if it waits then.
      const prepared = await this.messages.prepare(portal, lane, delivery);
      if (prepared.elements.length === 0) done.push({ seq: delivery.seq, delivered: true });
      else if (route === 'aside') add.push(prepared);
      else done.push(waiting(delivery, route, prepared));
    }
    if (add.length > 0) done.push(...(await this.systemLines.send(portal, lane, add, caller, permit())));
    const chat = looked === null ? {} : { dialogOpen: standing.open === true, ...sessionOf(looked) };
    if (inside.length === 0) return { deliveries: done, chat };
    const [first, ...later] = upToFirstFile(inside);
    const sent = await this.sender.sendTogether(portal, { ...lane, deliveries: first }, caller, permit());
    return { deliveries: [...done, ...sent.deliveries, ...later.flat().map(untried)], chat: { ...chat, ...sent.chat } };
  }
}

function waiting({ seq }: ClaimedDelivery, waitsFor: 'words' | 'session', { repeated }: Prepared): DeliveryResult {
  return { seq, delivered: false, postponed: { begun: false, waitsFor, ...(repeated ? {} : { known: true }) } };
}

function sessionOf({ id }: OpenSession): { bitrixSessionId?: string } {
  return id === null ? {} : { bitrixSessionId: id };
}

/** The portal fetches files while we wait: what follows the first goes next time. */
function upToFirstFile(deliveries: ClaimedDelivery[]): [ClaimedDelivery[], ClaimedDelivery[]] {
  const end = deliveries.findIndex(({ message }) => message.attachments.length > 0) + 1 || deliveries.length;
  return [deliveries.slice(0, end), deliveries.slice(end)];
}
