import { expect, it } from 'vitest';
import { keptName } from './upload.js';

it('a long name is cut before its ending, to what the service keeps', () => {
  expect(keptName('price.pdf')).toBe('price.pdf');
  const long = keptName(`${'ж'.repeat(150)}.pdf`);
  expect([long.length, long.endsWith('ж….pdf')]).toEqual([100, true]);
  expect([...keptName('😀'.repeat(150))]).toHaveLength(100);
  expect(keptName('x'.repeat(101))).toBe(`${'x'.repeat(99)}…`);
});
