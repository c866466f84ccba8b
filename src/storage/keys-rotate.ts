// npm run keys:rotate: after a new key was put in front of ENCRYPTION_KEY and every replica runs with it, encrypts
// all stored secrets with that key; then the old ones may be taken out. Exit code 1 when a value could not be read.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ConfigModule } from '../config/config.module.js';
import { DatabaseService } from './postgres/database.service.js';
import { EncryptionService } from './secrets/encryption.service.js';
import { rotateKeys } from './key-rotation.js';
import { StorageModule } from './storage.module.js';

@Module({ imports: [ConfigModule, StorageModule] })
class RotationModule {}

const app = await NestFactory.createApplicationContext(RotationModule, { logger: ['warn', 'error'] });
const counts = await rotateKeys(app.get(DatabaseService), app.get(EncryptionService)).finally(() => app.close());
for (const { column, rotated, current, failures } of counts) {
  process.stdout.write(`${column}: ${rotated} encrypted with the newest key, ${current} were already\n`);
  for (const failure of failures) process.stderr.write(`  ${failure}\n`);
}
process.exitCode = counts.some(({ failures }) => failures.length > 0) ? 1 : 0;
