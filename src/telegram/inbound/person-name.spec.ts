import { expect, it } from 'vitest';
import { namesOf, personName } from './person-name.js';

it.each([
  [{ first_name: 'Ivan', last_name: 'Petrov', username: 'ivan' }, 'Ivan Petrov'],
  [{ first_name: ' Ivan ', last_name: '' }, 'Ivan'],
  [{ first_name: '\u3164', last_name: '\u115F\u1160', username: 'ivan' }, '@ivan'],
  [{ first_name: '\u2800', last_name: 'Petrov' }, 'Petrov'],
  [{ first_name: '🔥' }, '🔥'],
  [{}, ''],
  [null, ''],
])('%j is called %j', (person, name) => expect(personName(person)).toBe(name));

it('has no names that nobody sees', () => {
  expect(namesOf({ first_name: '\uFFA0', last_name: '\u200B', username: 'x' })).toEqual({
    first: '',
    last: '',
    username: 'x',
  });
});
