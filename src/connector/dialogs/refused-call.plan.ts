/**
 * How a request that was refused as a whole is taken apart: it is tried again in halves, and a half that is refused in
 * halves of its own, until what is refused stands alone. Parts are tried one after the other and from front to back,
 * so that what belongs together keeps its order; nothing is tried again that was not part of a refused request.
 *
 * With one culprit among n this takes at most 2 · ⌈log2 n⌉ requests.
 *
 * @param items    what the refused request carried, in order
 * @param requests that may be made at most
 * @yields the next part to try; answer `refused` when it was, as a whole
 * @returns what was not tried any more, in order
 */
export function* partsOf<Item>(
  items: readonly Item[],
  requests: number,
): Generator<readonly Item[], Item[], 'refused' | 'done'> {
  const waiting = halves(items);
  for (let made = 0; made < requests && waiting.length > 0; made++) {
    const part = waiting.shift()!;
    const answer = yield part;
    if (answer === 'refused' && part.length > 1) waiting.unshift(...halves(part));
  }
  return waiting.flat();
}

function halves<Item>(items: readonly Item[]): (readonly Item[])[] {
  const middle = Math.ceil(items.length / 2);
  return [items.slice(0, middle), items.slice(middle)].filter((half) => half.length > 0);
}
