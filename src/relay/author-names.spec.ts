import { expect, it } from 'vitest';
import type { OperatorDirectory } from './operator-directory.js';
import { AuthorNames } from './author-names.js';

const PORTAL = 1n;
const said = { direction: 'outbound' as const, portalId: PORTAL, authorId: '27', authorName: null };

function namesFrom(operator: OperatorDirectory['operator']) {
  return new AuthorNames({ operator, operatorOnLine: () => Promise.reject(new Error('not asked')) });
}

it('fills in the names of operators, asking once for each', async () => {
  const asked: string[] = [];
  const names = namesFrom((portalId, userId) => {
    asked.push(`${portalId}/${userId}`);
    const known = { firstName: 'Samantha', lastName: 'Johnson', position: 'Sales' };
    return Promise.resolve(userId === '27' ? known : null);
  });
  const rows = [
    said,
    said,
    { ...said, authorId: '28' },
    { ...said, authorId: null },
    { ...said, portalId: null },
    { ...said, authorName: 'Anna' },
    { ...said, direction: 'inbound' as const, authorId: '777' },
  ];
  const filled = await names.known(rows);
  expect(filled.map(({ authorName }) => authorName)).toEqual([
    'Samantha Johnson',
    'Samantha Johnson',
    null,
    null,
    null,
    'Anna',
    null,
  ]);
  expect(asked).toEqual(['1/27', '1/28']);
});

it('does not wait for a portal that is slow', async () => {
  const names = namesFrom(() => new Promise(() => undefined));
  expect(await names.known([said])).toEqual([said]);
});
