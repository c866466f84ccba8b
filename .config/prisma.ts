import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'prisma/config';

if (existsSync('.env')) process.loadEnvFile('.env');

/** Of the embedded PostgreSQL, which is there while the program runs; else ''. */
function embeddedUrl(): string {
  const folder = process.env.DATA_DIR || '.data';
  const [password, port] = [join(folder, 'postgres.password'), join(folder, 'postgres', 'port')];
  if (!existsSync(password) || !existsSync(port)) return '';
  const read = (file: string) => readFileSync(file, 'utf8').trim();
  return `postgresql://postgres:${read(password)}@127.0.0.1:${read(port)}/postgres`;
}

/** For the Prisma CLI only (`npx prisma studio`, `npx prisma migrate deploy`); the program applies migrations itself. */
export default defineConfig({
  schema: '../prisma/schema.prisma',
  migrations: { path: '../prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL || embeddedUrl() },
});
