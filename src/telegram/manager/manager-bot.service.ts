import { Injectable } from '@nestjs/common';
import { Environment } from '../../config/environment.js';
import { BotManager, type BotOutcome, type Manager } from '../../relay/bot-manager.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { ManagerBotsRepository } from '../../storage/accounts/manager-bots.repository.js';
import { ManagerRepliesRepository } from '../../storage/accounts/manager-replies.repository.js';
import { TelegramClient, type BotApi } from '../api/telegram.client.js';
import { NOT_READ } from './manager-trouble.js';
import { place, say, why } from './manager.words.js';

/** `trouble`: code of why no bots can be made through it; `not_read`: it was not looked at yet. */
export interface ManagerState {
  configured: boolean;
  ready: boolean;
  username: string | null;
  trouble: string | null;
  detail: string | null;
  /** When Telegram last answered its poll; null: never. */
  heardAt: Date | null;
}

/** The bot of TG_MANAGER_BOT_TOKEN: what others ask of it. */
@Injectable()
export class ManagerBotService implements BotManager {
  private readonly known: BotApi | null;

  constructor(
    private readonly managers: ManagerBotsRepository,
    private readonly replies: ManagerRepliesRepository,
    private readonly events: RelayEvents,
    private readonly environment: Environment,
    telegram: TelegramClient,
  ) {
    const { TG_MANAGER_BOT_TOKEN: token } = environment;
    this.known = token === undefined ? null : telegram.bot(token);
  }

  /** Null: TG_MANAGER_BOT_TOKEN is not set. */
  get identity(): { telegramId: bigint; api: BotApi } | null {
    const { managerBotId: telegramId } = this.environment;
    return this.known && telegramId !== undefined ? { telegramId, api: this.known } : null;
  }

  async ready(): Promise<Manager | null> {
    const { ready, username } = await this.state();
    return ready && username !== null ? { telegramId: this.environment.managerBotId!, username } : null;
  }

  /** As the process that reads its updates has found it. */
  async state(): Promise<ManagerState> {
    const { managerBotId } = this.environment;
    if (managerBotId === undefined)
      return { configured: false, ready: false, username: null, trouble: null, detail: null, heardAt: null };
    const kept = await this.managers.find(managerBotId);
    const { username = null, trouble = NOT_READ, detail = null, heardAt = null } = kept ?? {};
    return { configured: true, ready: trouble === null && username !== null, username, trouble, detail, heardAt };
  }

  token(botTelegramId: bigint): Promise<string> {
    return this.api.calls.getManagedBotToken({ user_id: Number(botTelegramId) });
  }

  newToken(botTelegramId: bigint): Promise<string> {
    return this.api.calls.replaceManagedBotToken({ user_id: Number(botTelegramId) });
  }

  async isManagedFor(botTelegramId: bigint, portalId: bigint): Promise<boolean> {
    const { managerBotId } = this.environment;
    return managerBotId !== undefined && this.managers.isManagedFor(managerBotId, botTelegramId, portalId);
  }

  async tell({ requestId, personId, language, bot, error, ...line }: BotOutcome): Promise<void> {
    const values = { bot: bot ?? say(language, 'thisBot'), place: place(language, line) };
    const text =
      error === null
        ? say(language, 'connected', values)
        : say(language, 'failed', { ...values, why: why(language, error) });
    const managerId = this.environment.managerBotId;
    if (managerId === undefined) return;
    await this.replies.keep({ managerId, cause: `request:${requestId}`, personId, message: { text } });
    this.events.emit('managedBots');
  }

  private get api(): BotApi {
    if (!this.identity) throw new Error('TG_MANAGER_BOT_TOKEN is not set');
    return this.identity.api;
  }
}
