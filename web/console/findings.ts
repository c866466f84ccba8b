import { type FindingCode, type Format, type Sentence, worded } from '../../src/admin/doctor/findings.js';
import { plural } from '../shared/i18n.js';
import type { Check } from './api.js';
import { bytes, language, shortTime, t } from './language.js';
import { reasonOf } from './reasons.js';

const SPANS = [
  ['days', 86_400],
  ['hours', 3_600],
  ['minutes', 60],
] as const;

const FORMAT: Format = {
  count: (count, forms) => plural(language.value, count, forms),
  time: shortTime,
  span: (seconds) => {
    const [unit, length] = SPANS.find(([, each]) => seconds >= 2 * each) ?? (['seconds', 1] as const);
    return plural(language.value, Math.round(seconds / length), t.doctor.spans[unit]);
  },
  size: bytes,
  reason: reasonOf,
};

/** What a check found and what to do, in the language of the moment; in English where a newer service tells more. */
export function inWords({ code, params, what, advice }: Check): { what: string; advice: string } {
  if (!Object.hasOwn(t.findings, code)) return { what, advice };
  const sentence = t.findings[code as FindingCode] as Sentence<typeof params>;
  return { what: worded(sentence.what, params, FORMAT), advice: worded(sentence.advice, params, FORMAT) };
}

/** Where something can be done about a check: a route, and what the link says. */
export interface Place {
  to: { name: string; params?: Record<string, string>; query?: Record<string, string> };
  label: string;
}

/** null: it is put right outside the console. */
export function placeOf({ id, code, params }: Check): Place | null {
  const { places } = t.doctor;
  const [, thing, number] = /^(portal|bot):(\d+)/.exec(id) ?? [];
  if (thing === 'portal' && number) return { to: { name: 'portal', params: { id: number } }, label: places.portal };
  if (thing === 'bot') {
    const query: Record<string, string> = { tab: 'bots' };
    if (typeof params.bot === 'string' && params.bot.startsWith('@')) query.q = params.bot;
    return { to: { name: 'connections', query }, label: places.bot };
  }
  const [subject] = code.split('.');
  if (subject === 'queue') return { to: { name: 'messages', query: { state: 'queued' } }, label: places.messages };
  if (subject === 'attention') return { to: { name: 'attention' }, label: places.attention };
  if (subject === 'bots') return { to: { name: 'connections', query: { tab: 'bots' } }, label: places.connections };
  if (subject === 'portals' || subject === 'application') {
    return { to: { name: 'connections', query: { tab: 'applications' } }, label: places.connections };
  }
  return null;
}
