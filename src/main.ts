import { setTimeout as pause } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { APP_OPTIONS, configureApp, createAdapter } from './app.setup.js';
import { StartError } from './common/start-error.js';
import { startWaits } from './common/start-wait.js';
import { VERSION } from './common/version.js';
import { refuseUnwritableTemporaryFolder } from './common/temporary-folder.js';
import { EnvironmentError, readEnvironment, type Environment } from './config/environment.js';
import { createLogging, type Logging } from './observability/logging.js';
import { answerProbesWhileWaiting } from './observability/start-probes.js';
import { startReport } from './observability/start-report.js';
import { startTracing, type StopTracing } from './observability/tracing.js';
import { AdminKey } from './storage/storage.module.js';
import { OverviewRepository } from './storage/history/overview.repository.js';

/** How long what is under way may take to end after a signal, in milliseconds. */
const DRAIN_MS = 10_000;

/** The environment, or the end: what is wrong with it is for a person at a terminal, so it is plain text. */
function environmentOrExit(): Environment {
  try {
    // Importing the modules has merged .env into process.env.
    return readEnvironment(process.env);
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

async function start(environment: Environment, logging: Logging): Promise<NestFastifyApplication> {
  await refuseUnwritableTemporaryFolder();
  if (environment.PORT !== 0) answerProbesWhileWaiting(environment.PORT, environment.HOST, logging.pino);
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, createAdapter(), {
    ...APP_OPTIONS,
    logger: logging.nest,
  });
  configureApp(app);
  await app.listen(environment.PORT, environment.HOST);
  const inventory = await app.get(OverviewRepository).inventory();
  const { facts, missing } = startReport(environment, inventory, await app.getUrl(), app.get(AdminKey).file);
  for (const fact of facts) logging.nest.log(fact, 'Start');
  for (const need of missing) logging.nest.warn(`Messages cannot flow yet. ${need}`, 'Start');
  return app;
}

/** The first signal ends what is under way and then the process, with code 0; the second ends the process at once. */
function stopOnSignals(starting: Promise<NestFastifyApplication>, { pino }: Logging, stopTracing: StopTracing): void {
  let stopping = false;
  let waiting = false;
  startWaits.on('wait', () => (waiting = true)).on('over', () => (waiting = false));
  const stop = async (signal: string): Promise<void> => {
    if (stopping) process.exit(1);
    stopping = true;
    pino.info({ context: 'Stop' }, `${signal}: finishing what is under way`);
    // Nothing is under way before there is a database.
    if (waiting) process.exit(0);
    const done = starting
      .then((app) => app.close())
      .then(() => stopTracing().catch((error: unknown) => pino.warn({ err: error }, 'The last spans are lost')))
      .then(() => true);
    const drained = await Promise.race([done, pause(DRAIN_MS, false)]);
    if (!drained) pino.error({ context: 'Stop' }, `Not finished within ${DRAIN_MS} ms; ending anyway`);
    process.exit(drained ? 0 : 1);
  };
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, (name) => void stop(name).catch(dieOf('stop')));

  function dieOf(what: string) {
    return (error: unknown): never => {
      pino.fatal({ err: error, context: 'Stop' }, `The ${what} failed`);
      process.exit(1);
    };
  }
}

const environment = environmentOrExit();
const logging = createLogging(environment.LOG_LEVEL);

for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error: unknown) => {
    logging.pino.fatal({ err: error, context: 'Process' }, `Ending after an ${event}`);
    process.exit(1);
  });
}

logging.pino.info({ context: 'Start' }, `telegram-openlines ${VERSION} starts on Node.js ${process.version}`);

const stopTracing = await startTracing(process.env);
const starting = start(environment, logging);
stopOnSignals(starting, logging, stopTracing);
await starting.catch((error: unknown) => {
  // What is for a person to mend is said whole; anything else with its stack.
  if (error instanceof StartError) logging.pino.fatal({ context: 'Start' }, error.message);
  else logging.pino.fatal({ err: error, context: 'Start' }, 'The start failed');
  process.exit(1);
});
