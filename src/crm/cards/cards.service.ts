import { Injectable, type OnModuleInit } from '@nestjs/common';
import { languageOf, type Language } from '../../common/language.js';
import { Problem } from '../../common/problem.js';
import { AuthorNames } from '../../relay/author-names.js';
import { DeliveryProblems } from '../../relay/delivery-problems.js';
import { saidMessage } from '../../relay/said-message.view.js';
import { ViewingLinks } from '../../relay/viewing-links.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { CardChatsRepository, type CardChatRow } from '../../storage/crm/card-chats.repository.js';
import type { FileSender } from '../../storage/crm/message-files.repository.js';
import { MessagePages } from '../../storage/history/message-pages.js';
import type { MessageRow } from '../../storage/history/shown-message.js';
import type { CrmEntity } from '../entities/crm-entity.js';
import { titleOf } from '../entities/crm-items.client.js';
import type { MessageFile } from '../files/message-files.dto.js';
import { MessageFiles } from '../files/message-files.service.js';
import type { FrameKind } from '../frames/frame-kind.js';
import type { FrameSubject } from '../frames/frame-place.parser.js';
import type { Viewer } from '../frames/frame-sessions.js';
import { personOf } from '../frames/frame.guard.js';
import { PortalFrames } from '../frames/portal-frames.service.js';
import { ViewerNames } from '../frames/viewer-names.service.js';
import { ViewerRights, type SeenEntity } from '../frames/viewer-rights.service.js';
import { linkItem, LinksService } from '../links/links.service.js';
import type { LinkItem } from '../links/links.dto.js';
import { PersonMessages } from '../requests/person-messages.service.js';
import type {
  CardChat,
  CardLine,
  CardMessage,
  CardMessages,
  CardMessagesQuery,
  CardState,
  CardWords,
  CardWritten,
} from './card.dto.js';

/** Last part of the tab's address, and the kind of its sessions. */
export const CARD = 'card';

const INVITATIONS_SHOWN = 5;

/** The tab in the card of a lead, deal, contact, company or item of a smart process: what its viewer may see and do there. */
@Injectable()
export class Cards implements FrameKind, OnModuleInit {
  readonly kind = CARD;
  readonly page = 'card';
  readonly features = ['card', 'card_processes'] as const;

  constructor(
    private readonly frames: PortalFrames,
    private readonly rights: ViewerRights,
    private readonly chats: CardChatsRepository,
    private readonly bots: BotsRepository,
    private readonly pages: MessagePages,
    private readonly names: AuthorNames,
    private readonly files: ViewingLinks,
    private readonly problems: DeliveryProblems,
    private readonly viewers: ViewerNames,
    private readonly people: PersonMessages,
    private readonly links: LinksService,
    private readonly attached: MessageFiles,
  ) {}

  onModuleInit(): void {
    this.frames.register(this);
  }

  isAbout(subject: FrameSubject): boolean {
    return 'entity' in subject;
  }

  title(): string {
    return 'Telegram';
  }

  async open(viewer: Viewer): Promise<{ state: CardState }> {
    return { state: await this.state(viewer) };
  }

  async state(viewer: Viewer): Promise<CardState> {
    const entity = entityOf(viewer);
    const { item, chats } = await this.rights.entity(viewer, entity);
    const [rows, lines, invitations] = await Promise.all([
      this.chats.list(
        viewer.portalId,
        viewer.userId,
        chats.map(({ chatId }) => chatId),
      ),
      this.lines(viewer),
      this.invitations(viewer, entity),
    ]);
    return { entity: { ...entity, title: titleOf(item) }, chats: rows.map(cardChat), lines, invitations };
  }

  /** `reader`: Accept-Language. */
  async messages(
    viewer: Viewer,
    chatId: bigint,
    query: CardMessagesQuery,
    reader: string | undefined,
  ): Promise<CardMessages> {
    await this.chatOf(viewer, chatId);
    const language = languageOf(reader);
    const { rows, ...cursors } = await this.pages.page(
      { chatId, portalId: viewer.portalId, asOperatorsSee: true },
      query,
    );
    const known = await this.names.known(rows);
    return { items: known.map((row) => this.message(row, language)), ...cursors };
  }

  async seen(viewer: Viewer, chatId: bigint, messageId: bigint): Promise<void> {
    await this.chatOf(viewer, chatId);
    await this.chats.read(viewer.portalId, viewer.userId, chatId, messageId);
  }

