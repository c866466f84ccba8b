import { Logger, type ExecutionContext } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Problem } from '../../common/problem.js';
import type { AccessKeysRepository, KeyHolder } from '../../storage/accounts/access-keys.repository.js';
import { AdminKey } from '../../storage/storage.module.js';
import { hashOf, isAccessKey, newAccessKey } from './access-key.js';
import { AdminGuard } from './admin.guard.js';
import { callerOf, Requires } from './caller.js';

/** However long the test takes, no budget fills up meanwhile. */
function stopTheClock(): void {
  vi.spyOn(performance, 'now').mockReturnValue(performance.now());
}

/** The table as a list of keys in force. */
class Keys {
  readonly looked: string[] = [];
  readonly used: bigint[] = [];
  statements = 0;
  away = false;

  constructor(private readonly held: Record<string, KeyHolder> = {}) {}

  async holders(hashes: Buffer[]): Promise<Map<string, KeyHolder>> {
    this.statements += 1;
    if (this.away) throw new Error('connect ECONNREFUSED');
    const sought = hashes.map((hash) => hash.toString('hex'));
    this.looked.push(...sought);
    const held = Object.entries(this.held).map(([key, holder]) => [hashOf(key).toString('hex'), holder] as const);
    return new Map(held.filter(([hash]) => sought.includes(hash)));
  }

  async recordUse(id: bigint): Promise<void> {
    this.used.push(id);
    throw new Error('The disk is full');
  }
}

class Routes {
  look() {}

  @Requires('operator')
  act() {}

  @Requires('owner', { everyPortal: true })
  rule() {}
}

interface Call {
  ip?: string;
  /** Who is connected, where that is a proxy. */
  peer?: string;
  method?: string;
  handler?: keyof Routes;
}

async function call(guard: AdminGuard, authorization: string | undefined, of: Call = {}) {
  const { ip = '10.0.0.1', peer = ip, method = 'GET', handler = 'look' } = of;
  const headers: Record<string, string> = {};
  const reply = { header: (name: string, value: string) => (headers[name] = value) };
  const request = { method, ip, socket: { remoteAddress: peer }, headers: { authorization } };
  const http = { getRequest: () => request, getResponse: () => reply };
  const context = { switchToHttp: () => http, getHandler: () => Routes.prototype[handler], getClass: () => Routes };
  try {
    const let_ = await guard.canActivate(context as unknown as ExecutionContext);
    return { let: let_, headers, caller: callerOf(request as never) };
  } catch (error) {
    return { problem: error as Problem, status: (error as Problem).getStatus?.(), headers };
  }
}

const guardOver = (keys = new Keys()) =>
  new AdminGuard(new AdminKey('the-key'), keys as unknown as AccessKeysRepository);

