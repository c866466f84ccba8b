// A program of its own that runs an embedded PostgreSQL in the folder it is given, for tests that kill programs.
// Prints one JSON line once it is ready; on SIGINT works with the database for another moment, as a drain does.
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../../src/storage/postgres/embedded-postgres.js';

const [dataDir] = process.argv.slice(2);
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
const logger = {
  log: (message: string) => say({ log: message }),
  warn: (message: string) => say({ warn: message }),
  error: (message: string) => say({ error: message }),
};

async function run(): Promise<void> {
  const server = await startEmbeddedPostgres({ dataDir: dataDir!, logger });
  const forever = setInterval(() => undefined, 60_000);
  process.once('SIGINT', async () => {
    await sleep(700);
    const client = new Client({ connectionString: server.url });
    await client.connect();
    await client.query('INSERT INTO drained DEFAULT VALUES');
    await client.end();
    await server.stop();
    clearInterval(forever);
    say({ stopped: true });
  });
  say({ ready: server.url });
}

await run().catch((error: Error) => {
  say({ failed: error.message });
  process.exitCode = 1;
});
