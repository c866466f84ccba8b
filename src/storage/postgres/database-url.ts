import { accessSync, constants } from 'node:fs';
import { Client } from 'pg';
import { DatabaseStartError } from './database-start-error.js';

/** What DATABASE_URL says. */
export interface DatabaseAddress {
  /** Connection strings for node-postgres, to be tried in this order: one, or one with TLS and one without. */
  urls: string[];
  /** Host, port and database, for people; never the password. */
  where: string;
  /** Of Prisma's parameter `schema`; undefined: not given. */
  schema: string | undefined;
}

/** For each `sslmode` those that are tried. https://www.postgresql.org/docs/current/libpq-ssl.html */
const TLS_ATTEMPTS: Readonly<Record<string, string[]>> = {
  disable: ['disable'],
  allow: ['disable', 'require'],
  prefer: ['require', 'disable'],
  require: ['require'],
  // Of node-postgres alone.
  'no-verify': ['require'],
  'verify-ca': ['verify-ca'],
  'verify-full': ['verify-full'],
};

/**
 * Reads DATABASE_URL as libpq would, which is what providers write it for: `sslmode=require` encrypts without looking at
 * the certificate (node-postgres of itself checks it), `verify-ca` and `verify-full` check it against `sslrootcert`. Without
 * `sslmode` there is no TLS. Throws {@link DatabaseStartError} for what it cannot mean.
 */
export function readDatabaseUrl(url: string): DatabaseAddress {
  const [base = '', ...rest] = url.split('?');
  const parameters = new URLSearchParams(rest.join('?'));
  const schema = parameters.get('schema') ?? undefined;
  parameters.delete('schema');
  const urls = tlsAttempts(parameters).map((attempt) => join(base, attempt));
  const { host, port, database } = parse(urls[0]!);
  return { urls, where: `${host}:${port}/${database}`, schema };
}

function tlsAttempts(parameters: URLSearchParams): URLSearchParams[] {
  const mode = parameters.get('sslmode');
  checkFiles(parameters);
  // Of libpq 16: the authorities that the system knows. Those of Node.js are the same in essence.
  if (parameters.get('sslrootcert') === 'system') parameters.delete('sslrootcert');
  if (mode === null) return [parameters];
  const modes = TLS_ATTEMPTS[mode];
  if (!modes)
    throw new DatabaseStartError(
      `DATABASE_URL has sslmode=${mode}, which does not exist. It is one of ${Object.keys(TLS_ATTEMPTS).join(', ')}.`,
    );
  if (mode === 'verify-ca' && !parameters.has('sslrootcert'))
    throw new DatabaseStartError(
      'DATABASE_URL has sslmode=verify-ca, which needs sslrootcert=/path/to/ca.pem, the certificate authority of the provider. For a certificate of a public authority: sslmode=verify-full.',
    );
  return modes.map((each) => {
    const attempt = new URLSearchParams(parameters);
    attempt.set('sslmode', each);
    attempt.set('uselibpqcompat', 'true');
    return attempt;
  });
}

function checkFiles(parameters: URLSearchParams): void {
  for (const name of ['sslrootcert', 'sslcert', 'sslkey']) {
    const file = parameters.get(name);
    if (file === null || (name === 'sslrootcert' && file === 'system')) continue;
    try {
      accessSync(file, constants.R_OK);
    } catch (cause) {
      throw new DatabaseStartError(
        `DATABASE_URL has ${name}=${file}, which cannot be read (${(cause as NodeJS.ErrnoException).code}). It is a path on this machine, or in this container.`,
        { cause },
      );
    }
  }
}

function join(base: string, parameters: URLSearchParams): string {
  const query = parameters.toString();
  return query === '' ? base : `${base}?${query}`;
}

function parse(url: string): Client {
  try {
    return new Client({ connectionString: url });
  } catch (cause) {
    throw new DatabaseStartError(
      'DATABASE_URL cannot be read. It looks like postgresql://user:password@host:5432/database, with special characters of the password percent-encoded.',
      { cause },
    );
  }
}
