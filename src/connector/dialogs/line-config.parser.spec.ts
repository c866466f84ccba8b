import { describe, expect, it } from 'vitest';
import { readLineOperators } from './line-config.parser.js';

describe('under which names operators answer', () => {
  it.each([
    ['of the profile', { OPERATOR_DATA: 'profile', QUEUE_USERS_FIELDS: [] }, { data: 'profile', names: {} }],
    ['of nobody', { OPERATOR_DATA: 'hide' }, { data: 'hide', names: {} }],
    [
      'of the queue, of some',
      {
        OPERATOR_DATA: 'queue',
        QUEUE_USERS_FIELDS: { 27: { USER_NAME: ' Anna \n Support ' }, 28: { USER_NAME: null }, 29: null },
      },
      { data: 'queue', names: { 27: 'Anna Support' } },
    ],
  ])('%s', (_what, config, operators) => expect(readLineOperators(config)).toEqual(operators));

  it.each([false, null, undefined, [], {}, 'x', { OPERATOR_DATA: 'other' }, { OPERATOR_DATA: null }])(
    'is not said by %j',
    (config) => expect(readLineOperators(config)).toBeNull(),
  );
});
