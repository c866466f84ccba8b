import { elements } from './variable-types.js';

export const CLOUD_HOST = 'api.telegram.org';

/** Whose limits a Bot API server has: Telegram's, also by a relay, or none, as an own server with `--local`. */
export type ApiKind = 'telegram' | 'local';

/** The addresses of a list as TG_API_ROOT is written, in order of preference; each leads to the same server. */
export function apiRootsOf(list: string): string[] {
  return [...new Set(elements(list))];
}

/** The limits of Telegram's own server are not those of a local one, and a bot works at only one of the two. */
export function isLocalAtTelegram(kind: string, roots: readonly string[]): boolean {
  return kind === 'local' && roots.some((root) => URL.canParse(root) && new URL(root).hostname === CLOUD_HOST);
}

/** Bytes of the largest file that a bot may fetch: 20 MB (core.telegram.org/bots/api, getFile), any from an own server. */
export function largestTelegramFile(kind: ApiKind): number {
  return kind === 'local' ? Infinity : 20 * 1024 * 1024;
}
