import { fieldsOf, scalar } from '../../bitrix/php-values.reader.js';
import type { ButtonKeyboard } from '../../storage/work/keyboard.js';

/**
 * Where the portal names no end. It would take a rating weeks later, too, and open the old session for it again
 * (imopenlines/lib/session.php, `WAIT_VOTE`), which brings an operator back into a dialog that is long over.
 */
const RATED_WITHIN_MS = 24 * 3_600_000;

/**
 * The buttons of a line's question for a rating; null: the message is another one. Its session, and how long the portal
 * takes a rating, stand in the parameters; the values are those that the portal reads from the client's words
 * (github.com/yuliai/bitrix-modules, imopenlines/lib/session.php, sendVote; connector.php, addMessage).
 */
export function ratingQuestion(params: unknown, askedAt: Date): ButtonKeyboard | null {
  const { IMOL_VOTE, IMOL_VOTE_SID, IMOL_FORM, IMOL_DATE_CLOSE_VOTE, IMOL_TIME_LIMIT_VOTE } = fieldsOf(params) ?? {};
  const session = scalar(IMOL_VOTE_SID) || scalar(IMOL_VOTE);
  if (!session || !/^[1-9]\d*$/.test(session) || !scalar(IMOL_VOTE) || scalar(IMOL_FORM) !== 'like') return null;
  const end = endOf(scalar(IMOL_DATE_CLOSE_VOTE), scalar(IMOL_TIME_LIMIT_VOTE), askedAt);
  return {
    type: 'buttons',
    rates: session,
    expiresAt: end.toISOString(),
    rows: [
      [
        { action: 'send', text: '👍', value: '1', style: 'success' },
        { action: 'send', text: '👎', value: '0', style: 'danger' },
      ],
    ],
  };
}

function endOf(date: string | undefined, seconds: string | undefined, askedAt: Date): Date {
  const named = new Date(date ?? '');
  if (!Number.isNaN(named.getTime())) return named;
  const limit = /^\d{1,9}$/.test(seconds ?? '') ? Number(seconds) : 0;
  return new Date(askedAt.getTime() + (limit > 0 ? limit * 1000 : RATED_WITHIN_MS));
}
