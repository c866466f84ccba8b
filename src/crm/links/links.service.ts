import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { toBuffer, toString } from 'qrcode';
import { Problem } from '../../common/problem.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import { ArrivalsRepository, type ArrivalRow } from '../../storage/crm/arrivals.repository.js';
import { LinksRepository, type LinkFilter, type LinkRow } from '../../storage/crm/links.repository.js';
import { isTrackerCode } from '../../storage/intake/start-press.js';
import type { Bot } from '../../storage/prisma/client.js';
import { mayUseCrm, type CrmEntity } from '../entities/crm-entity.js';
import { CrmItems, relatedIds, titleOf, type CrmItem } from '../entities/crm-items.client.js';
import type { LineLinkBody, LinkChangeBody, LinkItem } from './links.dto.js';

/** 128 bits: nobody guesses a link, and 22 characters of the 64 that Telegram takes. */
const CODE_BYTES = 16;
const INVITATION_DAYS = 30;
const DAY_MS = 24 * 3_600_000;
/** Pixels of a module of the PNG: a poster of 10 cm at 300 dpi. */
const PNG_SCALE = 24;
/** What Telegram itself sends as a payload (core.telegram.org/bots/features#bots-for-business). */
const OF_TELEGRAM = /^bizChat\d/;

/** Where a link leads to: the bot of a line; without one, the only bot of the portal. */
export interface LinkPlace {
  portalId: bigint;
  lineId?: string;
}

/** Links to bots, and invitations: links of somebody in the CRM. Throws Problems that say what to do. */
@Injectable()
export class LinksService {
  constructor(
    private readonly links: LinksRepository,
    private readonly arrivals: ArrivalsRepository,
    private readonly bots: BotsRepository,
    private readonly portals: PortalsRepository,
    private readonly items: CrmItems,
  ) {}

  /** Newest first, with counts that are right now. */
  async list(filter: LinkFilter, limit: number): Promise<LinkRow[]> {
    await this.arrivals.noteWords(filter.portalId ?? null);
    return this.links.list(filter, limit);
  }

  find(id: bigint): Promise<LinkRow | null> {
    return this.links.find(id);
  }

  /** Who came by it, newest first. */
  async arrivalsOf({ id, portalId }: LinkRow, limit: number, before?: bigint): Promise<ArrivalRow[]> {
    await this.arrivals.noteWords(portalId);
    return this.arrivals.list(id, limit, before);
  }

  /** @param by who made it, as records name them */
  async make({ portalId, lineId }: LinkPlace, wish: LineLinkBody, by: string): Promise<LinkRow> {
    const portal = await this.portals.findById(portalId);
    if (!portal) throw new Problem(404, 'not_found', `No portal has the id ${portalId}.`);
    const bot = await this.botOf(portalId, lineId);
    const code = wish.code ?? randomBytes(CODE_BYTES).toString('base64url');
    if (isTrackerCode(code) || OF_TELEGRAM.test(code)) {
      throw new Problem(422, 'code_reserved', 'Bitrix24 or Telegram itself makes links with such a code.');
    }
    const invited = wish.entity && (await this.invited(portal, wish.entity));
    const name = wish.name ?? invited?.name ?? wish.code;
    if (name === undefined) throw new Problem(400, 'invalid_request', 'name must be given.', { fields: ['name'] });
    const id = await this.links.create({
      portalId,
      botId: bot.id,
      code,
      name,
      utm: { ...wish.utm },
      welcomeText: wish.welcomeText ?? null,
      expiresAt: expiryOf(wish),
      singleUse: wish.singleUse ?? wish.entity !== undefined,
      entity: wish.entity ? { ...wish.entity } : null,
      clientPhone: invited?.phone ?? null,
      createdBy: by,
    });
    if (id === null) throw new Problem(409, 'code_taken', `The bot has a link with the code ${code} already.`);
    return (await this.links.find(id))!;
  }

  async change(id: bigint, { expiresAt, utm, ...change }: LinkChangeBody): Promise<LinkRow | null> {
    const at = typeof expiresAt === 'string' ? new Date(expiresAt) : expiresAt;
    const known = await this.links.change(id, { ...change, expiresAt: at, ...(utm && { utm: { ...utm } }) });
    return known ? this.links.find(id) : null;
  }

  remove(id: bigint): Promise<void> {
    return this.links.remove(id);
  }

