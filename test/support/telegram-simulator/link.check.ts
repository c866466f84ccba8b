import { isIPv6 } from 'node:net';

/** Why Telegram does not take a link, in its own words. */
export class LinkFault extends Error {}

/** Schemes of Telegram itself, and what the host of such a link may be made of. */
const OWN_SCHEMES: Readonly<Record<string, { name: string; host: RegExp }>> = {
  tg: { name: 'tg', host: /^[a-z0-9_-]*$/ },
  ton: { name: 'ton', host: /^[a-z0-9_-]*$/ },
  tonsite: { name: 'ton', host: /^[a-z0-9_.-]*$/ },
};

interface ParsedUrl {
  readonly protocol: string;
  readonly user: string;
  readonly host: string;
  readonly isIPv6: boolean;
  /** '' when none is written. */
  readonly port: string;
  /** Path, query and fragment; it begins with a slash. */
  readonly path: string;
}

/**
 * A link as Telegram keeps it: `LinkManager::check_link_impl` of tdlib/td, td/telegram/LinkManager.cpp. Without a scheme
 * it is read as http, whatever it was meant to be. Throws {@link LinkFault}.
 */
export function checkLink(link: string): string {
  const [, scheme = '', address = ''] = /^(tg|ton|tonsite):(?:\/\/)?([\s\S]*)$/i.exec(link) ?? [];
  const own = OWN_SCHEMES[scheme.toLowerCase()];
  if (!own) {
    const { protocol, user, host, isIPv6: isNumeric, port, path } = parseUrl(link);
    if (!host.includes('.') && !isNumeric) throw new LinkFault('Wrong HTTP URL');
    return `${protocol}://${user === '' ? '' : `${user}@`}${host}${port === '' ? '' : `:${port}`}${path}`;
  }
  const url = parseUrl(address);
  const isOfTheWeb = /^http:\/\//i.test(address) || url.protocol === 'https';
  if (isOfTheWeb || url.user !== '' || url.port !== '' || url.isIPv6) throw new LinkFault(`Wrong ${own.name} URL`);
  if (!own.host.test(url.host)) throw new LinkFault('Unallowed characters in URL host');
  return `${scheme.toLowerCase()}://${url.host}${url.path.startsWith('/?') ? url.path.slice(1) : url.path}`;
}

/**
 * The user whom a link of the form `tg://user?id=…` mentions; such a link becomes a `text_mention` before it is checked
 * (`LinkManager::get_link_user_id`, likewise).
 */
export function mentionedUser(link: string): number | undefined {
  const query = /^tg:(?:\/\/)?user\/?\?([^#]*)/.exec(link.toLowerCase())?.[1];
  const id = query
    ?.split('&')
    .find((pair) => pair === 'id' || pair.startsWith('id='))
    ?.slice('id='.length);
  return id !== undefined && /^[1-9]\d{0,15}$/.test(id) ? Number(id) : undefined;
}

/** `parse_url` of tdlib/td, tdutils/td/utils/HttpUrl.cpp. */
function parseUrl(url: string): ParsedUrl {
  const [, scheme = 'http', authority = '', rest = ''] = /^(?:([^:/?#@[\]]*):\/\/)?([^/?#]*)([\s\S]*)$/.exec(url) ?? [];
  const protocol = scheme.toLowerCase();
  if (protocol !== 'http' && protocol !== 'https') throw new LinkFault('Unsupported URL protocol');

  const [, beforePort = authority, digits] = /^([\s\S]+):([^:\]@]*)$/.exec(authority) ?? [];
  const port = digits?.replace(/^0+(?=.)/s, '') ?? '';
  if (digits !== undefined && !(/^[1-9]\d*$/.test(port) && Number(port) <= 65_535)) {
    throw new LinkFault('Wrong port number specified in the URL');
  }

  const at = beforePort.lastIndexOf('@');
  const user = beforePort.slice(0, Math.max(at, 0));
  const host = lowerCase(beforePort.slice(at + 1));
  const isNumeric = host.startsWith('[') && host.endsWith(']');
  if (isNumeric && !isIPv6(host.slice(1, -1))) throw new LinkFault('Wrong IPv6 address specified in the URL');
  if (host === '') throw new LinkFault('URL host is empty');
  if (host === '.') throw new LinkFault('Host is invalid');
  if (!isNumeric) {
    checkPart(host, 'host', /[\w.\-!$,~*'();&+=]/);
    checkPart(user, 'userinfo', /[\w.\-!$,~*'();&+=:]/);
  }
  return { protocol, user, host, isIPv6: isNumeric, port, path: pathOf(rest) };
}

function checkPart(part: string, name: string, allowed: RegExp): void {
  const taken = new RegExp(`^(?:${allowed.source}|[^\\0-\\x7F]|%[0-9a-f]{2})*`, 'i').exec(part)![0].length;
  if (taken === part.length) return;
  throw new LinkFault(
    part[taken] === '%' ? `Wrong percent-encoded symbol in URL ${name}` : `Disallowed character in URL ${name}`,
  );
}

function pathOf(rest: string): string {
  const path = rest.replace(/[\0\t\n\v\r ]+$/, '');
  const encoded = path.replace(
    // oxlint-disable-next-line no-control-regex
    /[\0-\x20]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
  return encoded.startsWith('/') ? encoded : `/${encoded}`;
}

/** Telegram lowers ASCII letters only. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
