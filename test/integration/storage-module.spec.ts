import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Global, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Environment, readEnvironment } from '../../src/config/environment.js';
import { DatabaseService } from '../../src/storage/postgres/database.service.js';
import { EncryptionService, encryptionContext } from '../../src/storage/secrets/encryption.service.js';
import { AdminKey, StorageModule } from '../../src/storage/storage.module.js';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'storage-module-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

describe('an application with nothing but a folder', () => {
  it('makes its keys there and finds them again', async () => {
    const context = encryptionContext('bots.token', 1n);
    const first = await boot();
    const sealed = first.get(EncryptionService).encrypt('123:token', context);
    const key = first.get(AdminKey);
    expect(key.file).toBe(path.join(dataDir, 'admin-api.key'));
    expect(await readFile(key.file!, 'utf8')).toBe(`${key.value}\n`);
    await first.close();

    const second = await boot();
    expect(second.get(EncryptionService).decrypt(sealed, context)).toBe('123:token');
    expect(second.get(AdminKey)).toEqual(key);
    await second.close();
    expect(await readdir(path.join(dataDir, 'postgres', 'cluster'))).not.toContain('postmaster.pid');
  });

  it('keeps its database until every other provider has come to rest', async () => {
    const seen: string[] = [];
    class Worker {
      constructor(private readonly database: DatabaseService) {}
      onModuleDestroy = () => this.work('onModuleDestroy');
      beforeApplicationShutdown = () => this.work('beforeApplicationShutdown');
      onApplicationShutdown = () => this.work('onApplicationShutdown');
      private async work(phase: string): Promise<void> {
        await new Promise((resolve) => setTimeout(resolve, 100));
        await this.database.query('SELECT count(*) FROM messages');
        seen.push(phase);
      }
    }
    const app = await boot([
      { provide: Worker, inject: [DatabaseService], useFactory: (db: DatabaseService) => new Worker(db) },
    ]);
    await app.close();
    expect(seen).toEqual(['onModuleDestroy', 'beforeApplicationShutdown', 'onApplicationShutdown']);
  });
});

function boot(providers: NonNullable<Parameters<typeof Module>[0]['providers']> = []) {
  const environment = readEnvironment({ NODE_ENV: 'test', DATA_DIR: dataDir });
  class ConfigDouble {}
  Global()(ConfigDouble);
  Module({ providers: [{ provide: Environment, useValue: environment }], exports: [Environment] })(ConfigDouble);
  class Application {}
  Module({ imports: [ConfigDouble, StorageModule], providers })(Application);
  return NestFactory.createApplicationContext(Application, { logger: false });
}
