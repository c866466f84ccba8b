import type { Params } from './php-encoding.js';
import type { LineVote } from './portal-model.js';
import type { Session } from './sessions.js';

/** What the portal says to a rating that comes after VOTE_TIME_LIMIT (imopenlines/lib/im.php, addCloseVoteMessage). */
export const TOO_LATE_TO_RATE = 'Cannot rate this conversation.';

/** Parameters of the question (imopenlines/lib/session.php, 1354-1404); TYPE and COMPONENT_ID do not reach a connector. */
export function questionForRating(
  { id, voteUntil }: Session,
  { like, dislike, question, timeLimit }: LineVote,
): Params {
  return {
    CLASS: 'bx-messenger-content-item-ol-output bx-messenger-content-item-vote',
    TYPE: 'lines',
    COMPONENT_ID: 'bx-imopenlines-message',
    IMOL_VOTE: String(id),
    IMOL_VOTE_SID: String(id),
    IMOL_VOTE_TEXT: question,
    IMOL_VOTE_LIKE: like,
    IMOL_VOTE_DISLIKE: dislike,
    IMOL_DATE_CLOSE_VOTE: voteUntil === null ? '' : new Date(voteUntil).toISOString(),
    IMOL_TIME_LIMIT_VOTE: String(timeLimit),
    IMOL_FORM: 'like',
  };
}

export function thanksFor({ like, dislike }: LineVote, rating: 'like' | 'dislike'): string {
  return rating === 'like' ? like : dislike;
}
