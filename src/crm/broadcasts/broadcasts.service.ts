import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Problem } from '../../common/problem.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { Audience } from '../../storage/crm/broadcast-audience.js';
import {
  BroadcastsRepository,
  NOBODY,
  type BroadcastContent,
  type BroadcastCounts,
  type BroadcastRow,
  type BroadcastWords,
} from '../../storage/crm/broadcasts.repository.js';
import { BroadcastPortionsRepository } from '../../storage/intake/broadcast-portions.repository.js';
import type { BroadcastState } from '../../storage/prisma/client.js';
import type { StoredFile } from '../../storage/crm/file-contents.js';
import { KeptFiles } from '../files/kept-files.service.js';
import { SendRequests } from '../requests/send-requests.service.js';
import { BroadcastFanOut } from './broadcast-fan-out.service.js';
import { BROADCAST_TEXT_LIMIT, broadcastMessage, partsOf, type WrittenBroadcast } from './broadcast-message.js';

/**
 * Messages of a broadcast that a bot sends in a second: what Telegram allows ("about 30",
 * core.telegram.org/bots/faq#broadcasting-to-users) without the places that are kept for answers of people.
 */
export const PER_SECOND = 27;
const SAMPLE = 5;

/** What a new broadcast is. */
export type NewBroadcast = Pick<BroadcastRow, 'portalId' | 'name' | 'audience'> & BroadcastWords;
export type BroadcastChange = Partial<Omit<NewBroadcast, 'portalId'>>;

/** A broadcast with what has become of it. */
export interface ReportedBroadcast extends BroadcastRow {
  counts: BroadcastCounts;
}

/** What a start would do. */
export interface BroadcastPreview {
  clients: number;
  /** They are named by the audience, and left out. */
  unsubscribed: number;
  blocked: number;
  /** If nothing else is sent. */
  seconds: number;
  sample: string[];
}

/** Broadcasts of portals. Throws Problems that say what to do. */
@Injectable()
export class Broadcasts {
  constructor(
    private readonly broadcasts: BroadcastsRepository,
    private readonly portions: BroadcastPortionsRepository,
    private readonly portals: PortalsRepository,
    private readonly requests: SendRequests,
    private readonly files: KeptFiles,
    private readonly fanOut: BroadcastFanOut,
  ) {}

  /** Newest first. */
  async list(portalId: bigint | undefined, before: bigint | undefined, limit: number): Promise<ReportedBroadcast[]> {
    return this.reported(await this.broadcasts.list(portalId, before, limit));
  }

  async find(id: bigint): Promise<BroadcastRow | null> {
    return this.broadcasts.find(id);
  }

  /** With what clients have done so far. */
  async report(broadcast: BroadcastRow): Promise<ReportedBroadcast> {
    await this.broadcasts.noteEffects(broadcast.id);
    return (await this.reported([broadcast]))[0]!;
  }

  /** @param createdBy as records name them @param hasFile one is uploaded afterwards: there need be no words */
  async make(wish: NewBroadcast, createdBy: string, hasFile = false): Promise<ReportedBroadcast> {
    const portal = await this.portal(wish.portalId);
    if (!hasFile) await this.words(portal, { ...wish, files: [] });
    const id = await this.broadcasts.create({ ...wish, createdBy });
    return this.shown(id);
  }

  /** A link to a file takes the place of an uploaded one. */
  async change(broadcast: BroadcastRow, change: BroadcastChange): Promise<ReportedBroadcast> {
    const files = change.file ? [] : broadcast.files;
    await this.words(await this.portal(broadcast.portalId), { ...broadcast, ...change, files });
    if (!(await this.broadcasts.change(broadcast.id, change))) throw started();
    return this.shown(broadcast.id);
  }

  /** Keeps what comes as the file of the broadcast, in place of the one, or the link, it had. `content`: as it arrives. */
  async keepFile({ id, portalId }: BroadcastRow, name: string, content: unknown): Promise<ReportedBroadcast> {
    if (!(await this.files.keep({ portalId, owner: { broadcastId: id } }, name, content))) throw started();
    return this.shown(id);
  }

  async removeFile(broadcast: BroadcastRow, name: string): Promise<ReportedBroadcast> {
    const { id, portalId } = broadcast;
    if (!(await this.files.remove({ portalId, owner: { broadcastId: id } }, name))) throw started();
    return this.shown(id);
  }

  openFile(broadcast: BroadcastRow, name: string): Promise<StoredFile> {
    return this.files.open(broadcast, name);
  }

  async remove({ id }: BroadcastRow): Promise<void> {
    const { state } = (await this.broadcasts.find(id)) ?? {};
    if (state === 'running') throw new Problem(409, 'broadcast_running', 'The broadcast is running: stop it first.');
    // What waits in lanes would be sent after all.
    await this.portions.withdraw(id);
    await this.portions.noteEnds();
    if (!(await this.broadcasts.remove(id))) {
      throw new Problem(
        409,
        'broadcast_sending',
        'Some of it is being sent at this moment: try again in a few seconds.',
      );
    }
  }

