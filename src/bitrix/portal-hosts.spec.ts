import { describe, expect, it } from 'vitest';
import { assertPortalEndpoint, isCloudPortalHost, oauthOriginOfRegion, UntrustedHostError } from './portal-hosts.js';

const plain = { portalOrigin: undefined, oauthOrigin: undefined };
const box = { portalOrigin: 'http://crm.acme.example:8080', oauthOrigin: undefined };
const sandbox = { portalOrigin: undefined, oauthOrigin: 'http://127.0.0.1:9000' };

describe('cloud portals', () => {
  it.each([
    'acme.bitrix24.com',
    'b24-x1.bitrix24.ru',
    'acme.bitrix24.com.br',
    'ACME.Bitrix24.DE',
    ...['uz', 'am', 'az', 'ge', 'kg', 'uk', 'mx', 'co', 'ae'].map((zone) => `acme.bitrix24.${zone}`),
  ])('%s is one', (host) => expect(isCloudPortalHost(host)).toBe(true));

  it.each([
    'bitrix24.com',
    'www.bitrix24.com',
    'oauth.bitrix24.tech',
    'acme.bitrix24.com.evil.example',
    'evilbitrix24.com',
    'a.b.bitrix24.com',
    '-.bitrix24.com',
    'bitrix24.com.acme.example',
    '',
  ])('%s is none', (host) => expect(isCloudPortalHost(host)).toBe(false));
});

describe('assertPortalEndpoint', () => {
  it('answers the address with one trailing slash', () => {
    expect(assertPortalEndpoint('https://acme.bitrix24.com/rest', plain)).toBe('https://acme.bitrix24.com/rest/');
    expect(assertPortalEndpoint('https://acme.bitrix24.com/rest//', plain)).toBe('https://acme.bitrix24.com/rest/');
  });

  it('takes the portal of B24_DOMAIN exactly as configured', () => {
    expect(assertPortalEndpoint('http://crm.acme.example:8080/rest/', box)).toBe('http://crm.acme.example:8080/rest/');
    expect(() => assertPortalEndpoint('https://crm.acme.example/rest/', box)).toThrow(UntrustedHostError);
  });

  it('takes a portal that moved to https on the same host', () => {
    const named = { portalOrigin: 'http://crm.acme.example', oauthOrigin: undefined };
    const moved = 'https://crm.acme.example/rest/';
    expect(assertPortalEndpoint(moved, named)).toBe(moved);
    for (const other of ['https://acme.example/rest/', 'https://crm.acme.example:8443/rest/'])
      expect(() => assertPortalEndpoint(other, named)).toThrow(UntrustedHostError);
    const secure = { portalOrigin: 'https://crm.acme.example', oauthOrigin: undefined };
    expect(() => assertPortalEndpoint('http://crm.acme.example/rest/', secure)).toThrow(UntrustedHostError);
  });

  it('takes this machine only while B24_OAUTH_URL is set', () => {
    for (const address of ['http://127.0.0.1:9001/rest/', 'http://localhost:9001/rest/', 'http://[::1]:9001/rest/']) {
      expect(assertPortalEndpoint(address, sandbox)).toBe(address);
      expect(() => assertPortalEndpoint(address, plain)).toThrow(UntrustedHostError);
    }
  });

  it.each([
    'http://acme.bitrix24.com/rest/',
    'https://acme.bitrix24.com:8443/rest/',
    'https://user:word@acme.bitrix24.com/rest/',
    'https://169.254.169.254/rest/',
    'http://127.0.0.1.evil.example/rest/',
    'ftp://127.0.0.1/rest/',
    'javascript:alert(1)',
    'not an address',
  ])('refuses %s', (address) => expect(() => assertPortalEndpoint(address, sandbox)).toThrow(UntrustedHostError));
});

it.each([
  ['acme.bitrix24.ru', 'https://oauth.bitrix24.tech'],
  ['acme.bitrix24.kz', 'https://oauth.bitrix24.tech'],
  ['acme.bitrix24.com', 'https://oauth.bitrix.info'],
  ['acme.bitrix24.de', 'https://oauth.bitrix.info'],
])('%s is served by %s', (host, origin) => expect(oauthOriginOfRegion(host)).toBe(origin));
