/** Seconds; each is cut into steps that people think in. */
export const RANGES = [
  { name: 'hour', seconds: 3_600, step: 60 },
  { name: 'day', seconds: 86_400, step: 1_800 },
  { name: 'week', seconds: 7 * 86_400, step: 3 * 3_600 },
  { name: 'month', seconds: 30 * 86_400, step: 86_400 },
] as const;

export type RangeName = (typeof RANGES)[number]['name'];

/** Steps begin where a clock on the wall would begin them, so that everyone who looks asks for the same. */
function endOfStep(stepMs: number): number {
  const zone = new Date().getTimezoneOffset() * 60_000;
  return Math.ceil((Date.now() - zone) / stepMs) * stepMs + zone;
}
/** The period of this length up to the end of the step that is under way. */
export function periodOf(range: RangeName) {
  const { seconds, step } = RANGES.find(({ name }) => name === range)!;
  const to = endOfStep(step * 1_000);
  return { from: new Date(to - seconds * 1_000).toISOString(), to: new Date(to).toISOString(), step };
}