  async preview(portalId: bigint, audience: Audience, written: WrittenBroadcast): Promise<BroadcastPreview> {
    const portal = await this.portal(portalId);
    const { bots, unsubscribed, blocked, sample } = await this.broadcasts.count(portalId, audience, SAMPLE);
    const parts = Math.max(1, partsOf(written, originOf(portal)));
    const most = Math.max(0, ...bots.map(({ clients }) => clients));
    return {
      clients: bots.reduce((sum, { clients }) => sum + clients, 0),
      unsubscribed,
      blocked,
      seconds: Math.ceil((most * parts) / PER_SECOND),
      sample,
    };
  }

  /** To one chat of the portal, whatever its client wishes. Answers the id of the message. */
  async test(broadcast: BroadcastRow, chatId: bigint): Promise<bigint> {
    const { portalId } = broadcast;
    const words = await this.words(await this.portal(portalId), broadcast);
    const reader = await this.portions.reader(portalId, chatId);
    if (!reader) throw new Problem(404, 'not_found', `No chat has the id ${chatId}.`);
    const said = words(reader);
    if (!said) {
      const limit = BROADCAST_TEXT_LIMIT;
      throw new Problem(409, 'text_too_long', `With the client's name the text has more than ${limit} characters.`, {
        limit,
      });
    }
    // Before the commit: what is on its way is kept until it is sent.
    await this.files.noteUse({ broadcastId: broadcast.id }, broadcast.files);
    const answer = await this.requests.send({
      portalId,
      source: 'broadcast',
      key: `test/${broadcast.id}/${randomUUID()}`,
      chatId,
      words: said,
    });
    if (!('request' in answer)) throw new Problem(404, 'not_found', `No chat has the id ${chatId}.`);
    return answer.request.messageId!;
  }

  async start(broadcast: BroadcastRow): Promise<ReportedBroadcast> {
    const portal = await this.portal(broadcast.portalId);
    await this.words(portal, broadcast);
    const size = await this.broadcasts.start(broadcast.id);
    if (size === null) throw inState(broadcast.state, 'start');
    if (size === 'portal_removed') throw portalRemoved();
    if (size === 'nobody') {
      throw new Problem(409, 'broadcast_for_nobody', 'Nobody is in this audience: nothing was started.');
    }
    this.fanOut.wake();
    return this.shown(broadcast.id);
  }

  /** Within seconds nothing more leaves. */
  async pause({ id, state }: BroadcastRow): Promise<ReportedBroadcast> {
    if (!(await this.broadcasts.setState(id, ['running'], 'paused'))) throw inState(state, 'pause');
    await this.portions.withdraw(id);
    return this.shown(id);
  }

  async resume({ id, state }: BroadcastRow): Promise<ReportedBroadcast> {
    const resumed = await this.broadcasts.resume(id);
    if (resumed === 'portal_removed') throw portalRemoved();
    if (resumed === null) throw inState(state, 'resume');
    this.fanOut.wake();
    return this.shown(id);
  }

  /** Who does not have it yet will not have it. */
  async stop({ id, state }: BroadcastRow): Promise<ReportedBroadcast> {
    if (!(await this.broadcasts.setState(id, ['running', 'paused'], 'stopped'))) throw inState(state, 'stop');
    await this.portions.withdraw(id);
    await this.portions.stopWaiting(id);
    return this.shown(id);
  }

  private async words(portal: PortalRecord, written: BroadcastContent) {
    const words = broadcastMessage(written, originOf(portal));
    if (words) return words;
    throw new Problem(400, 'invalid_request', 'text or file must be given.', { fields: ['text'] });
  }

  private async portal(id: bigint): Promise<PortalRecord> {
    const portal = await this.portals.findById(id);
    if (!portal) throw new Problem(404, 'not_found', `No portal has the id ${id}.`);
    return portal;
  }

  private async shown(id: bigint): Promise<ReportedBroadcast> {
    const broadcast = await this.broadcasts.find(id);
    if (!broadcast) throw new Problem(404, 'not_found', `No broadcast has the id ${id}.`);
    return (await this.reported([broadcast]))[0]!;
  }

  private async reported(broadcasts: BroadcastRow[]): Promise<ReportedBroadcast[]> {
    const counts = await this.broadcasts.counts(broadcasts.map(({ id }) => id));
    return broadcasts.map((broadcast) => ({ ...broadcast, counts: counts.get(broadcast.id) ?? NOBODY }));
  }
}

function originOf({ clientEndpoint }: PortalRecord): string {
  return new URL(clientEndpoint).origin;
}

const started = () =>
  new Problem(409, 'broadcast_started', 'A broadcast that was started keeps its text, its file and its audience.');

const portalRemoved = () => new Problem(409, 'portal_removed', 'The application was removed from this portal.');

function inState(state: BroadcastState, act: string): Problem {
  return new Problem(409, 'broadcast_state', `This broadcast cannot ${act} now: it is ${state}.`, { state });
}
