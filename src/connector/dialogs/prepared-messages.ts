import { Injectable } from '@nestjs/common';
import { bitrixProblem } from '../../bitrix/bitrix-problems.js';
import { languageOf } from '../../common/language.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';
import type { LearnedChat } from '../../storage/work/learned-chats.js';
import { ClientFiles } from './client-files.js';
import {
  chatOf,
  correctionsOf,
  type Element,
  externalIdOf,
  lineOf,
  messagesOf,
  NOBODYS,
  noteIdOf,
  playedFiles,
  timeOfLate,
  userOf,
} from './dialog.message.js';
import { DialogReader } from './dialog.reader.js';
import { isLateRating, isRating } from './ratings.js';
import { OperatorNotes, repetitionMark, tooLargeLabel } from './operator-notes.js';

/**
 * Milliseconds after which a request whose end nobody saw counts as done: sends take 0.3 to 3 s, ten times that when the
 * portal is in trouble. (Bitrix24 ends them at 60 s, but a client's words should not wait so long for what hardly ever
 * is.)
 */
const ARRIVAL_MS = 20_000;

/** What a lane's delivery becomes in `MESSAGES`; no elements: it stands in the dialog already. */
export interface Prepared {
  delivery: ClaimedDelivery;
  elements: Element[];
  /** How many files go along. */
  files: number;
  /** Nobody could say whether it stands there. */
  repeated?: true;
  /** It stands there: in which dialog. */
  learned?: LearnedChat;
}

/** Turns deliveries into elements of MESSAGES, and looks up first what may have arrived already. */
@Injectable()
export class PreparedMessages {
  constructor(
    private readonly dialogs: DialogReader,
    private readonly files: ClientFiles,
    private readonly notes: OperatorNotes,
  ) {}

  /** After an unknown outcome the dialog is read first: what stands there is not sent again. Throws UpstreamError. */
  async prepare(portal: PortalRecord, lane: ClaimedLane, delivery: ClaimedDelivery): Promise<Prepared> {
    // The client was told that it counts, and yet it must not open a session: nothing is the lesser evil.
    if (isRating(delivery) && isLateRating(delivery, lane.chat, Date.now()))
      return { delivery, elements: [], files: 0 };
    const prepared = this.elements(portal, lane, delivery, null);
    const [first] = prepared.elements;
    if (!delivery.unknown || !first) return prepared;
    const authorId = first.message.user_id === undefined ? lane.chat.bitrixUserId : String(first.message.user_id);
    const sought = { externalId: first.message.id, text: first.message.text ?? '', authorId };
    const { found, dialog } = await this.dialogs.find(portal, lineOf(lane), lane.chat, sought);
    if (found === 'there') return { delivery, elements: [], files: 0, learned: dialog };
    // What is not there yet may still come: the portal goes on with a request that nobody waits for any more.
    const leftMs = ARRIVAL_MS - delivery.unknownForMs;
    if (leftMs > 0) {
      throw bitrixProblem('SETTLING', 'An earlier try may still arrive in the dialog.', { retryAfterMs: leftMs });
    }
    if (found === 'absent') return prepared;
    // A second one would be the client's words.
    if (isRating(delivery)) return { delivery, elements: [], files: 0 };
    // Only what could not be looked up may be a repetition; what is absent never arrived.
    const repeated = this.elements(portal, lane, delivery, repetitionMark(languageOf(portal.language)));
    return { ...repeated, repeated: true };
  }

  /** A message of which no earlier try is known; `repeated`: what is to stand before it. */
  fresh(
    portal: PortalRecord,
    { chat }: ClaimedLane,
    delivery: ClaimedDelivery,
    repeated: string | null = null,
  ): Prepared {
    const { files, left } = this.files.sort(delivery.message, chat);
    const language = languageOf(portal.language);
    const labels = left.map((file) =>
      this.files.isTooLarge(file, chat) ? tooLargeLabel(file.label, language) : file.label,
    );
    const named = playedFiles(delivery.message.attachments.filter((file) => !left.includes(file)));
    const along = { files, labels, named, photo: this.files.photo(chat), repeated, language };
    return { delivery, elements: messagesOf(chat, delivery, along), files: files.length };
  }

  /** The message with the names of its files in their place. */
  withoutFiles(portal: PortalRecord, { chat }: ClaimedLane, delivery: ClaimedDelivery): Prepared {
    const labels = delivery.message.attachments.map(({ label }) => label);
    const language = languageOf(portal.language);
    const along = { files: [], labels, named: [], photo: null, repeated: null, language };
    return { delivery, elements: messagesOf(chat, delivery, along), files: 0 };
  }

  /** Elements of imconnector.update.messages, or of imconnector.delete.messages. */
  change(portal: PortalRecord, { chat }: ClaimedLane, delivery: ClaimedDelivery): Prepared {
    const photo = this.files.photo(chat);
    const elements =
      delivery.kind === 'delete'
        ? [{ user: userOf(chat, photo), message: { id: externalIdOf(chat, delivery.message) }, chat: chatOf(chat) }]
        : correctionsOf(chat, delivery, { photo, language: languageOf(portal.language) });
    return { delivery, elements, files: 0 };
  }

  private elements(
    portal: PortalRecord,
    lane: ClaimedLane,
    delivery: ClaimedDelivery,
    repeated: string | null,
  ): Prepared {
    if (delivery.kind !== 'note') return this.fresh(portal, lane, delivery, repeated);
    return { delivery, elements: [this.note(portal, lane, delivery, repeated)], files: 0 };
  }

  private note(
    portal: PortalRecord,
    { chat }: ClaimedLane,
    delivery: ClaimedDelivery,
    repeated: string | null,
  ): Element {
    const lines = [repeated ?? '', timeOfLate(delivery), this.notes.textOf(portal, delivery, chat)];
    return {
      user: userOf(chat, this.files.photo(chat)),
      message: {
        id: noteIdOf(chat, delivery),
        date: Math.floor(Date.now() / 1000),
        text: lines.filter((line) => line !== '').join('\n'),
        ...NOBODYS,
      },
      chat: chatOf(chat),
    };
  }
}
