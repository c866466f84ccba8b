import { Injectable } from '@nestjs/common';
import { isAboutWords, isMethodWithheld } from '../../bitrix/bitrix-problems.js';
import { RateLimiter } from '../../bitrix/rate-limiter.js';
import { RestClient } from '../../bitrix/rest.client.js';
import type { RestCommand } from '../../bitrix/rest.types.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { DeliveryResult, LaneResult } from '../../relay/endpoint-driver.js';
import { portalEndpoint } from '../../storage/work/endpoint-id.js';
import { ChatsRepository } from '../../storage/history/chats.repository.js';
import type { ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';
import { LanesRepository } from '../../storage/work/lanes.repository.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { DialogReader, type OpenSession } from './dialog.reader.js';
import { failed, untried } from './lane-results.js';
import { PortalSender, type Caller } from './portal.sender.js';
import { type Prepared, PreparedMessages } from './prepared-messages.js';
import { isUrgent, mayGoAside } from './service-lines.js';
import { mayWriteSystemLines, systemLine } from './system-line.js';

/** A refusal is believed for so long, milliseconds: roles and members of a line change. */
const REFUSED_MS = 3_600_000;
const MOST_REFUSALS = 10_000;

/** `aside`: past the sessions; `inside`: as a message of author 0, which the session must stand; else what it waits for. */
type Route = 'aside' | 'inside' | 'words' | 'session';

/** Of the dialog, as far as it is known; `open` null: it is not. */
interface Standing {
  open: boolean | null;
  beingClosed: boolean;
  /** The portal was asked just now. */
  looked: OpenSession | null;
}

/**
 * Brings lines of the service into a dialog to which the client says nothing at the moment. They go by im.message.add,
 * as lines of the system that no session learns of, where the portal lets whoever installed us enter the dialog
 * (yuliai/bitrix-modules, im/classes/general/im_rest.php, messageAdd: SYSTEM, SKIP_CONNECTOR); else as messages of author
 * 0 while a session is open that is not being closed; else they wait for the client's next words. What an operator must
 * read at once does not wait for a session when it can go past them.
 */
@Injectable()
export class ServiceLinesSender {
  /** Dialogs and portals that refused {@link systemLine}, and until when that is believed; milliseconds since 1970. */
  private readonly refused = new Map<string, number>();

  constructor(
    private readonly rest: RestClient,
    private readonly limiter: RateLimiter,
    private readonly dialogs: DialogReader,
    private readonly chats: ChatsRepository,
    private readonly messages: PreparedMessages,
    private readonly sender: PortalSender,
    private readonly lanes: LanesRepository,
  ) {}

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
    const aside = new Set(lane.deliveries.filter((delivery) => this.canGoAside(portal, lane, delivery)));
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
    if (add.length > 0) done.push(...(await this.addAside(portal, lane, add, caller, permit())));
    const chat = looked === null ? {} : { dialogOpen: standing.open === true, ...sessionOf(looked) };
    if (inside.length === 0) return { deliveries: done, chat };
    const [first, ...later] = upToFirstFile(inside);
    const sent = await this.sender.sendTogether(portal, { ...lane, deliveries: first! }, caller, permit());
    return { deliveries: [...done, ...sent.deliveries, ...later.flat().map(untried)], chat: { ...chat, ...sent.chat } };
  }

  private canGoAside(portal: PortalRecord, { chat }: ClaimedLane, delivery: ClaimedDelivery): boolean {
    return (
      mayGoAside(delivery) &&
      chat.bitrixChatId !== null &&
      mayWriteSystemLines(portal) &&
      ![portalKey(portal), chatKey(chat)].some((key) => (this.refused.get(key) ?? 0) > Date.now())
    );
  }

  /** A refusal is remembered, and the line looks for another way at once. */
  private async addAside(
    portal: PortalRecord,
    lane: ClaimedLane,
    prepared: Prepared[],
    caller: Caller,
    permit: boolean,
  ): Promise<DeliveryResult[]> {
    const parts = prepared.flatMap((item) => item.elements.map(({ message }) => ({ item, text: message.text ?? '' })));
    const commands = parts.map(({ text }) => systemLine(lane.chat.bitrixChatId, text));
    // The portal replaces "$result[…]" in a batch, whoever wrote it.
    const together = commands.length > 1 && !commands.some(({ params }) => String(params.MESSAGE).includes('$result'));
    const outcomes = together
      ? await this.addTogether(portal, commands, caller, permit)
      : await this.addOneByOne(portal, commands, caller, permit);
    return prepared.map((item): DeliveryResult => {
      const { delivery } = item;
      const own = outcomes.filter((_, index) => parts[index]!.item === item);
      const error = own.find((outcome) => outcome !== null) ?? (own.includes(undefined) ? undefined : null);
      if (error === undefined) return untried(delivery);
      if (error === null) return { seq: delivery.seq, delivered: true };
      if (isAboutWords(error)) return { seq: delivery.seq, delivered: false, error };
      const isMethod = isMethodWithheld(error);
      if (!isMethod && error.kind !== 'refused') return { seq: delivery.seq, delivered: false, error };
      if (this.refused.size >= MOST_REFUSALS) this.refused.clear();
      this.refused.set(isMethod ? portalKey(portal) : chatKey(lane.chat), Date.now() + REFUSED_MS);
      return untried(delivery);
    });
  }

  /** Null: it is there. Undefined: it was not tried, because one before it may have to be tried again. */
  private async addOneByOne(
    portal: PortalRecord,
    commands: RestCommand[],
    { lease }: Caller,
    permit: boolean,
  ): Promise<(UpstreamError | null | undefined)[]> {
    const outcomes: (UpstreamError | null | undefined)[] = [];
    for (const { method, params } of commands) {
      const before = outcomes.at(-1);
      if (before === undefined ? outcomes.length > 0 : before !== null && !isAboutWords(before)) {
        outcomes.push(undefined);
        continue;
      }
      try {
        await this.rest.call(portal.id, method, params, { lease, permit: permit && outcomes.length === 0 });
        outcomes.push(null);
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        outcomes.push(error);
      }
    }
    return outcomes;
  }

  private async addTogether(
    portal: PortalRecord,
    commands: RestCommand[],
    caller: Caller,
    permit: boolean,
  ): Promise<(UpstreamError | null | undefined)[]> {
    const keyed = Object.fromEntries(commands.map((command, index) => [`c${index}`, command]));
    try {
      const { results } = await this.rest.callBatch(portal.id, keyed, { lease: caller.lease, permit });
      return commands.map((_, index) => {
        const outcome = results[`c${index}`]!;
        return outcome.ok ? null : outcome.error;
      });
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      // One of them may be the cause, and nothing of it was performed.
      if (error.kind === 'refused') return this.addOneByOne(portal, commands, caller, false);
      return commands.map(() => error);
    }
  }
}

