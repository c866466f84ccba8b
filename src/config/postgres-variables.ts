/**
 * The URL for the variables that PostgreSQL's own programs read (https://www.postgresql.org/docs/current/libpq-envars.html):
 * PGHOST (a name, an address, or the folder of a socket), PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE, PGSSLROOTCERT.
 * Values are taken as they are, so a password may hold any character. undefined without PGHOST.
 */
export function postgresUrlFrom(variables: Record<string, unknown>): string | undefined {
  const part = (name: string): string => {
    const value = variables[name];
    return typeof value === 'string' ? encodeURIComponent(value) : '';
  };
  const host = part('PGHOST');
  if (host === '') return undefined;
  const [user, password, port, database] = ['PGUSER', 'PGPASSWORD', 'PGPORT', 'PGDATABASE'].map(part);
  const account = user && `${user}${password && `:${password}`}@`;
  const tls = ['sslmode', 'sslrootcert']
    .map((name) => [name, part(`PG${name.toUpperCase()}`)])
    .filter(([, value]) => value)
    .map((pair) => pair.join('='))
    .join('&');
  return `postgresql://${account}${host}${port && `:${port}`}/${database}${tls && `?${tls}`}`;
}
