import { type FindingCode, type Format, type Sentence, worded } from '../../src/admin/doctor/findings.js';
import { plural } from '../shared/i18n.js';
import type { Check } from './api.js';
import { bytes, language, shortTime, t } from './language.js';

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
};

/** What a check found and what to do, in the language of the moment; in English where a newer service tells more. */
export function inWords({ code, params, what, advice }: Check): { what: string; advice: string } {
  if (!Object.hasOwn(t.findings, code)) return { what, advice };
  const sentence = t.findings[code as FindingCode] as Sentence<typeof params>;
  return { what: worded(sentence.what, params, FORMAT), advice: worded(sentence.advice, params, FORMAT) };
}
