import { describe, expect, it } from 'vitest';
import { Problem } from './problem.js';
import { decodeCursor, encodeCursor, pageOf } from './cursor.js';

describe('cursor', () => {
  it('comes back as the id it was made of, beyond what a double can hold', () => {
    expect(decodeCursor(encodeCursor(900_719_925_474_099_301n))).toBe(900_719_925_474_099_301n);
    expect(decodeCursor(undefined)).toBeUndefined();
  });

  it.each(['5', '', 'NQ==', '%00', 'LTU', encodeCursor(5n).slice(0, -1), 'x'.repeat(5_000)])('refuses %j', (cursor) => {
    expect(() => decodeCursor(cursor)).toThrow(Problem);
  });
});

describe('pageOf', () => {
  const rows = [5n, 4n, 3n].map((id) => ({ id }));

  it('ends with the cursor of its last item while there is more', () => {
    const page = pageOf(rows, 2, ({ id }) => id);
    expect(page.items).toEqual([5n, 4n]);
    expect(decodeCursor(page.nextCursor ?? undefined)).toBe(4n);
  });

  it('ends without one on the last page, full or not', () => {
    expect(pageOf(rows, 3, ({ id }) => id).nextCursor).toBeNull();
    expect(pageOf([], 3, ({ id }) => id)).toEqual({ items: [], nextCursor: null });
  });
});
