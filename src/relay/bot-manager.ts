import type { Language } from '../common/language.js';

/** A bot through which people make bots. */
export interface Manager {
  /** Telegram's id. */
  telegramId: bigint;
  username: string;
}

/** What became of a bot that somebody made: `error` null: it is connected. */
export interface BotOutcome {
  /** The request for which the bot was made: its outcome is told once. */
  requestId: bigint;
  /** Telegram's id of whoever made it. */
  personId: bigint;
  language: Language;
  /** With @; null: it has no user name, or nobody knows it. */
  bot: string | null;
  /** Null: its name is not known. */
  lineName: string | null;
  lineId: string;
  /** Host of the portal. */
  portal: string;
  error: string | null;
}

/**
 * What src/telegram does for whoever wants a new bot for a line in src/connector: neither imports the other. Provided by
 * PortsModule (src/app.ports.module.ts).
 */
export abstract class BotManager {
  /** Null: TG_MANAGER_BOT_TOKEN is not set, or no bot can be made through that bot now. */
  abstract ready(): Promise<Manager | null>;
  /** Token of a bot that it manages. Throws UpstreamError. */
  abstract token(botTelegramId: bigint): Promise<string>;
  /** A new token, with which whoever has the old one is shut out. Throws UpstreamError. */
  abstract newToken(botTelegramId: bigint): Promise<string>;
  /** Whether whoever owns the bot made it for a line of the portal; not whether the manager still manages it. */
  abstract isManagedFor(botTelegramId: bigint, portalId: bigint): Promise<boolean>;
  /** Whoever made the bot is told once this resolves, also after a restart. */
  abstract tell(outcome: BotOutcome): Promise<void>;
}
