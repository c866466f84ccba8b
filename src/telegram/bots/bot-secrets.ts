import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { encryptionContext, EncryptionService } from '../../storage/secrets/encryption.service.js';
import type { Bot } from '../../storage/prisma/client.js';

/** Encrypts and decrypts the secrets of a bot; each is bound to its bot by Telegram's id. */
@Injectable()
export class BotSecrets {
  constructor(private readonly encryption: EncryptionService) {}

  sealToken(telegramId: bigint, token: string): string {
    return this.encryption.encrypt(token, encryptionContext('bots.token', telegramId));
  }

  openToken({ telegramId, token }: Bot): string {
    return this.encryption.decrypt(token, encryptionContext('bots.token', telegramId));
  }

  sealWebhookSecret(telegramId: bigint, secret = randomBytes(32).toString('base64url')): string {
    return this.encryption.encrypt(secret, encryptionContext('bots.webhook_secret', telegramId));
  }

  /** Null: the webhook has none. */
  openWebhookSecret({ telegramId, webhookSecret }: Bot): string | null {
    return webhookSecret === null
      ? null
      : this.encryption.decrypt(webhookSecret, encryptionContext('bots.webhook_secret', telegramId));
  }
}

/** The last part of the webhook address of a new bot. */
export function newWebhookKey(): string {
  return randomBytes(18).toString('base64url');
}
