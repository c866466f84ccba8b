import type { Readable } from 'node:stream';
import type { BotMode, BotState } from '../storage/prisma/client.js';

/** An open line of a portal. */
export interface ServedLine {
  portalId: bigint;
  lineId: string;
}

/** The bot of a line, as a person knows it. */
export interface LineBot {
  id: bigint;
  telegramId: bigint;
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

/**
 * What src/telegram does for whoever sets up an open line in src/connector: neither imports the other. Provided by
 * PortsModule (src/app.ports.module.ts).
 */
export abstract class LineBots {
  /** Null: the line has none. */
  abstract bot(line: ServedLine): Promise<LineBot | null>;
  /**
   * Makes the bot of this token serve the line; `from`: the line of the same portal that it left. A bot that already
   * serves the line gets the new token. Throws a Problem: 422 when Telegram refuses the token, 409 when the line has
   * another bot, when the bot serves another line of the portal (`bot_on_other_line`; unless `move`) or another portal
   * (`bot_elsewhere`), 503 when Telegram cannot be asked.
   */
  abstract connect(
    line: ServedLine,
    wish: { token: string; mode: BotMode; move: boolean },
  ): Promise<{ bot: LineBot; from: string | null }>;
  /** Throws a Problem: 409 `no_bot`, 422 `no_public_url`. */
  abstract receiveBy(line: ServedLine, mode: BotMode): Promise<LineBot>;
  /** Takes its bot off the line, and answers it; null: the line had none. */
  abstract release(line: ServedLine): Promise<LineBot | null>;
  /** Does Telegram accept the token, do updates arrive? Null: the line has no bot. */
  abstract check(line: ServedLine): Promise<{ token: Verdict; updates: Verdict } | null>;
  /** The profile photo of its bot; null: there is no bot, or it has none. Throws UpstreamError. */
  abstract picture(line: ServedLine, signal: AbortSignal): Promise<Picture | null>;
}
