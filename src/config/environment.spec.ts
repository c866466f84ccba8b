import { describe, expect, it } from 'vitest';
import { largestTelegramFile } from './bot-api-servers.js';
import { EnvironmentError, readEnvironment } from './environment.js';

const KEY = Buffer.alloc(32, 1).toString('base64');
const production = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgresql://u:p@db/x',
  ENCRYPTION_KEY: KEY,
  ADMIN_API_KEY: 'k'.repeat(24),
};

function problemsOf(variables: Record<string, string>): string[] {
  try {
    readEnvironment(variables);
    return [];
  } catch (error) {
    return (error as EnvironmentError).problems;
  }
}

describe('the environment', () => {
  it('needs nothing outside production, and has the documented defaults', () => {
    expect(readEnvironment({})).toMatchObject({
      PORT: 8000,
      HOST: '0.0.0.0',
      DATA_DIR: './.data',
      B24_CONNECTOR_NAME: 'Telegram',
      B24_REQUESTS_PER_SECOND: 2,
      B24_BURST: 50,
      TG_USE_POLLING: true,
      TG_API_ROOT: 'https://api.telegram.org',
      UNCERTAIN_POLICY: 'hold',
      LOG_LEVEL: 'info',
    });
  });

  it('takes an empty variable, as .env files and Compose leave them, for a missing one', () => {
    expect(readEnvironment({ PORT: '', TG_USE_POLLING: ' ', TG_BOT_TOKEN: '' })).toMatchObject({
      PORT: 8000,
      TG_USE_POLLING: true,
      TG_BOT_TOKEN: undefined,
    });
  });

  it('in production names every variable that is missing at once', () => {
    expect(problemsOf(production)).toEqual([]);
    expect(problemsOf({ NODE_ENV: 'production' }).map((problem) => problem.split(' ')[0])).toEqual([
      'DATABASE_URL',
      'ENCRYPTION_KEY',
      'ADMIN_API_KEY',
    ]);
  });

  it('in production refuses secrets that can be guessed, and says how to make better ones', () => {
    const weak = { ADMIN_API_KEY: 'k'.repeat(23), B24_HANDLER_SECRET: 's'.repeat(15) };
    expect(problemsOf({ ...production, ...weak })).toEqual([
      expect.stringMatching(/^ADMIN_API_KEY is too weak: .*at least 24 characters.*openssl rand -hex 24$/),
      expect.stringMatching(/^B24_HANDLER_SECRET is too weak: .*at least 16 characters.*openssl rand -hex 16$/),
    ]);
    expect(problemsOf({ ...production, B24_HANDLER_SECRET: 's'.repeat(16) })).toEqual([]);
    // On a developer's machine any will do.
    expect(problemsOf(weak)).toEqual([]);
  });

  it('in production takes the variables of PostgreSQL itself for a missing DATABASE_URL', () => {
    const postgres = { PGHOST: 'db', PGUSER: 'u', PGPASSWORD: 'p@ss/word', PGDATABASE: 'x' };
    const read = (variables: Record<string, string>) => readEnvironment({ ...production, ...postgres, ...variables });
    expect(read({ DATABASE_URL: '' }).DATABASE_URL).toBe('postgresql://u:p%40ss%2Fword@db/x');
    expect(read({}).DATABASE_URL).toBe(production.DATABASE_URL);
    // On a developer's machine they belong to something else.
    expect(readEnvironment(postgres).DATABASE_URL).toBeUndefined();
  });

  it('names every variable that is bad at once, without its value', () => {
    const problems = problemsOf({
      PORT: 'http',
      TG_BOT_TOKEN: 'secret-nonsense',
      B24_LINE_ID: 'seven',
      UNCERTAIN_POLICY: 'maybe',
      TG_USE_POLLING: 'perhaps',
      ENCRYPTION_KEY: 'c2hvcnQ=',
    });
    for (const name of [
      'PORT',
      'TG_BOT_TOKEN',
      'B24_LINE_ID',
      'UNCERTAIN_POLICY',
      'TG_USE_POLLING',
      'ENCRYPTION_KEY',
    ]) {
      expect(problems.some((problem) => problem.startsWith(name))).toBe(true);
    }
    expect(problems.join()).not.toContain('secret-nonsense');
  });

  it.each([
    ['1', true],
    ['true', true],
    ['YES', true],
    ['0', false],
    ['false', false],
    ['off', false],
  ])('TG_USE_POLLING=%s is %s', (written, meant) => {
    expect(readEnvironment({ TG_USE_POLLING: written }).TG_USE_POLLING).toBe(meant);
  });

  it.each([
    ['half a token', '5550001:AAEhBOweik'],
    ['no number', 'AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc'],
    ['a number that no bot has', `${'9'.repeat(19)}:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc`],
    ['a letter that no token has', '5550001:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-b c'],
  ])('refuses %s for the manager bot', (_, token) => {
    const problems = problemsOf({ TG_MANAGER_BOT_TOKEN: token });
    expect(problems).toEqual([expect.stringContaining('TG_MANAGER_BOT_TOKEN must be a whole token')]);
    expect(problems.join()).not.toContain(token);
  });

  it('takes no bot for the manager that serves a line', () => {
    const TG_MANAGER_BOT_TOKEN = '5550001:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc';
    expect(problemsOf({ TG_MANAGER_BOT_TOKEN })).toEqual([]);
    expect(problemsOf({ TG_MANAGER_BOT_TOKEN, TG_BOT_TOKEN: '5550001:AAanother' })).toEqual([
      expect.stringContaining('must be of another bot than TG_BOT_TOKEN'),
    ]);
  });

  it('takes several encryption keys, newest first', () => {
    expect(problemsOf({ ENCRYPTION_KEY: `${KEY}, ${KEY}` })).toEqual([]);
  });

  it('knows its own address from PUBLIC_URL, else from the redirect URI', () => {
    const redirect = { B24_REDIRECT_URI: 'https://bridge.example.com/b24/oauth/callback' };
    expect(readEnvironment(redirect).publicUrl).toBe('https://bridge.example.com');
    expect(readEnvironment({ ...redirect, PUBLIC_URL: 'https://other.example.com/base/' }).publicUrl).toBe(
      'https://other.example.com/base',
    );
    expect(readEnvironment({}).publicUrl).toBeUndefined();
  });

  it('speaks https with the portal unless told otherwise', () => {
    expect(readEnvironment({ B24_DOMAIN: 'acme.bitrix24.com' }).portalOrigin).toBe('https://acme.bitrix24.com');
    expect(readEnvironment({ B24_DOMAIN: 'http://127.0.0.1:9001' }).portalOrigin).toBe('http://127.0.0.1:9001');
  });

  it('makes a connector id of its own for each application: lower case, no dot', () => {
    const ids = ['local.a', 'local.b'].map((id) => readEnvironment({ B24_CLIENT_ID: id }).connectorId);
    for (const id of ids) expect(id).toMatch(/^tg_[0-9a-f]{8}$/);
    expect(ids[0]).not.toBe(ids[1]);
    expect(readEnvironment({ B24_CONNECTOR_ID: 'shop_tg' }).connectorId).toBe('shop_tg');
    expect(problemsOf({ B24_CONNECTOR_ID: 'Shop.TG' })).toHaveLength(1);
  });

  it('takes several roots of the Bot API; an own server is told apart by its kind', () => {
    const roots = 'https://relay.example/secret, https://api.telegram.org';
    expect(readEnvironment({ TG_API_ROOT: roots }).apiRoots).toEqual([
      'https://relay.example/secret',
      'https://api.telegram.org',
    ]);
    expect(largestTelegramFile(readEnvironment({ TG_API_ROOT: 'https://relay.example' }).TG_API_KIND)).toBe(20 << 20);
    const own = { TG_API_KIND: 'local', TG_API_ROOT: 'http://10.0.0.5:8081' };
    expect(largestTelegramFile(readEnvironment(own).TG_API_KIND)).toBe(Infinity);
    expect(problemsOf({ ...own, TG_API_ROOT: roots })).toEqual([expect.stringContaining('TG_API_KIND=local')]);
    for (const bad of ['https://a,', 'relay.example', 'ftp://x', 'https://u:hidden@x', 'https://x/?a=1']) {
      expect(problemsOf({ TG_API_ROOT: bad })).toEqual([expect.stringMatching(/^TG_API_ROOT must be (?!.*hidden)/)]);
    }
  });

  it('takes several ways to Telegram, and names a bad one without its password', () => {
    const ways = 'socks5://u:p%2Cq@10.0.0.1:1080, http://proxy:3128 ,direct';
    expect(readEnvironment({ TG_PROXY_URL: ways }).telegramProxies).toEqual([
      'socks5://u:p%2Cq@10.0.0.1:1080',
      'http://proxy:3128',
      'direct',
    ]);
    expect(readEnvironment({}).telegramProxies).toEqual([]);
    for (const bad of ['ftp://u:hidden@x', 'http://a,', 'proxy:3128', 'http://u:%zz@x:1', 'http://x:1/path']) {
      const problems = problemsOf({ TG_PROXY_URL: bad, PORT: 'x' });
      expect(problems).toHaveLength(2);
      expect(problems.join()).toContain('TG_PROXY_URL must be');
      expect(problems.join()).not.toMatch(/hidden|%zz/);
    }
  });
});

describe('TRUSTED_PROXIES', () => {
  const proxies = (value?: string) => readEnvironment({ TRUSTED_PROXIES: value }).trustedProxies;

  it('names those whose X-Forwarded-For is believed: by itself loopback and private networks', () => {
    expect(proxies()).toEqual(['loopback', 'linklocal', 'uniquelocal']);
    expect(proxies('10.0.0.5, 192.168.0.0/16,2001:db8::/32')).toEqual(['10.0.0.5', '192.168.0.0/16', '2001:db8::/32']);
    expect(proxies('none')).toEqual([]);
  });

  it.each(['proxy', '10.0.0.0/33', '10.0.0.0/0', '10.0.0.0/8/8', '10.0.0', 'none,loopback', '1', 'loopback,'])(
    'refuses %s',
    (value) => {
      expect(() => proxies(value)).toThrow(/TRUSTED_PROXIES must be addresses or ranges/);
    },
  );
});
