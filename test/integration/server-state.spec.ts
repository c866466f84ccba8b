import { Client } from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DatabaseService } from '../../src/storage/postgres/database.service.js';
import { ServerRepository } from '../../src/storage/postgres/server.repository.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let other: Client;
let service: DatabaseService;
let server: ServerRepository;
beforeEach(async () => {
  database = await createTestDatabase();
  other = new Client({ connectionString: database.directUrl, application_name: 'forgotten' });
  await other.connect();
  service = new DatabaseService(database.directUrl, { max: 1 });
  server = new ServerRepository(service);
});
afterEach(async () => {
  await service.onApplicationShutdown();
  await other.end();
  await database.drop();
});

it('a database that takes no writes is not ready, and says why', async () => {
  await server.ping();
  await service.pool.query('SET default_transaction_read_only = on');
  await expect(server.ping()).rejects.toMatchObject({ code: '25006', standby: false });
});

it('a transaction that was left open is found; one that holds nothing back is not', async () => {
  await other.query('BEGIN');
  expect(await server.oldestTransaction()).toBeNull();
  await other.query(`INSERT INTO endpoints (id) VALUES ('a')`);
  const found = await server.oldestTransaction();
  expect(found).toMatchObject({ owner: 'forgotten', idle: true, pid: expect.any(Number) });
  expect(found!.seconds).toBeLessThan(60);
  await other.query('COMMIT');
  expect(await server.oldestTransaction()).toBeNull();
});
