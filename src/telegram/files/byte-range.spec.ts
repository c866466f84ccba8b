import { expect, it } from 'vitest';
import { readRange } from './byte-range.js';

const whole = { kind: 'whole' };
const outside = { kind: 'unsatisfiable' };
const part = (first: number, last: number) => ({ kind: 'part', first, last });

it.each([
  ['bytes=0-3', 10, part(0, 3)],
  ['bytes=4-', 10, part(4, 9)],
  ['bytes=0-99', 10, part(0, 9)],
  ['bytes=-3', 10, part(7, 9)],
  ['bytes=-99', 10, part(0, 9)],
  ['bytes=20-30', 10, outside],
  ['bytes=10-', 10, outside],
  ['bytes=-0', 10, outside],
  ['bytes=0-', 0, outside],
  ['bytes=9-3', 10, whole],
  ['bytes=0-1,3-4', 10, whole],
  ['bytes=-', 10, whole],
  ['bytes=a-b', 10, whole],
  ['lines=1-2', 10, whole],
  [undefined, 10, whole],
])('%s of %i bytes', (header, size, range) => expect(readRange(header, size)).toEqual(range));