  /** Keeps what comes as a file of what they are about to write. */
  async keepFile(viewer: Viewer, chatId: bigint, name: string, body: unknown): Promise<MessageFile> {
    await this.chatOf(viewer, chatId, { fresh: true });
    return this.attached.keep(senderOf(viewer, chatId), name, body);
  }

  /** In the name of whoever looks, as their line names them; once for each key. */
  async write(viewer: Viewer, chatId: bigint, { text, key, files = [] }: CardWords): Promise<CardWritten> {
    const chat = await this.chatOf(viewer, chatId, { fresh: true });
    const { userId } = viewer;
    const written = await this.people.write({
      ...senderOf(viewer, chatId),
      source: 'card',
      key: `${userId}:${key}`,
      text,
      files,
      author: { id: userId, name: await this.viewers.onLine(viewer, chat.lineId) },
    });
    if (!written) throw noChat();
    return { messageId: written.messageId };
  }

  /** One that can still be used is given again: it is not new. */
  async invite(viewer: Viewer, lineId: string | undefined): Promise<{ link: LinkItem; isNew: boolean }> {
    const entity = entityOf(viewer);
    await this.rights.entity(viewer, entity, { fresh: true });
    const [known] = (await this.invitations(viewer, entity)).filter(
      (link) => lineId === undefined || link.lineId === lineId,
    );
    if (known) return { link: known, isNew: false };
    const wish = { entity: { type: entity.type, id: entity.id } };
    const made = await this.links.make({ portalId: viewer.portalId, lineId }, wish, personOf(viewer));
    return { link: linkItem(made), isNew: true };
  }

  async qrCode(viewer: Viewer, linkId: bigint): Promise<string> {
    const entity = entityOf(viewer);
    await this.rights.entity(viewer, entity);
    const link = await this.links.find(linkId);
    const isOwn = link?.entity?.type === entity.type && link.entity.id === entity.id;
    if (!link || link.portalId !== viewer.portalId || !isOwn) throw noInvitation();
    return this.links.svg(link);
  }

  private async invitations({ portalId }: Viewer, entity: CrmEntity): Promise<LinkItem[]> {
    const rows = await this.links.list({ portalId, entity }, INVITATIONS_SHOWN);
    return rows.map(linkItem).filter(({ state, url, lineId }) => state === 'active' && url !== null && lineId !== null);
  }

  private async lines({ portalId }: Viewer): Promise<CardLine[]> {
    const bots = await this.bots.listByPortal(portalId);
    return bots.flatMap(({ lineId, username }) => (lineId && username ? { lineId, bot: `@${username}` } : []));
  }

  /** Throws a 404 problem for a chat that the viewer does not see in this card. */
  private async chatOf(viewer: Viewer, chatId: bigint, { fresh = false } = {}): Promise<CardChatRow> {
    const seen: SeenEntity = await this.rights.entity(viewer, entityOf(viewer), { fresh });
    if (!seen.chats.some((chat) => chat.chatId === chatId)) throw noChat();
    const [row] = await this.chats.list(viewer.portalId, viewer.userId, [chatId]);
    if (!row) throw noChat();
    return row;
  }

  private message(row: MessageRow, language: Language): CardMessage {
    const { errorCode, errorDetail } = row;
    const problem = errorCode === null ? null : (this.problems.reason(errorCode, language) ?? errorDetail ?? errorCode);
    return { ...saidMessage(row, (file) => this.files.to(file)), problem };
  }
}

function senderOf(viewer: Viewer, chatId: bigint): FileSender {
  return { portalId: viewer.portalId, chatId, by: personOf(viewer) };
}

function entityOf({ subject }: Viewer): CrmEntity {
  if ('entity' in subject) return subject.entity;
  throw noChat();
}

function cardChat({ botUsername, botName, bannedAt, ...row }: CardChatRow): CardChat {
  return {
    id: row.id.toString(),
    title: row.title,
    username: row.username,
    bot: botUsername ? `@${botUsername}` : (botName ?? ''),
    lineId: row.lineId,
    state: row.state,
    banned: bannedAt !== null,
    unread: row.unread,
    firstUnreadId: row.firstUnreadId?.toString() ?? null,
  };
}

function noChat(): Problem {
  return new Problem(404, 'no_chat', 'This card has no such conversation.');
}

function noInvitation(): Problem {
  return new Problem(404, 'no_invitation', 'There is no such invitation for this.');
}
