import { setTimeout as pause } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { APP_OPTIONS, configureApp, createAdapter } from './app.setup.js';
import { shutDown } from './app.shutdown.js';
import { StartError } from './common/start-error.js';
import { VERSION } from './common/version.js';
import { refuseUnwritableTemporaryFolder } from './common/temporary-folder.js';
import { EnvironmentError, readEnvironment, type Environment } from './config/environment.js';
import { createLogging, type Logging } from './observability/logging.js';
import { answerProbesWhileWaiting } from './observability/start-probes.js';
import { startReport } from './observability/start-report.js';
import { startTracing, type StopTracing } from './observability/tracing.js';
import { AdminKey } from './storage/storage.module.js';
import { OverviewRepository } from './storage/history/overview.repository.js';

/** How long what is under way may take to end after a signal, and after requests are no longer taken; milliseconds. */
const DRAIN_MS = { afterSignal: 10_000, afterRequests: 8_000 };

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

/** Resolves when it listens; `onOpen` is told right before, when the database is open and nothing has been taken in yet. */
async function start(environment: Environment, logging: Logging, onOpen: () => void): Promise<NestFastifyApplication> {
  await refuseUnwritableTemporaryFolder();
  if (environment.PORT !== 0) answerProbesWhileWaiting(environment.PORT, environment.HOST, logging.pino);
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, createAdapter(environment), {
    ...APP_OPTIONS,
    logger: logging.nest,
  });
  configureApp(app);
  onOpen();
  await app.listen(environment.PORT, environment.HOST);
  return app;
}

async function report(app: NestFastifyApplication, environment: Environment, logging: Logging): Promise<void> {
  const inventory = await app.get(OverviewRepository).inventory();
  const { facts, missing } = startReport(environment, inventory, await app.getUrl(), app.get(AdminKey).file);
  for (const fact of facts) logging.nest.log(fact, 'Start');
  for (const need of missing) logging.nest.warn(`Messages cannot flow yet. ${need}`, 'Start');
}

/**
 * The first signal ends what is under way and then the process, with code 0; the second ends the process at once. Answers
 * whether there was one.
 */
function stopOnSignals(
  starting: Promise<NestFastifyApplication>,
  isOpen: () => boolean,
  { shutdownDelayMs, DATABASE_URL }: Environment,
  { pino }: Logging,
  stopTracing: StopTracing,
): () => boolean {
  let stopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (stopping) process.exit(1);
    stopping = true;
    pino.info({ context: 'Stop' }, `${signal}: finishing what is under way`);
    // Nothing is under way yet, and who knows for how long PostgreSQL is waited for. One of our own is stopped in order.
    if (!isOpen() && DATABASE_URL) process.exit(0);
    const done = starting
      .then((app) => shutDown(app, shutdownDelayMs))
      .then(() => stopTracing().catch((error: unknown) => pino.warn({ err: error }, 'The last spans are lost')))
      .then(() => true);
    const limitMs = Math.max(DRAIN_MS.afterSignal, shutdownDelayMs + DRAIN_MS.afterRequests);
    const drained = await Promise.race([done, pause(limitMs, false)]);
    if (!drained) pino.error({ context: 'Stop' }, `Not finished within ${limitMs} ms; ending anyway`);
    process.exit(drained ? 0 : 1);
  };
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, (name) => void stop(name).catch(dieOf('stop')));
  return () => stopping;

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
let open = false;
const starting = start(environment, logging, () => (open = true));
const isStopping = stopOnSignals(starting, () => open, environment, logging, stopTracing);
await starting
  .then((app) => report(app, environment, logging))
  .catch((error: unknown) => {
    // Its database may be closed by now.
    if (isStopping()) return;
    // What is for a person to mend is said whole; anything else with its stack.
    if (error instanceof StartError) logging.pino.fatal({ context: 'Start' }, error.message);
    else logging.pino.fatal({ err: error, context: 'Start' }, 'The start failed');
    process.exit(1);
  });