  svg(link: LinkRow): Promise<string> {
    return toString(addressOf(link), { type: 'svg', margin: 2 });
  }

  png(link: LinkRow): Promise<Buffer> {
    return toBuffer(addressOf(link), { type: 'png', margin: 2, scale: PNG_SCALE });
  }

  private async botOf(portalId: bigint, lineId: string | undefined): Promise<Bot> {
    if (lineId !== undefined) {
      const bot = await this.bots.findByLine(portalId, lineId);
      if (bot) return bot;
      throw new Problem(409, 'no_bot', `The line ${lineId} has no bot: connect one first.`);
    }
    const [bot, other] = await this.bots.listByPortal(portalId);
    if (bot && !other) return bot;
    throw bot
      ? new Problem(400, 'line_needed', 'The portal has several bots: give lineId.')
      : new Problem(409, 'no_bot', 'No bot serves a line of the portal: connect one first.');
  }

  /** What the CRM knows of whom a link invites. */
  private async invited(portal: PortalRecord, entity: CrmEntity): Promise<{ name: string; phone: string | null }> {
    if (!mayUseCrm(portal)) throw noScope();
    try {
      const item = await this.items.find(portal.id, entity);
      if (item === null) {
        throw new Problem(404, 'entity_not_found', `The CRM has no ${entity.type} with the number ${entity.id}.`);
      }
      const title = titleOf(item);
      return {
        name: title === '' ? `${entity.type} ${entity.id}` : [...title].slice(0, 100).join(''),
        phone: phoneIn(item) ?? (await this.phoneOfClient(portal.id, item)),
      };
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      if (/^IN(?:SUFFICIENT|VALID)_SCOPE$/i.test(error.code)) throw noScope();
      throw new Problem(
        error.kind === 'refused' ? 422 : 503,
        'crm_unavailable',
        `The CRM does not answer: ${error.detail}`,
      );
    }
  }

  private async phoneOfClient(portalId: bigint, item: CrmItem): Promise<string | null> {
    const clients: CrmEntity[] = [
      ...relatedIds(item, 'contactId', 'contactIds').map((id) => ({ type: 'contact' as const, id })),
      ...relatedIds(item, 'companyId').map((id) => ({ type: 'company' as const, id })),
    ];
    for (const client of clients.slice(0, 3)) {
      const phone = phoneIn((await this.items.find(portalId, client)) ?? {});
      if (phone !== null) return phone;
    }
    return null;
  }
}

/** As the API shows it. */
export function linkItem(link: LinkRow): LinkItem {
  const { pressed, wrote, leads, utm, entity, botUsername, usedAt, ...row } = link;
  const expired = row.expiresAt !== null && row.expiresAt.getTime() <= Date.now();
  return {
    id: row.id.toString(),
    portalId: row.portalId.toString(),
    botId: row.botId.toString(),
    lineId: row.lineId,
    code: row.code,
    url: botUsername === null ? null : addressOf(link),
    name: row.name,
    utm,
    welcomeText: row.welcomeText,
    expiresAt: row.expiresAt,
    singleUse: row.singleUse,
    entity: entity as LinkItem['entity'],
    state: row.singleUse && usedAt !== null ? 'used' : expired ? 'expired' : 'active',
    counts: { pressed, wrote, leads },
    createdAt: row.createdAt,
    createdBy: row.createdBy,
  };
}

/** core.telegram.org/bots/features#deep-linking */
function addressOf({ botUsername, code }: LinkRow): string {
  if (botUsername !== null) return `https://t.me/${botUsername}?start=${code}`;
  throw new Problem(409, 'bot_unnamed', 'The name of the bot is not known yet: Telegram has not been asked so far.');
}

function expiryOf({ expiresAt, entity }: LineLinkBody): Date | null {
  if (typeof expiresAt === 'string') return new Date(expiresAt);
  return expiresAt === undefined && entity ? new Date(Date.now() + INVITATION_DAYS * DAY_MS) : null;
}

function phoneIn({ phone }: CrmItem): string | null {
  return typeof phone === 'string' && phone.trim() !== '' ? phone.trim() : null;
}

function noScope(): Problem {
  return new Problem(
    409,
    'no_crm_scope',
    'The application may not use the CRM of this portal: add the scope crm to it, and install it again.',
  );
}
