import { stateReasonInWords } from '../../src/common/state-reasons.js';
import { language } from './language.js';
import { reasonOf } from './reasons.js';

/** Why a bot, a portal or a token is in its state, in the language of the moment; '' where nothing is wrong with it. */
export function stateReasonOf({
  stateCode: code,
  stateSaid: said,
}: {
  stateCode: string | null;
  stateSaid: string | null;
}) {
  const meaning = code === null ? '' : reasonOf(code);
  return [meaning, stateReasonInWords({ code, said }, language.value)].filter(Boolean).join(' ');
}
