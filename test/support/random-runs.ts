/** `TEST_RUNS=10` makes tests of random inputs try ten times as many of them. */
const TIMES = Number(process.env.TEST_RUNS ?? 1);

/** How many random inputs a test tries that has to be content with `count` where everything is tested. */
export const runs = (count: number): number => Math.ceil(count * TIMES);
