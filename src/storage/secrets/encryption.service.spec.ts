import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { assert, property, string } from 'fast-check';
import { DecryptionError, EncryptionService, encryptionContext, parseEncryptionKeys } from './encryption.service.js';

const [old, current] = [randomBytes(32), randomBytes(32)];
const keyId = (key: Buffer) => createHash('sha256').update(key).digest('hex').slice(0, 8);
const context = encryptionContext('tokens.access_token', 7n, '42');

describe('encrypting a value', () => {
  it('reads back whatever was written', () => {
    const encryption = new EncryptionService([current]);
    assert(
      property(string({ unit: 'grapheme' }), (text) => {
        expect(encryption.decrypt(encryption.encrypt(text, context), context)).toBe(text);
      }),
    );
  });

  it('has the form v1.<key id>.<nonce>.<ciphertext and tag> and never repeats itself', () => {
    const encryption = new EncryptionService([current, old]);
    const sealed = encryption.encrypt('secret', context);
    expect(sealed).toMatch(new RegExp(`^v1\\.${keyId(current)}\\.[\\w-]{16}\\.[\\w-]+$`));
    expect(Buffer.from(sealed.split('.')[3]!, 'base64url')).toHaveLength('secret'.length + 16);
    expect(encryption.encrypt('secret', context)).not.toBe(sealed);
  });

  it.each([
    ['table', { ...context, table: 'bots' }],
    ['column', { ...context, column: 'refresh_token' }],
    ['row', { ...context, row: '7:43' }],
  ])('cannot be read in another %s', (_, other) => {
    const encryption = new EncryptionService([current]);
    expect(() => encryption.decrypt(encryption.encrypt('secret', context), other)).toThrow(DecryptionError);
  });

  it('cannot be read after any of its characters was changed', () => {
    const encryption = new EncryptionService([current]);
    const sealed = encryption.encrypt('secret', context);
    for (let at = 0; at < sealed.length - 1; at++) {
      const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1);
      expect(() => encryption.decrypt(changed, context), changed).toThrow(DecryptionError);
    }
  });

  it('cannot be read with a shortened tag', () => {
    const encryption = new EncryptionService([current]);
    const [version, id, nonce, body] = encryption.encrypt('', context).split('.');
    const short = Buffer.from(body!, 'base64url').subarray(0, 4).toString('base64url');
    expect(() => encryption.decrypt([version, id, nonce, short].join('.'), context)).toThrow(DecryptionError);
  });
});

describe('several keys', () => {
  it('write with the newest and read with any', () => {
    const before = new EncryptionService([old]).encrypt('secret', context);
    const rotating = new EncryptionService([current, old]);
    expect(rotating.decrypt(before, context)).toBe('secret');
    expect(rotating.needsRotation(before)).toBe(true);
    const after = rotating.encrypt('secret', context);
    expect(rotating.needsRotation(after)).toBe(false);
    expect(new EncryptionService([current]).decrypt(after, context)).toBe('secret');
  });

  it('say which key is missing', () => {
    const sealed = new EncryptionService([old]).encrypt('secret', context);
    expect(() => new EncryptionService([current]).decrypt(sealed, context)).toThrow(
      new RegExp(`tokens\\.access_token of 7:42 .* ${keyId(old)}.*ENCRYPTION_KEY.*${keyId(current)}`),
    );
  });

  it('are read from one variable, newest first', () => {
    const keys = parseEncryptionKeys(` ${current.toString('base64')} , ${old.toString('base64url')},`);
    expect(keys).toEqual([current, old]);
  });

  it.each([[[]], [[randomBytes(31)]], [[current, Buffer.alloc(0)]]])('must be 32 bytes each', (keys) => {
    expect(() => new EncryptionService(keys)).toThrow(/ENCRYPTION_KEY/);
  });
});

it('names a row by all the columns of its key', () => {
  expect(context).toEqual({ table: 'tokens', column: 'access_token', row: '7:42' });
  expect(() => encryptionContext('tokens.access_token', 7n)).toThrow(/portal_id, user_id/);
});

it('compares secrets of any lengths', () => {
  const encryption = new EncryptionService([current]);
  expect(encryption.equal('секрет', 'секрет')).toBe(true);
  expect(encryption.equal('a', 'ab')).toBe(false);
  expect(encryption.equal('', 'a')).toBe(false);
  expect(encryption.hash('abc').toString('hex')).toMatch(/^ba7816bf.*15ad$/);
});
