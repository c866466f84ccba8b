import { extname } from 'node:path';
import { Injectable } from '@nestjs/common';
import { largestTelegramFile } from '../../config/bot-api-servers.js';
import { Environment } from '../../config/environment.js';
import { FileLinks } from '../../relay/file-links.js';
import type { ClaimedAttachment, ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';

type Message = ClaimedDelivery['message'];
/** Of the chat, what says which files its bot may fetch. */
export type Fetching = Pick<ClaimedLane['chat'], 'apiKind'>;

/** A file as `imconnector.send.messages` takes it. */
export interface ElementFile {
  url: string;
  name: string;
}

/** The portal fetches a file while it takes the message; milliseconds. */
const FETCH_MS = 3_600_000;
/** For a person who follows the link of a note. */
const NOTE_MS = 7 * 24 * 3_600_000;
/**
 * A client's photo has the same link for so long: any change of it costs a profile update and a download
 * (apidocs.bitrix24.com, imconnector.send.messages, user).
 */
const PHOTO_MS = 30 * 24 * 3_600_000;

/** Characters of a file's name. */
const NAME_LIMIT = 50;

/** Links for what Bitrix24 fetches of a client: files of messages and the profile photo. */
@Injectable()
export class ClientFiles {
  constructor(
    private readonly links: FileLinks,
    private readonly environment: Environment,
  ) {}

  /** Files that travel, and those that cannot: the bot may not fetch them, or nobody knows our address. */
  sort({ id, attachments }: Message, chat: Fetching): { files: ElementFile[]; left: ClaimedAttachment[] } {
    const files: ElementFile[] = [];
    const left: ClaimedAttachment[] = [];
    for (const attachment of attachments) {
      const url = this.isTooLarge(attachment, chat) ? null : this.link(id, attachment, FETCH_MS);
      if (url) files.push({ url, name: shortened(attachment.name) });
      else left.push(attachment);
    }
    return { files, left };
  }

  /** For a person: works for a week. */
  noteLink(messageId: bigint, attachment: ClaimedAttachment, chat: Fetching): string | null {
    return this.isTooLarge(attachment, chat) ? null : this.link(messageId, attachment, NOTE_MS);
  }

  /** Telegram gives bots no larger files, unless the Bot API server is the company's own. */
  isTooLarge({ size }: ClaimedAttachment, { apiKind }: Fetching): boolean {
    return size !== null && size > largestTelegramFile(apiKind ?? this.environment.TG_API_KIND);
  }

  photo({ id, avatarUniqueId }: ClaimedLane['chat']): string | null {
    if (avatarUniqueId === null) return null;
    const expiresAt = new Date((Math.floor(Date.now() / PHOTO_MS) + 2) * PHOTO_MS);
    return this.links.to({ of: 'chat', chatId: id, photo: avatarUniqueId }, expiresAt);
  }

  private link(messageId: bigint, attachment: ClaimedAttachment, lifetimeMs: number): string | null {
    if (attachment.telegramFileId === null) return null;
    const expiresAt = new Date(Date.now() + lifetimeMs);
    return this.links.to({ of: 'message', messageId, ordinal: attachment.ordinal }, expiresAt);
  }
}

/** Bitrix24 keeps the last 50 characters of a longer name (imconnector): the beginning and the extension say more. */
function shortened(name: string): string {
  const characters = [...name];
  if (characters.length <= NAME_LIMIT) return name;
  const extension = [...extname(name)].slice(0, NAME_LIMIT / 2);
  return [...characters.slice(0, NAME_LIMIT - 1 - extension.length), '…', ...extension].join('');
}
