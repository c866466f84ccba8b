import { Injectable } from '@nestjs/common';
import { LineBots } from '../../relay/line-bots.js';
import type { BotMode } from '../../storage/prisma/client.js';
import { LineOperatorsService } from '../dialogs/line-operators.service.js';
import { PortalLifecycleService } from '../install/portal-lifecycle.service.js';
import { type LineActor, SettingsAudit } from './settings-audit.js';

/** Gives a line its bot: by a token that somebody pasted, or that of a bot that was made for it. */
@Injectable()
export class BotConnections {
  constructor(
    private readonly bots: LineBots,
    private readonly lifecycle: PortalLifecycleService,
    private readonly operators: LineOperatorsService,
    private readonly audit: SettingsAudit,
  ) {}

  /** Connects the bot and switches the connector on in the line. Throws a Problem as {@link LineBots.connect}. */
  async connect(by: LineActor, wish: { token: string; mode: BotMode; move: boolean }): Promise<void> {
    const { bot, from } = await this.bots.connect(by, wish);
    const detail = { mode: bot.mode, ...(from ? { from } : {}) };
    const left = from === null ? null : { portalId: by.portalId, lineId: from };
    const follow = () => this.lifecycle.botMoved(left, by);
    await this.audit.record(by, from ? 'bot.move' : 'bot.connect', `bot:${bot.id}`, detail, follow);
    void this.operators.refresh(by);
  }
}
