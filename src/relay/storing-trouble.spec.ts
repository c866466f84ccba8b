import { describe, expect, it } from 'vitest';
import { describeStorageFailure } from '../common/storage-failure.js';
import { StoringTroubles } from './storing-trouble.js';

const failure = (code: string, message = 'could not extend file') => Object.assign(new Error(message), { code });

describe('whether anything can be stored', () => {
  it('is known after tries in vain, and over with the first that succeeds', () => {
    const troubles = new StoringTroubles();
    troubles.failed(failure('53100'), 10_000);
    expect(troubles.at(10_000)).toBeNull();
    troubles.failed(failure('53100'), 12_000);
    expect(troubles.at(12_000)).toEqual({ since: new Date(10_000), said: '53100: could not extend file' });
    troubles.stored();
    expect(troubles.at(12_000)).toBeNull();
  });

  it.each(['22P05', '23505'])('says nothing because of one message that cannot be (%s)', (code) => {
    const troubles = new StoringTroubles();
    for (const now of [0, 5_000]) troubles.failed(failure(code), now);
    expect(troubles.at(5_000)).toBeNull();
  });

  it('says nothing because of a fault of ours, and nothing once nobody has tried for a minute', () => {
    const troubles = new StoringTroubles();
    for (const now of [0, 5_000]) troubles.failed(new TypeError('x is not a function'), now);
    expect(troubles.at(5_000)).toBeNull();
    for (const now of [0, 5_000]) troubles.failed(failure('42501', 'permission denied for table messages'), now);
    expect(troubles.at(65_000)).not.toBeNull();
    expect(troubles.at(65_001)).toBeNull();
    troubles.failed(failure('42501'), 80_000);
    expect(troubles.at(80_000)).toBeNull();
  });
});

it('what PostgreSQL said is told without what people wrote', () => {
  expect(describeStorageFailure(failure('42P01', 'relation "messages" does not exist'))).toBe(
    '42P01: relation "messages" does not exist',
  );
  expect(describeStorageFailure(failure('22P02', 'invalid input syntax for type bigint: "my secret words"'))).toBe(
    '22P02: invalid input syntax for type bigint: "…"',
  );
  expect(describeStorageFailure(failure('ECONNREFUSED', 'connect ECONNREFUSED 10.0.0.1:5432'))).toBe(
    'connect ECONNREFUSED 10.0.0.1:5432',
  );
});
