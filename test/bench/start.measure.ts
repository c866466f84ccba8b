import { freePort, Program } from '../support/program.js';
import { median, type Figure } from './figure.js';
import { createDatabase, dropDatabase, Stage, type BenchContext } from './stage.js';

const RUNS = 3;

/** P9: from the start of the process to the first 200 of /health/ready. */
export function startTimes(context: BenchContext): Promise<Figure[]> {
  return Stage.use(context, {}, async (stage) => {
    const empty: number[] = [];
    for (let run = 0; run < RUNS; run++) empty.push(await startOnEmpty(context, stage));
    const restarts: number[] = [];
    const starts: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      const begun = performance.now();
      await stage.program.stop();
      const stopped = performance.now();
      stage.program = await Program.start(stage.environment);
      restarts.push(performance.now() - begun);
      starts.push(performance.now() - stopped);
    }
    const figure = (what: string, samples: number[]): Figure => {
      return { id: 'P9', what, unit: 'ms', value: median(samples), count: samples.length };
    };
    return [
      { ...figure('start to ready, existing database', starts), target: { atMost: 1_500 } },
      { ...figure('start to ready, empty database (all migrations)', empty), target: { atMost: 5_000 } },
      figure('restart: SIGTERM to ready again', restarts),
    ];
  });
}

async function startOnEmpty(context: BenchContext, stage: Stage): Promise<number> {
  const database = await createDatabase(context.postgresUrl);
  const port = String(await freePort());
  const begun = performance.now();
  const program = await Program.start({
    ...context.environment,
    PORT: port,
    DATABASE_URL: database,
    ENCRYPTION_KEY: stage.environment.ENCRYPTION_KEY,
  });
  const ms = performance.now() - begun;
  await program.stop();
  await dropDatabase(context.postgresUrl, database);
  return ms;
}
