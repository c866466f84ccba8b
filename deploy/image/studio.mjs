// Prisma Studio on port 5555. It listens on loopback only and cannot be told otherwise, so its port is passed on.
import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { postgresUrlFrom } from '../../dist/config/postgres-variables.js';

const PORT = 5555;
const STUDIO_PORT = 5556;

const cli = fileURLToPath(new URL('build/index.js', import.meta.resolve('prisma/package.json')));
const studio = spawn(process.execPath, [cli, 'studio', '--port', String(STUDIO_PORT), '--browser', 'none'], {
  stdio: 'inherit',
  env: { ...process.env, DATABASE_URL: process.env.DATABASE_URL || postgresUrlFrom(process.env) },
});
studio.once('exit', (code) => process.exit(code ?? 1));
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => studio.kill(signal));

createServer((outside) => {
  const inside = connect(STUDIO_PORT, '127.0.0.1');
  outside.pipe(inside).pipe(outside);
  outside.on('error', () => inside.destroy());
  inside.on('error', () => outside.destroy());
}).listen(PORT);
