import type { BroadcastBody, BroadcastItem } from './api.js';

/** A broadcast as the form has it. */
export interface BroadcastDraft {
  name: string;
  text: string;
  buttons: string;
  file: string;
  hasUnsubscribe: boolean;
  portal: string;
  bot: string;
  /** Separated by commas. */
  languages: string;
  tags: string;
  source: string;
  campaign: string;
  /** Days since they wrote last; '': any. */
  days: string;
}

export const EMPTY_DRAFT: BroadcastDraft = {
  name: '',
  text: '',
  buttons: '',
  file: '',
  hasUnsubscribe: true,
  portal: '',
  bot: '',
  languages: '',
  tags: '',
  source: '',
  campaign: '',
  days: '',
};

const DAY_MS = 86_400_000;

export function draftOf({ portalId, audience, ...broadcast }: BroadcastItem, now: number): BroadcastDraft {
  const { name, text, buttons, file, hasUnsubscribe } = broadcast;
  const since = audience.lastWordsFrom ? Math.round((now - Date.parse(audience.lastWordsFrom)) / DAY_MS) : 0;
  return {
    name,
    text,
    buttons,
    file,
    hasUnsubscribe,
    portal: portalId,
    bot: audience.botId ?? '',
    languages: (audience.languages ?? []).join(', '),
    tags: (audience.tags ?? []).join(', '),
    source: audience.source ?? '',
    campaign: audience.campaign ?? '',
    days: since > 0 ? String(since) : '',
  };
}

export function bodyOf(draft: BroadcastDraft, now: number): BroadcastBody & { audience: object } {
  const { name, text, buttons, file, hasUnsubscribe, bot, source, campaign, days } = draft;
  const [languages, tags] = [listOf(draft.languages.toLowerCase()), listOf(draft.tags)];
  return {
    name: name.trim(),
    text,
    buttons,
    file: file.trim(),
    hasUnsubscribe,
    audience: {
      ...(bot ? { botId: bot } : {}),
      ...(source.trim() ? { source: source.trim() } : {}),
      ...(campaign.trim() ? { campaign: campaign.trim() } : {}),
      ...(languages.length > 0 ? { languages } : {}),
      ...(tags.length > 0 ? { tags } : {}),
      ...(days ? { lastWordsFrom: new Date(now - Number(days) * DAY_MS).toISOString() } : {}),
    },
  };
}

/** The words of a text in one line, without its tags. */
export function wordsOf(text: string): string {
  return text
    .replace(/\[\/?[a-z]+(?:=[^\]]*)?\]/gi, '')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Texts that are separated by commas, each once. */
export function listOf(text: string): string[] {
  return [...new Set(text.split(',').map((part) => part.trim()))].filter((part) => part !== '');
}

/** How many clients the start has found, and with how many it has come to an end. */
export function progressOf({ counts }: Pick<BroadcastItem, 'counts'>): { all: number; done: number } {
  const { pressed: _pressed, answered: _answered, left: _left, ...states } = counts;
  const all = Object.values(states).reduce((sum, count) => sum + count, 0);
  return { all, done: all - counts.waiting - counts.sending };
}
