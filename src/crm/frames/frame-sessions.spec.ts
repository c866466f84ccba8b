import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { EncryptionService } from '../../storage/secrets/encryption.service.js';
import { FRAME_SESSION_MS, FrameSessions, type FrameSession } from './frame-sessions.js';

const key = randomBytes(32);
const sessions = new FrameSessions(new EncryptionService([key]));
const now = new Date('2026-11-28T09:00:00Z');
const later = (ms: number) => new Date(now.getTime() + ms);
const VIEWER: FrameSession = {
  kind: 'card',
  portalId: 7n,
  installedAt: 1,
  userId: '27',
  accessToken: 'secret-of-the-viewer',
  subject: { entity: { type: 'deal', id: '12' } },
};

it('says who looks at what, for an hour, and no longer than their token is good', () => {
  const text = sessions.begin(VIEWER, 2 * FRAME_SESSION_MS, now);
  expect(sessions.read(text, now)).toEqual(VIEWER);
  expect(sessions.read(text, later(FRAME_SESSION_MS - 1))).toEqual(VIEWER);
  expect(sessions.read(text, later(FRAME_SESSION_MS))).toBe('expired');
  expect(sessions.read(sessions.begin(VIEWER, 60_000, now), later(60_000))).toBe('expired');
});

it('shows nothing of the token, and cannot be made or changed', () => {
  const text = sessions.begin(VIEWER, FRAME_SESSION_MS, now);
  expect(text).not.toContain(VIEWER.accessToken);
  expect(Buffer.from(text.split('.').at(-1)!, 'base64url').toString('latin1')).not.toContain(VIEWER.accessToken);
  const body = text.lastIndexOf('.') + 1;
  const changed = text.slice(0, body) + (text[body] === 'A' ? 'B' : 'A') + text.slice(body + 1);
  const foreign = new FrameSessions(new EncryptionService([randomBytes(32)])).begin(VIEWER, FRAME_SESSION_MS, now);
  const elsewhere = new EncryptionService([key]).encrypt('{}', { table: 'bots', column: 'token', row: '1' });
  for (const wrong of ['', '.', 'v1.a.b.c', changed, foreign, elsewhere]) {
    expect(sessions.read(wrong, now), wrong).toBe('invalid');
  }
});

it('lives on when the encryption key is exchanged', () => {
  const text = sessions.begin(VIEWER, FRAME_SESSION_MS, now);
  const rotated = new FrameSessions(new EncryptionService([randomBytes(32), key]));
  expect(rotated.read(text, now)).toEqual(VIEWER);
});
