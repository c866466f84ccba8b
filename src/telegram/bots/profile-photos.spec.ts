import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UpstreamError } from '../../common/upstream-error.js';
import type { ChatsRepository } from '../../storage/history/chats.repository.js';
import { ProfilePhotos, type PhotographedBot } from './profile-photos.js';

const refusal = (code: string, kind: 'refused' | 'not_sent', retryAfterMs?: number) =>
  new UpstreamError({ network: 'telegram', kind, scope: 'message', code, detail: 'no', retryAfterMs });

describe('profile photos', () => {
  let stop: AbortController;
  const asked: number[] = [];
  const saved: [bigint, unknown][] = [];
  let due: bigint[];
  let answer: (userId: number) => unknown;
  let photos: ProfilePhotos;

  beforeEach(() => {
    Logger.overrideLogger(false);
    vi.useFakeTimers();
    stop = new AbortController();
    asked.length = saved.length = 0;
    due = [];
    const chats = {
      dueProfilePhotos: (_bot: bigint, _limit: number, among?: bigint[]) =>
        Promise.resolve(
          due.filter((id) => !among || among.includes(id)).map((id) => ({ chatId: id, telegramChatId: id })),
        ),
      saveProfilePhoto: (chatId: bigint, photo: unknown) => {
        due = due.filter((id) => id !== chatId);
        saved.push([chatId, photo]);
        return Promise.resolve();
      },
    };
    const getUserProfilePhotos = async ({ user_id }: { user_id: number }) => {
      asked.push(user_id);
      return answer(user_id);
    };
    photos = new ProfilePhotos(chats as unknown as ChatsRepository);
    const bot = { id: 1n, held: { held: true }, api: () => Promise.resolve({ calls: { getUserProfilePhotos } }) };
    void photos.run(bot as unknown as PhotographedBot, stop.signal);
  });

  afterEach(() => {
    stop.abort();
    vi.useRealTimers();
  });

  it('are learned in the size that is shown, a few a second, and not again', async () => {
    const size = (width: number) => ({ file_id: `f${width}`, file_unique_id: `u${width}`, width, height: width });
    answer = () => ({ total_count: 1, photos: [[size(160), size(320), size(640), size(1280)]] });
    await vi.advanceTimersByTimeAsync(10);
    due = [5n, 6n, 7n];
    photos.notice(1n, [5n, 6n, 7n]);
    await vi.advanceTimersByTimeAsync(800);
    expect(saved).toEqual([
      [5n, { fileId: 'f640', uniqueId: 'u640' }],
      [6n, { fileId: 'f640', uniqueId: 'u640' }],
    ]);
    await vi.advanceTimersByTimeAsync(1_000);
    due = [5n];
    photos.notice(1n, [5n]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked).toEqual([5, 6, 7]);
  });

  it('of a client who hides them, or of whom Telegram knows nothing, are none', async () => {
    answer = (id) => {
      if (id === 6) throw refusal('400', 'refused');
      return { total_count: 0, photos: [] };
    };
    due = [5n, 6n];
    photos.notice(1n, [5n, 6n]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(saved).toEqual([
      [5n, null],
      [6n, null],
    ]);
  });

  it('wait as long as Telegram says', async () => {
    answer = () => {
      throw refusal('429', 'not_sent', 60_000);
    };
    due = [5n, 6n];
    photos.notice(1n, [5n, 6n]);
    await vi.advanceTimersByTimeAsync(59_000);
    expect(asked).toEqual([5]);
    answer = () => ({ photos: [] });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(asked).toEqual([5, 5, 6]);
  });
});
