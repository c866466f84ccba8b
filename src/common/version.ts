import { readFileSync } from 'node:fs';

/** Version of this program, as package.json and the changelog name it. */
export const VERSION = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