describe('AdminGuard', () => {
  afterEach(() => vi.restoreAllMocks());

  it('lets the root key in, whatever the case of the scheme, without asking the database', async () => {
    const keys = new Keys();
    keys.away = true;
    for (const scheme of ['Bearer', 'bearer']) {
      expect((await call(guardOver(keys), `${scheme} the-key`, { handler: 'rule' })).caller).toEqual({
        name: 'admin',
        role: 'owner',
        portalId: null,
      });
    }
  });

  it.each([
    undefined,
    '',
    'the-key',
    'Basic the-key',
    'Bearer',
    'Bearer ',
    'Bearer the-ke',
    'Bearer the-key2',
    'Bearer the-key x',
    `Bearer ${newAccessKey().key}`,
  ])('refuses %j with 401 and says how to log in', async (authorization) => {
    const { status, headers } = await call(guardOver(), authorization);
    expect(status).toBe(401);
    expect(headers['www-authenticate']).toContain('Bearer');
  });

  it('looks up only what can be a key, and only by its hash', async () => {
    const keys = new Keys();
    const guard = guardOver(keys);
    const { key, hash } = newAccessKey();
    for (const wrong of ['tol_', 'tol_short', `${key}x`, `x${key}`, key.slice(4), "tol_' OR true --"]) {
      expect((await call(guard, `Bearer ${wrong}`)).status).toBe(401);
    }
    expect(keys.looked).toEqual([]);
    await call(guard, `Bearer ${key}`);
    expect(keys.looked).toEqual([hash.toString('hex')]);
  });

  it('knows the holder of a stored key, and holds them to its role and its portal', async () => {
    const { key } = newAccessKey();
    const holder: KeyHolder = { id: 7n, name: 'Anna', role: 'operator', portalId: 3n, useIsNews: false };
    const guard = guardOver(new Keys({ [key]: holder }));
    const auth = `Bearer ${key}`;
    expect((await call(guard, auth)).caller).toEqual({ keyId: 7n, name: 'Anna', role: 'operator', portalId: 3n });
    expect((await call(guard, auth, { method: 'POST', handler: 'act' })).let).toBe(true);
    expect((await call(guard, auth, { method: 'POST', handler: 'look' })).problem?.code).toBe('role_too_low');
    expect((await call(guard, auth, { handler: 'rule' })).problem?.code).toBe('role_too_low');
    holder.role = 'owner';
    expect((await call(guard, auth, { handler: 'rule' })).problem?.code).toBe('limited_to_portal');
    holder.portalId = null;
    expect((await call(guard, auth, { handler: 'rule' })).let).toBe(true);
  });

  it('records a use that is news, and lets in whoever it cannot record', async () => {
    const { key } = newAccessKey();
    const holder: KeyHolder = { id: 7n, name: 'Anna', role: 'owner', portalId: null, useIsNews: true };
    const keys = new Keys({ [key]: holder });
    const guard = guardOver(keys);
    const logged = vi.spyOn(Logger.prototype, 'debug').mockImplementation(() => undefined);
    expect((await call(guard, `Bearer ${key}`)).let).toBe(true);
    await vi.waitFor(() => expect(logged).toHaveBeenCalledOnce());
    holder.useIsNews = false;
    expect((await call(guard, `Bearer ${key}`)).let).toBe(true);
    expect(keys.used).toEqual([7n]);
  });

  it('does not take a database that is away for a wrong key', async () => {
    const keys = new Keys();
    keys.away = true;
    const guard = guardOver(keys);
    for (let n = 0; n < 30; n++) {
      expect((await call(guard, `Bearer ${newAccessKey().key}`)).problem?.message).toContain('ECONNREFUSED');
    }
    expect((await call(guard, 'Bearer the-key')).let).toBe(true);
  });

  it('refuses wrong keys from an address that guesses, only from it, and never the right one', async () => {
    const { key } = newAccessKey();
    const holder: KeyHolder = { id: 7n, name: 'Anna', role: 'owner', portalId: null, useIsNews: false };
    const one = guardOver(new Keys({ [key]: holder }));
    for (let guess = 0; guess < 20; guess++) expect((await call(one, `Bearer ${guess}`)).status).toBe(401);
    const refused = await call(one, 'Bearer one-more');
    expect(refused.status).toBe(429);
    expect(refused.problem?.extra.retryAfter).toBe(1);
    expect((await call(one, 'Bearer the-key')).let).toBe(true);
    expect((await call(one, `Bearer ${key}`)).let).toBe(true);
    expect((await call(one, 'Bearer one-more', { ip: '10.0.0.2' })).status).toBe(401);
  });

  it('refuses wrong keys behind addresses that are made up', async () => {
    stopTheClock();
    const one = guardOver();
    const guess = (n: number) => call(one, `Bearer ${n}`, { ip: `203.0.113.${n}`, peer: '10.0.0.1' });
    const statuses = await Promise.all(Array.from({ length: 250 }, (_, n) => guess(n)));
    expect(statuses.filter(({ status }) => status === 429)).toHaveLength(50);
    expect((await call(one, 'Bearer the-key', { ip: '203.0.113.1', peer: '10.0.0.1' })).let).toBe(true);
  });

  it('looks up keys that come together in few statements', async () => {
    const { key } = newAccessKey();
    const holder: KeyHolder = { id: 7n, name: 'Anna', role: 'owner', portalId: null, useIsNews: false };
    const keys = new Keys({ [key]: holder });
    const one = guardOver(keys);
    const guesses = Array.from({ length: 400 }, () => call(one, `Bearer ${newAccessKey().key}`));
    expect((await call(one, `Bearer ${key}`)).let).toBe(true);
    await Promise.all(guesses);
    expect(keys.statements).toBe(2);
  });

  it('counts guesses that come together as well', async () => {
    stopTheClock();
    const one = guardOver();
    const guesses = Array.from({ length: 60 }, () => call(one, `Bearer ${newAccessKey().key}`));
    const statuses = (await Promise.all(guesses)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(20);
    expect(statuses.filter((status) => status === 429)).toHaveLength(40);
  });

  it('bounds how fast the right key may ask', async () => {
    stopTheClock();
    const one = guardOver();
    const answers = await Promise.all(Array.from({ length: 260 }, () => call(one, 'Bearer the-key')));
    expect(answers.slice(0, 200).every((answer) => answer.let)).toBe(true);
    expect(answers.at(-1)?.status).toBe(429);
  });
});

describe('a new key', () => {
  it('is 256 random bits behind a prefix, and only its hash and its end are for keeping', () => {
    const made = Array.from({ length: 100 }, newAccessKey);
    expect(new Set(made.map(({ key }) => key)).size).toBe(100);
    for (const { key, hash, hint } of made) {
      expect(isAccessKey(key)).toBe(true);
      expect(Buffer.from(key.slice(4), 'base64url')).toHaveLength(32);
      expect(hash.equals(hashOf(key))).toBe(true);
      expect(key.endsWith(hint)).toBe(true);
      expect(hint).toHaveLength(4);
    }
  });
});
