import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { EncryptionService } from '../../storage/secrets/encryption.service.js';
import { SESSION_MS, SettingsSessions } from './settings-sessions.js';

const key = randomBytes(32);
const sessions = new SettingsSessions(new EncryptionService([key]));
const now = new Date('2026-11-28T09:00:00Z');
const later = (ms: number) => new Date(now.getTime() + ms);
const ADMINISTRATOR = { portalId: 7n, lineId: '3', userId: '1' };

describe('a session of the settings page', () => {
  it('says who opened which line, for an hour', () => {
    const token = sessions.begin(ADMINISTRATOR, now);
    expect(sessions.read(token, now)).toEqual(ADMINISTRATOR);
    expect(sessions.read(token, later(SESSION_MS - 1_000))).toEqual(ADMINISTRATOR);
    expect(sessions.read(token, later(SESSION_MS))).toBe('expired');
  });

  it('cannot be made, changed or prolonged by anybody else', () => {
    const [payload, signature] = sessions.begin(ADMINISTRATOR, now).split('.') as [string, string];
    const other = (words: string) => `${Buffer.from(words).toString('base64url')}.${signature}`;
    const { read } = { read: (token: string) => sessions.read(token, now) };
    for (const token of [
      '',
      '.',
      payload,
      `${payload}.`,
      `.${signature}`,
      `${payload}.${signature}.`,
      `${payload}.${signature.slice(0, -1)}`,
      `${payload}.${signature.slice(0, -1)}${signature.endsWith('A') ? 'B' : 'A'}`,
      other('7.4.1.99999999999'),
      other('8.3.1.99999999999'),
      new SettingsSessions(new EncryptionService([randomBytes(32)])).begin(ADMINISTRATOR, now),
    ]) {
      expect(read(token), token).toBe('invalid');
    }
  });

  it('lives on when the encryption key is exchanged', () => {
    const token = sessions.begin(ADMINISTRATOR, now);
    const rotated = new SettingsSessions(new EncryptionService([randomBytes(32), key]));
    expect(rotated.read(token, now)).toEqual(ADMINISTRATOR);
  });
});
