/** The values at the lines of a chart, from 0 to the top one, which no value exceeds. */
export function axisOf(values: readonly (number | null)[], { whole = false } = {}): number[] {
  const most = Math.max(0, ...values.map((value) => value ?? 0)) || 4;
  // About four steps of 1, 2 or 5 times a power of ten.
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const round = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!;
  const step = whole ? Math.max(1, round) : round;
  return Array.from({ length: Math.max(1, Math.ceil(most / step)) + 1 }, (_, line) => line * step);
}

/** An SVG path through the values. It is broken where nothing is known; a moment alone is a dot. */
export function linePath(
  values: readonly (number | null)[],
  x: (index: number) => number,
  y: (value: number) => number,
): string {
  return values
    .map((value, index) => {
      if (value === null) return '';
      const begins = values[index - 1] == null;
      const alone = begins && values[index + 1] == null;
      return `${begins ? 'M' : 'L'}${x(index).toFixed(1)} ${y(value).toFixed(1)}${alone ? 'h0.01' : ''}`;
    })
    .join('');
}
