import { expect, it } from 'vitest';
import { ratingQuestion } from './rating-question.js';

const ASKED = new Date('2026-11-29T10:00:00Z');
const params = {
  IMOL_VOTE: '343',
  IMOL_VOTE_SID: '343',
  IMOL_FORM: 'like',
  IMOL_TIME_LIMIT_VOTE: '0',
  IMOL_DATE_CLOSE_VOTE: '',
};

it('is two buttons whose values are what the portal reads, for the session that they rate', () => {
  const keyboard = ratingQuestion(params, ASKED)!;
  expect(keyboard).toMatchObject({ rates: '343' });
  expect(keyboard.rows.flat()).toMatchObject([
    { text: '👍', value: '1' },
    { text: '👎', value: '0' },
  ]);
});

it.each([
  [{ IMOL_DATE_CLOSE_VOTE: '2026-11-29T12:00:00+03:00', IMOL_TIME_LIMIT_VOTE: '3600' }, '2026-11-29T09:00:00.000Z'],
  [{ IMOL_TIME_LIMIT_VOTE: '3600' }, '2026-11-29T11:00:00.000Z'],
  [{}, '2026-11-30T10:00:00.000Z'],
  [{ IMOL_DATE_CLOSE_VOTE: 'soon' }, '2026-11-30T10:00:00.000Z'],
  [{ IMOL_TIME_LIMIT_VOTE: '1e99' }, '2026-11-30T10:00:00.000Z'],
])('ends when the portal says: %j', (limit, expiresAt) => {
  expect(ratingQuestion({ ...params, ...limit }, ASKED)!.expiresAt).toBe(expiresAt);
});

it.each([
  { ...params, IMOL_FORM: 'welcome' },
  { ...params, IMOL_VOTE: '' },
  { ...params, IMOL_VOTE_SID: 'x' },
  { IMOL_VOTE_SID: '343', IMOL_VOTE_USER: '1' },
  [],
  null,
  'like',
])('is none of %j', (other) => {
  expect(ratingQuestion(other, ASKED)).toBeNull();
});
