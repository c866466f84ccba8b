import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { BotMode, BotState } from '../storage/prisma/client.js';

/** An open line of a portal. */
export interface ServedLine {
  portalId: bigint;
  lineId: string;
}

/** The bot of a line, as a person knows it. */
export interface LineBot {
  id: bigint;
  username: string | null;
  name: string | null;
  mode: BotMode;
  state: BotState;
}

/** `code` is `ok` or names the problem; `detail` quotes the network. */
export interface Verdict {
  ok: boolean;
  code: string;
  detail?: string;
}

/** A picture, open for reading. The stream fails with an UpstreamError. */
export interface Picture {
  stream: Readable;
  /** Bytes, when known. */
  size: number | null;
}

/** What `telegram/` does for somebody who sets up an open line. */
export interface ClientSource {
  bot(line: ServedLine): Promise<LineBot | null>;
  /**
   * Makes the bot of this token serve the line; `from`: the line of the same portal that it left. A bot that already
   * serves the line gets the new token. Throws a Problem: 422 when Telegram refuses the token, 409 when the line has
   * another bot, when the bot serves another line of the portal (`bot_on_other_line`; unless `move`) or another portal
   * (`bot_elsewhere`), 503 when Telegram cannot be asked.
   */
  connect(
    line: ServedLine,
    wish: { token: string; mode: BotMode; move: boolean },
  ): Promise<{ bot: LineBot; from: string | null }>;
  /** Throws a Problem: 409 `no_bot`, 422 `no_public_url`. */
  receiveBy(line: ServedLine, mode: BotMode): Promise<LineBot>;
  /** Takes its bot off the line; null: there was none. */
  release(line: ServedLine): Promise<LineBot | null>;
  /** Does Telegram accept the token, do updates arrive? Null: the line has no bot. */
  check(line: ServedLine): Promise<{ token: Verdict; updates: Verdict } | null>;
  /** The profile photo of its bot; null: it has none. Throws UpstreamError. */
  picture(line: ServedLine, signal: AbortSignal): Promise<Picture | null>;
}

/** Where `telegram/` registers what `connector/` asks of it: neither imports the other. */
@Injectable()
export class ClientSide implements ClientSource {
  private source: ClientSource | null = null;

  register(source: ClientSource): void {
    this.source = source;
  }

  bot(...asked: Parameters<ClientSource['bot']>): ReturnType<ClientSource['bot']> {
    return this.registered.bot(...asked);
  }

  connect(...asked: Parameters<ClientSource['connect']>): ReturnType<ClientSource['connect']> {
    return this.registered.connect(...asked);
  }

  receiveBy(...asked: Parameters<ClientSource['receiveBy']>): ReturnType<ClientSource['receiveBy']> {
    return this.registered.receiveBy(...asked);
  }

  release(...asked: Parameters<ClientSource['release']>): ReturnType<ClientSource['release']> {
    return this.registered.release(...asked);
  }

  check(...asked: Parameters<ClientSource['check']>): ReturnType<ClientSource['check']> {
    return this.registered.check(...asked);
  }

  picture(...asked: Parameters<ClientSource['picture']>): ReturnType<ClientSource['picture']> {
    return this.registered.picture(...asked);
  }

  private get registered(): ClientSource {
    if (!this.source) throw new Error('Telegram has not been registered yet.');
    return this.source;
  }
}
