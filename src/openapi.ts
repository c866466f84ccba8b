import { readFile, writeFile } from 'node:fs/promises';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { openApi } from './app.docs.js';
import { AppModule } from './app.module.js';
import { createAdapter } from './app.setup.js';
import { readEnvironment } from './config/environment.js';

/**
 * `npm run openapi`: writes docs/openapi.json, what /docs-json answers. With `--check` it only compares, and fails where
 * the file is not what the program says. Needs no database: nothing of the program is started.
 */
const FILE = new URL('../docs/openapi.json', import.meta.url);

const app = await NestFactory.create<NestFastifyApplication>(AppModule, createAdapter(readEnvironment({})), {
  preview: true,
  abortOnError: false,
  logger: ['error'],
});
const written = `${JSON.stringify(openApi(app), null, 2)}\n`;
if (!process.argv.includes('--check')) {
  await writeFile(FILE, written);
} else if ((await readFile(FILE, 'utf8').catch(() => '')) !== written) {
  process.stderr.write('docs/openapi.json is not what the program says. Write it anew: npm run openapi\n');
  process.exitCode = 1;
}
await app.close();
