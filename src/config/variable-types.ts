import { isIP } from 'node:net';
import { Transform } from 'class-transformer';
import { IsUrl, ValidateBy } from 'class-validator';

/** Blank means absent. */
export const text = () =>
  Transform(({ value }) => (typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined));
export const number = () => Transform(({ value }) => (value === undefined || value === '' ? undefined : Number(value)));
/** `1`, `true`, `yes` and `on`, or their opposites, in either case. */
export const flag = () =>
  Transform(({ value }: { value: unknown }) => {
    const written = typeof value === 'string' ? value.trim().toLowerCase() : value;
    if (written === undefined || written === '') return undefined;
    if (written === '1' || written === 'true' || written === 'yes' || written === 'on') return true;
    if (written === '0' || written === 'false' || written === 'no' || written === 'off') return false;
    return written;
  });
export const url = (protocols: string[], what: string) =>
  IsUrl({ protocols, require_protocol: true, require_tld: false }, { message: what });

/** The elements of a comma-separated list. */
export const elements = (list: string): string[] => list.split(',').map((element) => element.trim());

const PROXY_PROTOCOLS = new Set(['http:', 'https:', 'socks5:', 'socks5h:', 'socks:']);
/** URLs of proxies, or `direct`, in order of preference. */
export const proxyCandidates = () =>
  ValidateBy({
    name: 'proxyCandidates',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && elements(value).every(isProxyCandidate),
      defaultMessage: () =>
        'must be http://host:port, https://host:port, socks5://host:port or direct, several separated by commas',
    },
  });

function isProxyCandidate(candidate: string): boolean {
  if (candidate === 'direct') return true;
  if (!URL.canParse(candidate)) return false;
  const { protocol, hostname, username, password, pathname, search } = new URL(candidate);
  try {
    decodeURIComponent(username + password);
  } catch {
    return false;
  }
  return PROXY_PROTOCOLS.has(protocol) && hostname !== '' && (pathname === '' || pathname === '/') && search === '';
}

/** Addresses of a Bot API, in order of preference. */
export const apiRoots = (what: string) =>
  ValidateBy({
    name: 'apiRoots',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && areApiRoots(value),
      defaultMessage: () => what,
    },
  });

export function areApiRoots(list: string): boolean {
  return elements(list).every(isApiRoot);
}

/** A path is allowed; a login would get lost. */
function isApiRoot(root: string): boolean {
  if (!URL.canParse(root)) return false;
  const { protocol, hostname, username, password, search, hash } = new URL(root);
  const known = protocol === 'https:' || protocol === 'http:';
  return known && hostname !== '' && username + password + search + hash === '';
}

/** Names of ranges that the library behind X-Forwarded-For knows (npm package proxy-addr). */
export const PROXY_RANGES = ['loopback', 'linklocal', 'uniquelocal'];

/** Addresses, ranges and names of ranges, or `none`. */
export const trustedProxies = () =>
  ValidateBy({
    name: 'trustedProxies',
    validator: {
      validate: isTrustedProxies,
      defaultMessage: () =>
        'must be addresses or ranges such as 10.0.0.5,192.168.0.0/16,2001:db8::/32 (loopback, linklocal and uniquelocal are known by name), or none',
    },
  });

function isTrustedProxies(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  return value === 'none' || elements(value).every((element) => PROXY_RANGES.includes(element) || isRange(element));
}

function isRange(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const bits = { 4: 32, 6: 128 }[isIP(address)];
  if (bits === undefined || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) >= 1 && Number(prefix) <= bits);
}
