import { Injectable, Logger } from '@nestjs/common';
import { RateLimiter } from '../../bitrix/rate-limiter.js';
import { RestClient } from '../../bitrix/rest.client.js';
import type { RestAnswer, RestParams } from '../../bitrix/rest.types.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { ChatsRepository } from '../../storage/history/chats.repository.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { parseMessengerEvents, type MessengerEvent } from './messenger-events.parser.js';
import { MissedMessagesService } from './missed-messages.service.js';
import { type AskPortal, OperatorReactions } from './operator-reactions.service.js';

/** Events at once; im.v2.Event.get gives 100 unless told, 1,000 at most. */
const PAGE = 100;
const DAY_MS = 24 * 3_600_000;
/** So long after a reading its events must still be there; the portal drops them after a day. */
const TO_BE_KEPT_MS = 3_600_000;
/** Readings after which dialogs that the portal cannot show now are left to the regular look. */
const MOST_TRIES = 4;

/** How far the queue of a portal is read, by the one process that drives the portal. */
export interface QueueReading {
  /** Until then the portal is not asked; milliseconds since 1970, as the other times. */
  offUntil: number;
  subscribedAt: number;
  /** What is before it is given back to the portal with the next reading, which deletes it. */
  offset: number;
  /** Events of the last reading that count with the next one. */
  seen: Set<number>;
  readAt: number;
  tries: number;
  /** Until then the portal is not asked for reactions to a message. */
  reactionsHiddenUntil: number;
}

/** Another process may have read the queue meanwhile. */
export function newReading(): QueueReading {
  return { offUntil: 0, subscribedAt: 0, offset: 0, seen: new Set(), readAt: 0, tries: 0, reactionsHiddenUntil: 0 };
}

/**
 * The second source beside the events that the portal posts: a queue of what happens in the chats of the person whose
 * token we use (`im.v2.Event.subscribe`, `im.v2.Event.get`; scope `im`). Of messages it only tells where to look for missed
 * ones, also in dialogs that are long at rest; what is found there goes its usual way, so nothing is delivered
 * twice. Of operators' reactions it is the only source.
 *
 * An event of a message counts when it is read the second time: by then the posted one has come, or will not. Until then it stays
 * with the portal, also over a restart. The queue belongs to the person, and what is given back is gone for all who
 * read it: where events do not stay, another application reads them, and we leave them to it.
 */
@Injectable()
export class MessengerEvents {
  private readonly logger = new Logger(MessengerEvents.name);

  constructor(
    private readonly rest: RestClient,
    private readonly limiter: RateLimiter,
    private readonly chats: ChatsRepository,
    private readonly missed: MissedMessagesService,
    private readonly reactions: OperatorReactions,
  ) {}

  /**
   * Reads what is new while somebody wrote within the last `minutes` and the portal's bucket has room to spare. A portal
   * that refuses is left alone for a day. Throws UpstreamError when it cannot be asked now.
   */
  async read(portal: PortalRecord, reading: QueueReading, minutes: number, signal: AbortSignal): Promise<void> {
    if (Date.now() < reading.offUntil) return;
    const [alive] = await this.chats.activeDialogs(portal.id, minutes, 1);
    if (!alive) return;
    if (await this.isSubscribed(portal, reading)) await this.go(portal, reading, signal);
  }

  /** It holds for the person, and is asked for again every day: the token may be another's by then. */
  private async isSubscribed(portal: PortalRecord, reading: QueueReading): Promise<boolean> {
    if (Date.now() - reading.subscribedAt < DAY_MS) return true;
    const answer = await this.ask(portal, reading, 'im.v2.Event.subscribe', {});
    if (answer) reading.subscribedAt = Date.now();
    return answer !== undefined;
  }

  /** undefined: not now, as others need the requests, or not for a day, as the portal refuses. */
  private async ask(
    portal: PortalRecord,
    reading: QueueReading,
    method: string,
    params: RestParams,
  ): Promise<RestAnswer<unknown> | undefined> {
    if (!(await this.limiter.takeSpare(portal.id))) return undefined;
    try {
      return await this.rest.call(portal.id, method, params, { permit: true });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.turnOff(portal, reading, error.code);
      return undefined;
    }
  }

  private async go(portal: PortalRecord, reading: QueueReading, signal: AbortSignal): Promise<void> {
    const answer = await this.ask(portal, reading, 'im.v2.Event.get', { offset: reading.offset, limit: PAGE });
    if (!answer) return;
    const page = parseMessengerEvents(answer.result);
    if (!page) {
      this.turnOff(portal, reading, 'the answer has no numbered events');
      return;
    }
    const { events, nextOffset } = page;
    const ids = new Set(events.map(({ id }) => id));
    // The newest: the oldest ones may just have been there for a day.
    const newest = [...reading.seen].at(-1);
    const isKept = newest === undefined || ids.has(newest);
    if (!isKept && Date.now() - reading.readAt < TO_BE_KEPT_MS) {
      this.turnOff(portal, reading, 'another application reads them');
      return;
    }
    const [due, rest] = [true, false].map((isSeen) => events.filter(({ id }) => reading.seen.has(id) === isSeen)) as [
      MessengerEvent[],
      MessengerEvent[],
    ];
    // No event that is posted tells of reactions: they need not wait for one.
    const areShown = await this.showReactions(portal, reading, rest);
    if (!((await this.lookWhereTold(portal, due, signal)) && areShown) && ++reading.tries < MOST_TRIES) return;
    reading.offset = rest[0]?.id ?? nextOffset;
    reading.seen = new Set(rest.map(({ id }) => id));
    reading.readAt = Date.now();
    reading.tries = 0;
  }

  /** False: some could not be shown now. */
  private showReactions(portal: PortalRecord, reading: QueueReading, events: MessengerEvent[]): Promise<boolean> {
    const told = events.flatMap(({ reaction }) => reaction ?? []);
    const ask: AskPortal = async (method, params) => {
      if (Date.now() < reading.reactionsHiddenUntil || !(await this.limiter.takeSpare(portal.id))) return undefined;
      try {
        return (await this.rest.call(portal.id, method, params, { permit: true })).result;
      } catch (error) {
        if (!isRefusal(error)) throw error;
        reading.reactionsHiddenUntil = Date.now() + DAY_MS;
        this.logger.log({ portalId: String(portal.id), code: error.code }, 'The portal does not show who reacted');
        return undefined;
      }
    };
    return this.reactions.show(portal, told, ask);
  }

  /** False: a part of it could not be read now. */
  private async lookWhereTold(portal: PortalRecord, events: MessengerEvent[], signal: AbortSignal): Promise<boolean> {
    const happened = events.flatMap(({ happening }) => happening ?? []);
    const dialogs = await this.chats.untoldDialogs(portal.id, happened);
    return this.missed.lookInto(portal, dialogs, signal);
  }

  private turnOff(portal: PortalRecord, reading: QueueReading, reason: string): void {
    Object.assign(reading, newReading(), { offUntil: Date.now() + DAY_MS });
    this.logger.log({ portalId: String(portal.id), reason }, 'Events of the messenger are not read for a day');
  }
}

/** The build has no such method, or the application no permission: asking again soon cannot help. */
function isRefusal(error: unknown): error is UpstreamError {
  if (!(error instanceof UpstreamError)) return false;
  return error.kind === 'refused' || (error.kind === 'unauthorised' && error.scope === 'method');
}
