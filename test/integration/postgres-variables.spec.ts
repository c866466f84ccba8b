import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { postgresUrlFrom } from '../../src/config/postgres-variables.js';

/** What node-postgres makes of the URL. */
const readBack = (variables: Record<string, string>) => {
  const { host, port, user, password, database } = new Client(postgresUrlFrom(variables));
  return { host, port, user, password, database };
};

describe('the address of PostgreSQL from libpq variables', () => {
  it.each([
    'plain',
    `every " ' \` \\ / : @ ? # % & + = , ; ! $ { } [ ] ~ ^ character`,
    '%41%zz',
    'пароль 密码 🔑',
    ' spaces around ',
  ])('takes any password: %s', (password) => {
    const variables = { PGHOST: 'postgres', PGPORT: '5433', PGUSER: 'bridge', PGDATABASE: 'bridge' };
    expect(readBack({ ...variables, PGPASSWORD: password })).toEqual({
      host: 'postgres',
      port: 5433,
      user: 'bridge',
      password,
      database: 'bridge',
    });
  });

  it.each(['/var/run/postgresql', '::1', '10.0.0.5', 'db.example.com'])('takes the host %s', (PGHOST) => {
    expect(readBack({ PGHOST, PGUSER: 'a:b@c', PGDATABASE: 'мой bridge' })).toMatchObject({
      host: PGHOST,
      port: 5432,
      user: 'a:b@c',
      database: 'мой bridge',
    });
  });

  it('passes TLS on', () => {
    const url = postgresUrlFrom({ PGHOST: 'db', PGSSLMODE: 'verify-full', PGSSLROOTCERT: '/etc/ssl/my ca.pem' });
    expect(Object.fromEntries(new URL(url!).searchParams)).toEqual({
      sslmode: 'verify-full',
      sslrootcert: '/etc/ssl/my ca.pem',
    });
  });

  it('is unknown without a host', () => {
    expect(postgresUrlFrom({ PGUSER: 'bridge', PGPASSWORD: 'secret' })).toBeUndefined();
  });
});
