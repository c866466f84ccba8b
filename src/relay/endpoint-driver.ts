import { Injectable } from '@nestjs/common';
import type { UpstreamError } from '../common/upstream-error.js';
import type { ClaimedLane } from '../storage/work/claimed-lane.js';
import type { LearnedChat } from '../storage/work/learned-chats.js';
import type { Lease } from '../storage/work/lease.js';
import type { WaitsFor } from '../storage/work/settlement.js';

/** The lease of an endpoint as its holder sees it. */
export interface HeldLease {
  readonly lease: Lease;
  /** False once it may have run out by our own clock: nothing may be sent then. */
  readonly held: boolean;
  /** Aborted when the endpoint is given up. */
  readonly signal: AbortSignal;
}

/** Code of the note that some files did not reach the client, and nothing else went wrong. */
export const FILES_LEFT_OUT = 'files_left_out';

/** Code of the note that an answer waits because Telegram does not accept the bot's token. */
export const BOT_UNAUTHORISED = 'bot_unauthorised';
/** Code of the note that Bitrix24 refused a client's message, which is missing in the dialog. */
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
  /** Ids of parts that no longer exist. */
  removedMessageIds?: bigint[];
  /** Files that will never follow; the operator is told. */
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
        /** It arrived, but the operator has to know something. */
        note?: { code: string; detail: string };
      }
    | { delivered: false; error: UpstreamError }
    | { delivered: false; postponed: { begun: boolean; waitsFor?: WaitsFor; known?: true } }
  );

export interface LaneResult {
  deliveries: DeliveryResult[];
  /** Milliseconds until the network's limits allow the lane's next delivery; at once when absent. */
  nextInMs?: number;
  /** Milliseconds for which the network asked us to send nothing, in this chat or at all. */
  silenceMs?: number;
  chat?: LearnedChat;
}

/** Why nothing may be sent: a rate limit of the network, or trouble that a person has to fix. */
export type Obstacle = 'limit' | 'trouble';

/** How many lanes may be sent. */
export interface Permits {
  granted: number;
  /** With none granted: what holds them back. */
  obstacle?: Obstacle;
  /** With none granted: milliseconds until it is worth asking again; otherwise 0. */
  retryInMs: number;
  /** How many of these may be automatic texts; absent: all. */
  bulk?: number;
  /** With `bulk` 0: milliseconds until it may be more. */
  bulkInMs?: number;
}

/** How one kind of endpoint talks to its network. One instance per endpoint, for as long as we hold its lease. */
export interface EndpointDriver {
  /** Lanes that may be in flight at once. */
  readonly concurrency: number;
  /**
   * How many of these may be young or not yet recorded: that many a crash leaves in doubt. Lanes that have been in
   * flight for long do not count, so that chats whose calls hang block nobody.
   */
  readonly inDoubt: number;
  /** Messages of one chat that may be claimed together; more than 1 only where they travel in one call, in order. */
  readonly headsPerLane: number;
  /**
   * Reserves room below the network's rate limits for up to `max` lanes that could leave right now. The next `send` or
   * `giveBack` ends the reservation.
   */
  permits(max: number): Promise<Permits>;
  /** Nothing is sent after all. */
  giveBack(): void;
  /**
   * Sends the lanes, perhaps fewer than were reserved; one promise each, which never rejects. Lanes may share a call.
   */
  send(lanes: ClaimedLane[]): Promise<LaneResult>[];
  /** Starts what the endpoint does on its own (polling). */
  start(): void;
  /** Stops it; resolves once nothing of it is under way. */
  stop(): Promise<void>;
  /** Something about the endpoint changed in the tables. */
  refresh(): void;
  health(): EndpointHealth;
}

/** The health of an endpoint, as its driver sees it. */
export interface EndpointHealth {
  healthy: boolean;
  /** What is wrong, as the network says it, or the database. */
  detail?: string;
  /** Of a bot that is polled: milliseconds since Telegram last answered a poll, or since polling began. */
  polledMsAgo?: number;
  /** Names what is wrong: the code of the network's error, or one of endpoints.repository.ts. */
  code?: string;
}

export type DriverFactory = (id: bigint, lease: HeldLease) => EndpointDriver;

/** Where the rooms of the two networks register the drivers of their endpoints. */
@Injectable()
export class EndpointDrivers {
  private readonly factories = new Map<string, DriverFactory>();

  register(kind: 'bot' | 'portal', factory: DriverFactory): void {
    this.factories.set(kind, factory);
  }

  /** The driver for an endpoint id such as `bot:1`; null: nobody registered its kind. */
  create(endpoint: string, lease: HeldLease): EndpointDriver | null {
    const [kind, id] = endpoint.split(':');
    return this.factories.get(kind ?? '')?.(BigInt(id ?? 0), lease) ?? null;
  }
}
