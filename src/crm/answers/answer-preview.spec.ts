import { expect, it } from 'vitest';
import { inTurns, previewOf } from './answer-preview.js';

/** As long as they may be, and slow to read: all of them take half a second. */
const LONG = Array.from({ length: 100 }, () => '[b]x[/b]'.repeat(512));

it('the previews of many answers, asked for twice at once, leave room for everything else', async () => {
  let beats = 0;
  const heart = setInterval(() => void beats++, 1);
  const [shown] = await Promise.all([inTurns(LONG, previewOf), inTurns(LONG, previewOf)]);
  clearInterval(heart);
  expect(shown.map(({ text }) => text)).toEqual(LONG.map(() => 'x'.repeat(512)));
  expect(beats).toBeGreaterThan(20);
});
