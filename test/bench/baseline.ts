// The simplest server that keeps updates: one committed row for each request, nothing else. Prints its address.
//   node --import tsx test/bench/baseline.ts <connection string>
import Fastify from 'fastify';
import { Pool } from 'pg';

/** As many connections as the program has. */
const CONNECTIONS = 12;

async function serve(connectionString: string): Promise<void> {
  const pool = new Pool({ connectionString, max: CONNECTIONS });
  await pool.query(`CREATE TABLE IF NOT EXISTS updates (update_id bigint PRIMARY KEY, body jsonb NOT NULL)`);
  const server = Fastify();
  server.post<{ Body: { update_id: number } }>('/tg/webhook', async ({ body }, reply) => {
    await pool.query(`INSERT INTO updates (update_id, body) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [
      body.update_id,
      JSON.stringify(body),
    ]);
    return reply.code(200).send();
  });
  process.stdout.write(`${await server.listen({ host: '127.0.0.1', port: 0 })}\n`);
}

await serve(process.argv[2]!);
