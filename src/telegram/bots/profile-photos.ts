import { Injectable, Logger } from '@nestjs/common';
import { pause } from '../../common/pause.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { HeldLease } from '../../relay/endpoint-driver.js';
import { ChatsRepository, type DueProfilePhoto } from '../../storage/history/chats.repository.js';
import { asList, asText } from '../../common/json-fields.js';
import { choosePhotoSize } from '../api/photo-sizes.js';
import type { BotApi } from '../api/telegram.client.js';

/** How often clients whose updates another replica accepted, and outdated photos, are looked for. */
const SWEEP_MS = 120_000;
const BATCH = 50;
/** Between two requests: photos must never use up what messages need. */
const PACE_MS = 500;
const TROUBLE_MS = 15_000;
/** Width of the largest size that Telegram makes of every profile photo. */
const WANTED_WIDTH = 640;
/** Most clients of a bot remembered as checked; beyond that the table is asked again. */
const REMEMBERED = 10_000;

/** A bot that this replica drives. */
export interface PhotographedBot {
  id: bigint;
  held: HeldLease;
  api: () => Promise<BotApi>;
}

interface Watch extends PhotographedBot {
  signal: AbortSignal;
  /** Chats that were checked, so that not every message asks the table. */
  looked: Set<bigint>;
  noticed: Set<bigint>;
  /** Aborted: there is something to do, or nothing any more. */
  waking: AbortController;
}

/**
 * Learns the profile photos of clients: of new ones within a second or two, of the others once a week. Makes one slow
 * request at a time for each bot, which never delays its messages.
 */
@Injectable()
export class ProfilePhotos {
  private readonly logger = new Logger(ProfilePhotos.name);
  private readonly watches = new Map<bigint, Watch>();

  constructor(private readonly chats: ChatsRepository) {}

  /** Clients wrote in these private chats (Telegram's ids). */
  notice(botId: bigint, telegramChatIds: bigint[]): void {
    const watch = this.watches.get(botId);
    if (!watch) return;
    for (const id of telegramChatIds) if (!watch.looked.has(id)) watch.noticed.add(id);
    if (watch.noticed.size > 0) watch.waking.abort();
  }

  /** Works for the bot until the signal; never rejects. */
  async run(bot: PhotographedBot, signal: AbortSignal): Promise<void> {
    const watch: Watch = { ...bot, signal, looked: new Set(), noticed: new Set(), waking: new AbortController() };
    this.watches.set(bot.id, watch);
    signal.addEventListener('abort', () => watch.waking.abort(), { once: true });
    let sweepAt = performance.now();
    while (!signal.aborted) {
      try {
        if (!bot.held.held) await pause(TROUBLE_MS, signal);
        else if (watch.noticed.size > 0) await this.lookAtNoticed(watch);
        else if (performance.now() < sweepAt) await this.rest(watch, sweepAt - performance.now());
        else if (await this.learnDue(watch)) sweepAt = performance.now() + SWEEP_MS;
      } catch (error) {
        this.logger.debug(
          { botId: String(bot.id), err: error },
          'Profile photos could not be checked; trying again later',
        );
        await pause(waitAfter(error), signal);
        // Finds those that were being looked at, too.
        sweepAt = performance.now();
      }
    }
    if (this.watches.get(bot.id) === watch) this.watches.delete(bot.id);
  }

  /** Until somebody is noticed, or the signal. */
  private async rest(watch: Watch, ms: number): Promise<void> {
    watch.waking = new AbortController();
    await pause(ms, watch.waking.signal);
  }

  private async lookAtNoticed(watch: Watch): Promise<void> {
    const taken = [...watch.noticed].slice(0, BATCH);
    for (const id of taken) watch.noticed.delete(id);
    await this.learnDue(watch, taken);
    if (watch.looked.size > REMEMBERED) watch.looked.clear();
    for (const id of taken) watch.looked.add(id);
  }

  /** False when there may be more. */
  private async learnDue({ id, held, api, signal }: Watch, among?: bigint[]): Promise<boolean> {
    const due = await this.chats.dueProfilePhotos(id, BATCH, among);
    for (const chat of due) {
      if (signal.aborted || !held.held) return false;
      await this.learn(chat, await api());
      await pause(PACE_MS, signal);
    }
    return due.length < BATCH;
  }

  private async learn({ chatId, telegramChatId }: DueProfilePhoto, { calls }: BotApi): Promise<void> {
    const photo = await calls.getUserProfilePhotos({ user_id: Number(telegramChatId), limit: 1 }).then(
      ({ photos }) => photoOf(photos),
      (error: unknown) => {
        // A refusal concerns only this client, whose photo is asked for again in a week.
        if (error instanceof UpstreamError && error.kind === 'refused') return null;
        throw error;
      },
    );
    await this.chats.saveProfilePhoto(chatId, photo);
  }
}

/** The newest photo, in the size nearest to what is wanted; null when they have none, or hide it. */
function photoOf(photos: unknown): { fileId: string; uniqueId: string } | null {
  const size = choosePhotoSize(asList(photos)[0], { width: WANTED_WIDTH });
  const uniqueId = asText(size?.file_unique_id);
  return size && uniqueId !== '' ? { fileId: asText(size.file_id), uniqueId } : null;
}

function waitAfter(error: unknown): number {
  return Math.max(TROUBLE_MS, error instanceof UpstreamError ? (error.retryAfterMs ?? 0) : 0);
}
