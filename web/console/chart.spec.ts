import { expect, it } from 'vitest';
import { axisOf, linePath } from './chart.js';

it.each([
  [
    [null, 3, 7],
    [0, 2, 4, 6, 8],
  ],
  [[100], [0, 50, 100]],
  [
    [0, 0],
    [0, 1, 2, 3, 4],
  ],
  [[], [0, 1, 2, 3, 4]],
  [[1], [0, 0.5, 1]],
])('the lines for %j are %j', (values, lines) => {
  expect(axisOf(values)).toEqual(lines);
});

it('counts things in whole steps', () => {
  expect(axisOf([1], { whole: true })).toEqual([0, 1]);
});

it('has a line at or above every value, and never more than six', () => {
  for (let most = 0.001; most < 1e9; most *= 1.37) {
    const lines = axisOf([most]);
    expect(lines.at(-1)).toBeGreaterThanOrEqual(most);
    expect(lines.length).toBeLessThan(7);
  }
});

it('breaks a path where nothing is known', () => {
  const same = (value: number) => value;
  expect(linePath([1, 2, null, 3, null], same, same)).toBe('M0.0 1.0L1.0 2.0M3.0 3.0h0.01');
});
