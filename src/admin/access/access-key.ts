import { createHash, randomBytes } from 'node:crypto';

/** What a key starts with: whoever finds one in a file or a log knows what it is (and `redact` does). */
const PREFIX = 'tol_';
const KEY = /^tol_[A-Za-z0-9_-]{43}$/;

/** A new key of 256 random bits. It is shown once: only `hash` and `hint` are kept. */
export function newAccessKey(): { key: string; hash: Buffer<ArrayBuffer>; hint: string } {
  const key = PREFIX + randomBytes(32).toString('base64url');
  return { key, hash: hashOf(key), hint: key.slice(-4) };
}

/** Whether the text can be a key at all: what cannot is not looked up. */
export function isAccessKey(text: string): boolean {
  return KEY.test(text);
}

/** SHA-256. Hashes have one length, so that comparing them tells nothing about the key's. */
export function hashOf(key: string): Buffer<ArrayBuffer> {
  return createHash('sha256').update(key).digest();
}