function needsLook({ chat }: ClaimedLane, delivery: ClaimedDelivery, aside: boolean): boolean {
  if (chat.dialogOpen === false) return false;
  return aside ? chat.dialogOpen === null && !isUrgent(delivery) : true;
}

/** What the portal does not tell is what the events told, and a session may always be being closed. */
function standingOf({ chat }: ClaimedLane, looked: OpenSession | null, asked: boolean): Standing {
  if (looked === null) return { open: chat.dialogOpen, beingClosed: asked, looked };
  // The chat may name a session that was ended by force; the event of its end is surer.
  const over = chat.dialogOpen === false && looked.id === chat.bitrixSessionId;
  return { open: looked.id !== null && !over, beingClosed: looked.beingClosed, looked };
}

function routeOf(delivery: ClaimedDelivery, aside: boolean, { open, beingClosed, looked }: Standing): Route {
  if (aside && (open === true || isUrgent(delivery))) return 'aside';
  // Where nobody can tell, what an operator must read is worth more than a session that it might open.
  if (open === null && looked === null && isUrgent(delivery) && !aside) return 'inside';
  if (open !== true) return 'session';
  const stands = !beingClosed || (looked === null && isUrgent(delivery));
  return !aside && stands ? 'inside' : 'words';
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

const portalKey = ({ id }: PortalRecord) => `portal:${id}`;
const chatKey = ({ id }: ClaimedLane['chat']) => `chat:${id}`;
