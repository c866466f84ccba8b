import type { Check } from './doctor.dto.js';
import { type FindingCode, type Findings, type Format, type Sentence, worded } from './findings.js';
import { en } from './words.en.js';

const GIBIBYTE = 1024 ** 3;
const SPANS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const;

/** How the API writes what stands in its English sentences; times are in UTC. */
export const ENGLISH: Format = {
  count: (count, forms) => {
    const [one = '', many = one] = forms.split('|');
    return (count === 1 ? one : many).replace('#', String(count));
  },
  time: (moment) => `${moment.slice(0, 16).replace('T', ' ')} UTC`,
  span: (seconds) => {
    const [unit, length] = SPANS.find(([, each]) => seconds >= 2 * each) ?? (['second', 1] as const);
    return ENGLISH.count(Math.round(seconds / length), `# ${unit}|# ${unit}s`);
  },
  size: (bytes) => `${(bytes / GIBIBYTE).toFixed(1)} GiB`,
  reason: () => '',
};

/** A check with this outcome; its code says whether anything is wrong. */
export function finding<Code extends FindingCode>(id: string, code: Code, params: Findings[Code]): Check {
  const { what, advice, call }: Sentence<Findings[Code]> = en[code];
  const told = worded(advice, params, ENGLISH);
  const instead = worded(call, params, ENGLISH);
  return {
    id,
    ok: advice === undefined,
    code,
    params: params as Record<string, unknown>,
    what: worded(what, params, ENGLISH),
    advice: instead ? `${told} Without the console: ${instead}.` : told,
  };
}
