import { randomBytes, randomInt } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { toString } from 'qrcode';
import { Problem } from '../../common/problem.js';
import { TokenBuckets } from '../../common/token-bucket.js';
import { refuseOver } from '../../common/too-many-requests.js';
import { BotManager } from '../../relay/bot-manager.js';
import { LineBots } from '../../relay/line-bots.js';
import { BotRequestsRepository } from '../../storage/accounts/bot-requests.repository.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import type { BotRequest } from '../../storage/prisma/client.js';
import { noManager } from './bot-request.problems.js';
import { suggestBot } from './bot-suggestion.js';
import type { BotRequestItem, NewBotLink } from './bot-requests.dto.js';
import type { LineActor } from './settings-audit.js';

/** 128 bits: nobody guesses a code, and 22 characters of the 64 that Telegram takes. */
const CODE_BYTES = 16;
/** Links of one portal. */
const MADE = { perSecond: 1 / 10, burst: 20 };

/** Links by which people make bots for a line, and what became of them. */
@Injectable()
export class BotRequestsService {
  private readonly made = new TokenBuckets(MADE.perSecond, MADE.burst);

  constructor(
    private readonly requests: BotRequestsRepository,
    private readonly portals: PortalsRepository,
    private readonly bots: LineBots,
    private readonly manager: BotManager,
  ) {}

  /**
   * A link that works for an hour. Throws a Problem: 403 when the portal is gone, 404 when there is none, 409 `no_manager`
   * when no bots can be made, or `line_taken` when the line has a bot, 429.
   *
   * @param lineName as the portal names it; null: unknown
   */
  async make(by: LineActor, lineName: string | null): Promise<NewBotLink> {
    const portal = await this.portals.findById(by.portalId);
    if (!portal) throw new Problem(404, 'not_found', `No portal has the id ${by.portalId}.`);
    if (portal.state === 'uninstalled') {
      throw new Problem(403, 'portal_gone', 'The application was removed from this portal.');
    }
    const manager = await this.manager.ready();
    if (!manager) throw noManager();
    if (await this.bots.bot(by)) throw new Problem(409, 'line_taken', `Line ${by.lineId} has a bot already.`);
    refuseOver(this.made.take(String(by.portalId)));
    const code = randomBytes(CODE_BYTES).toString('base64url');
    const request = await this.requests.create({
      portalId: by.portalId,
      lineId: by.lineId,
      lineName,
      managerId: manager.telegramId,
      code,
      ...suggestBot(portal.domain, lineName, randomInt(1_000)),
      createdBy: by.actor,
    });
    const url = `https://t.me/${manager.username}?start=${code}`;
    const qr = await toString(url, { type: 'svg', errorCorrectionLevel: 'M', margin: 2 });
    return { ...this.item(request), url, qr };
  }

  /** Null: nobody has asked for a bot for the line within a day. */
  async latest(portalId: bigint, lineId: string): Promise<BotRequestItem | null> {
    const request = await this.requests.latest(portalId, lineId);
    return request && this.item(request);
  }

  async find(id: bigint): Promise<{ portalId: bigint; item: BotRequestItem } | null> {
    const request = await this.requests.find(id);
    return request && { portalId: request.portalId, item: this.item(request) };
  }

  private item({ id, portalId, lineId, name, username, state, error, expiresAt }: BotRequest): BotRequestItem {
    const open = state === 'waiting' || state === 'started';
    return {
      id: id.toString(),
      portalId: portalId.toString(),
      lineId,
      suggestedName: name,
      suggestedUsername: username,
      state: open && expiresAt.getTime() <= Date.now() ? 'expired' : state,
      error,
      expiresAt,
    };
  }
}
