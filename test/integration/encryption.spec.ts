import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DatabaseService } from '../../src/storage/postgres/database.service.js';
import { EncryptionService, encryptionContext } from '../../src/storage/secrets/encryption.service.js';
import { rotateKeys } from '../../src/storage/key-rotation.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { prismaAt } from '../support/prisma.js';

const [old, current] = [randomBytes(32), randomBytes(32)];
const before = new EncryptionService([old]);
const rotating = new EncryptionService([current, old]);
const after = new EncryptionService([current]);

let testDatabase: TestDatabase;
let database: DatabaseService;
let prisma: ReturnType<typeof prismaAt>;
let portalId: bigint;
beforeEach(async () => {
  testDatabase = await createTestDatabase();
  database = new DatabaseService(testDatabase.url);
  prisma = prismaAt(testDatabase.url);
  const portal = await prisma.portal.create({
    data: {
      memberId: 'member',
      domain: 'acme.bitrix24.com',
      clientEndpoint: 'https://acme.bitrix24.com/rest/',
      oauthOrigin: 'https://oauth.bitrix24.tech',
      clientId: 'local.1',
      connectorId: 'tg_1',
    },
  });
  portalId = portal.id;
  await prisma.application.create({
    data: {
      clientId: 'local.2',
      clientSecret: before.encrypt('client secret', encryptionContext('applications.client_secret', 'local.2')),
      name: 'Acme',
      connectorId: 'tg_2',
    },
  });
  for (const userId of ['1', '2'])
    await prisma.token.create({
      data: {
        portalId,
        userId,
        accessToken: before.encrypt(`access ${userId}`, encryptionContext('tokens.access_token', portalId, userId)),
        refreshToken: before.encrypt(`refresh ${userId}`, encryptionContext('tokens.refresh_token', portalId, userId)),
        expiresAt: new Date(),
      },
    });
  await prisma.bot.create({
    data: { key: 'k', telegramId: 123n, token: before.encrypt('123:token', encryptionContext('bots.token', 123n)) },
  });
});
afterEach(async () => {
  await prisma.$disconnect();
  await database.onApplicationShutdown();
  await testDatabase.drop();
});

describe('rotating the keys', () => {
  it('makes every secret readable with the newest key alone', async () => {
    const counts = await rotateKeys(database, rotating);
    expect(counts.map(({ column, rotated, failures }) => [column, rotated, failures])).toEqual([
      ['applications.client_secret', 1, []],
      ['tokens.access_token', 2, []],
      ['tokens.refresh_token', 2, []],
      ['bots.token', 1, []],
      ['bots.webhook_secret', 0, []],
    ]);
    const [application] = await prisma.application.findMany();
    expect(after.decrypt(application!.clientSecret, encryptionContext('applications.client_secret', 'local.2'))).toBe(
      'client secret',
    );
    const tokens = await prisma.token.findMany({ orderBy: { userId: 'asc' } });
    expect(
      tokens.map(({ userId, refreshToken }) =>
        after.decrypt(refreshToken, encryptionContext('tokens.refresh_token', portalId, userId)),
      ),
    ).toEqual(['refresh 1', 'refresh 2']);
    const [bot] = await prisma.bot.findMany();
    expect(after.decrypt(bot!.token, encryptionContext('bots.token', 123n))).toBe('123:token');
    expect(bot!.webhookSecret).toBeNull();
  });

  it('finds nothing to do the second time', async () => {
    await rotateKeys(database, rotating);
    const counts = await rotateKeys(database, rotating);
    expect(counts.reduce((sum, { rotated }) => sum + rotated, 0)).toBe(0);
    expect(counts.reduce((sum, { current }) => sum + current, 0)).toBe(6);
  });

  it('waits for a refresh under way and keeps what it wrote', async () => {
    const context = encryptionContext('tokens.refresh_token', portalId, '1');
    let rotation: Promise<unknown> | undefined;
    await database.transaction(async (connection) => {
      await connection.query(`SELECT 1 FROM tokens WHERE user_id = '1' FOR UPDATE`);
      rotation = rotateKeys(database, rotating);
      await new Promise((resolve) => setTimeout(resolve, 200));
      await connection.query(`UPDATE tokens SET refresh_token = $1 WHERE user_id = '1'`, [
        before.encrypt('refreshed meanwhile', context),
      ]);
    });
    await rotation;
    const { rows } = await database.query<{ refresh_token: string }>(
      `SELECT refresh_token FROM tokens WHERE user_id = '1'`,
    );
    expect(after.decrypt(rows[0]!.refresh_token, context)).toBe('refreshed meanwhile');
  });

  it('leaves what it cannot read as it is, says where, and goes on', async () => {
    await database.query(
      `UPDATE tokens SET access_token = (SELECT access_token FROM tokens WHERE user_id = '2') WHERE user_id = '1'`,
    );
    const counts = await rotateKeys(database, rotating);
    const access = counts.find(({ column }) => column === 'tokens.access_token')!;
    expect(access.rotated).toBe(1);
    expect(access.failures).toEqual([expect.stringMatching(/tokens\.access_token of \d+:1 .*another row/)]);
  });

  it('is a command', async () => {
    // Of the built program, as administrators run it.
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const { scripts } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { scripts: Record<string, string> };
    const [, ...command] = scripts['keys:rotate']!.split(' ');
    const run = async (keys: Buffer[]) => {
      const child = spawn(process.execPath, command, {
        cwd: root,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...process.env,
          NODE_ENV: 'test',
          DATABASE_URL: testDatabase.url,
          ENCRYPTION_KEY: keys.map((key) => key.toString('base64')).join(','),
          ADMIN_API_KEY: 'x',
        },
      });
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (output += String(chunk)));
      const [code] = (await once(child, 'close')) as [number];
      return { code, output };
    };
    const lost = await run([current]);
    expect(lost.code).toBe(1);
    expect(lost.output).toMatch(/ENCRYPTION_KEY does not contain/);
    const rotated = await run([current, old]);
    expect(rotated.output).toMatch(/tokens\.access_token: 2 encrypted with the newest key, 0 were already/);
    expect(rotated.code).toBe(0);
  });
});
