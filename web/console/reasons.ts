import { BITRIX_PROBLEMS } from '../../src/bitrix/bitrix-problems.js';
import type { ProblemTable } from '../../src/common/delivery-problem.js';
import { TELEGRAM_PROBLEMS } from '../../src/telegram/api/telegram-problems.js';
import type { RegistrationReport, TimelineEntry } from './api.js';
import { language, t } from './language.js';

/** The tables of the networks: what operators read in the dialog is read here as well. */
const TABLES: readonly ProblemTable[] = [TELEGRAM_PROBLEMS, BITRIX_PROBLEMS];

/** What the code of an error means, as a sentence; '' where only the network's own words tell. */
export function reasonOf(code: string): string {
  if (Object.hasOwn(t.reasons, code)) return t.reasons[code] ?? '';
  const reason = TABLES.map((table) => (Object.hasOwn(table, code) ? table[code]?.reason : undefined)).find(Boolean);
  const words = reason?.[language.value];
  return words ? `${words.charAt(0).toLocaleUpperCase(language.value)}${words.slice(1)}.` : '';
}

/** Why the service refused something, by the code of its problem; '' where only its own words tell. */
export function refusalOf(code: string, params: Readonly<Record<string, unknown>> = {}): string {
  const words = Object.hasOwn(t.refusals, code) ? t.refusals[code] : undefined;
  return words ? words(params).trim() : '';
}

/** What stands below a step of a registration: where it was done, or why it failed. */
export function explainedStep({ ok, lineId, code, params, detail }: RegistrationReport['steps'][number]): string {
  const where = lineId === undefined ? '' : t.bots.line(lineId);
  if (ok) return where;
  const why = (code && refusalOf(code, params)) || [code ? reasonOf(code) : '', detail].filter(Boolean).join(' ');
  return [where, why].filter(Boolean).join(': ');
}

/** What stands below an entry of a timeline: `code` for those who search, `words` for those who read. */
export function explained({ what, code, params, detail }: TimelineEntry): { code?: string | undefined; words: string } {
  const cause = what === 'received' || what === 'waiting' ? t.story.causes[code ?? ''] : undefined;
  if (cause) return { words: cause(params ?? {}) };
  return { code, words: [code ? reasonOf(code) : '', detail ?? ''].filter(Boolean).join(' ') };
}
