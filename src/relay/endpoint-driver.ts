import { Injectable } from '@nestjs/common';
import type { UpstreamError } from '../common/upstream-error.js';
import type { ClaimedLane } from '../storage/work/claimed-lane.js';
import type { LearnedChat } from '../storage/work/learned-chats.js';
import type { Lease } from '../storage/work/lease.js';
import type { WaitsFor } from '../storage/work/settlement.js';

/** The lease of an endpoint as its holder sees it. */
export interface HeldLease {
  readonly lease: Lease;
  /** False once it may have run out by our own clock: then nothing may be sent any more. */
  readonly held: boolean;
  /** Aborted when the endpoint is given up. */
  readonly signal: AbortSignal;
}

/** Code of the news that all there is to say is which files did not reach the client. */
export const FILES_LEFT_OUT = 'files_left_out';

/** Code of the news that an answer waits because Telegram does not accept the bot's token. */
export const BOT_UNAUTHORISED = 'bot_unauthorised';
/** Code of the news that Bitrix24 refused a client's message, so that its dialog does not have it. */
export const CLIENT_MESSAGE_REFUSED = 'client_message_refused';

/** A file of an operator's message that does not reach the client. */
export interface LeftOutFile {
  ordinal: number;
  name: string;
  /** Stable; the note to the operator explains it. */
  code: string;
  detail: string;
}

/** What Telegram has of an operator's message after an attempt. */
interface TelegramOutcome {
  telegramMessageIds?: bigint[];
  /** Which part of the message each of them is; counted from 0 when absent. */
  telegramParts?: number[];
  /** Ids of parts that are there no longer. */
  removedMessageIds?: bigint[];
  /** Files that will not follow any more; the operator is told. */
  leftOut?: LeftOutFile[];
}

/**
 * What became of one delivery of a lane. `postponed`: nothing went wrong, but a limit of the network allows no (more)
 * of it now; with `begun`, parts of it went in this attempt, each of them with a clear answer; with `waitsFor` it goes
 * when the client says something, or with `session` when a session begins. `known`: it is known not to have arrived.
 */
export type DeliveryResult = { seq: bigint } & TelegramOutcome &
  (
    | {
        delivered: true;
        reportDelivery?: boolean;
        /** It arrived, and yet there is something that the operator must know. */
        note?: { code: string; detail: string };
      }
    | { delivered: false; error: UpstreamError }
    | { delivered: false; postponed: { begun: boolean; waitsFor?: WaitsFor; known?: true } }
  );

export interface LaneResult {
  deliveries: DeliveryResult[];
  /** Milliseconds until the network's limits allow the lane's next delivery; at once when absent. */
  nextInMs?: number;
  /** Milliseconds for which the network itself asked for silence in this chat, or everywhere. */
  silenceMs?: number;
  chat?: LearnedChat;
}

/** Why nothing may be sent: a limit of the network, or trouble that somebody has to end. */
export type Obstacle = 'limit' | 'trouble';

/** How many lanes may be sent. */
export interface Permits {
  granted: number;
  /** With none granted: what keeps them back. */
  obstacle?: Obstacle;
  /** With none granted: milliseconds until it is worth asking again. */
  retryInMs: number;
  /** Of these, how many may be such as nobody wrote; absent: all of them. */
  bulk?: number;
  /** With no `bulk`: milliseconds until there may be some. */
  bulkInMs?: number;
}

/** How one kind of endpoint speaks with its network. One instance per endpoint, as long as we hold its lease. */
export interface EndpointDriver {
  /** Lanes that may be in flight at once. */
  readonly concurrency: number;
  /**
   * Of these, how many may be young or not yet written down: as many a crash leaves in doubt. A lane that is in flight
   * for long does not count, so that chats whose calls hang keep nobody waiting.
   */
  readonly inDoubt: number;
  /** Words of one chat that may be claimed together; more than 1 only where they travel in one call, in order. */
  readonly headsPerLane: number;
  /**
   * Reserves what it takes to send lanes right now, at most `max`, without hitting a limit of the network, and
   * answers how many. With 0: milliseconds until it is worth asking again. The next `send` or `giveBack` ends the
   * reservation.
   */
  permits(max: number): Promise<Permits>;
  /** Nothing is sent after all. */
  giveBack(): void;
  /**
   * Sends the lanes (perhaps none, or fewer than were reserved); one promise each, which never rejects. Lanes may
   * share a call.
   */
  send(lanes: ClaimedLane[]): Promise<LaneResult>[];
  /** Begins whatever the endpoint does by itself (polling). */
  start(): void;
  /** Ends it; resolves when nothing of it is under way. */
  stop(): Promise<void>;
  /** Something about the endpoint changed in the tables. */
  refresh(): void;
  health(): EndpointHealth;
}

/** How an endpoint is, as whoever drives it sees it. */
export interface EndpointHealth {
  healthy: boolean;
  /** What is wrong, as the network says it, or the database. */
  detail?: string;
  /** Of a bot that is polled: milliseconds since Telegram last answered a poll, or since polling began. */
  polledMsAgo?: number;
  /** Of what is wrong: that of the network's error, or one of endpoints.repository.ts. */
  code?: string;
}

export type DriverFactory = (id: bigint, lease: HeldLease) => EndpointDriver;

/** Where the rooms of the two networks hand in how their endpoints are driven. */
@Injectable()
export class EndpointDrivers {
  private readonly factories = new Map<string, DriverFactory>();

  register(kind: 'bot' | 'portal', factory: DriverFactory): void {
    this.factories.set(kind, factory);
  }

  /** The driver for an endpoint id such as `bot:1`; null for a kind that nobody registered. */
  create(endpoint: string, lease: HeldLease): EndpointDriver | null {
    const [kind, id] = endpoint.split(':');
    return this.factories.get(kind ?? '')?.(BigInt(id ?? 0), lease) ?? null;
  }
}
