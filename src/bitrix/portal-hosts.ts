import type { Environment } from '../config/environment.js';

/**
 * Zones in which Bitrix24 gives cloud portals their addresses, `<account>.<zone>`, as its own modules list them: sign,
 * .settings.php, and imconnector, lib/Tools/Connectors/Notifications.php, a domain for each region; call,
 * lib/Library.php, the regions of the Russian-speaking service. A host below any other domain may belong to anybody.
 */
const CLOUD_ZONES = new Set(
  'com com.br com.tr eu de es fr it pl uk in id cn jp vn co mx ae ru by kz ua uz am az ge kg'
    .split(' ')
    .map((zone) => `bitrix24.${zone}`),
);

/** Sites of the vendor in the same zones; a deleted portal redirects to them. */
const VENDOR_SITES = new Set(['www', 'api', 'apidocs', 'auth', 'cdn', 'dl', 'helpdesk', 'oauth', 'vendors']);

/** Zones served by oauth.bitrix24.tech; every other one by oauth.bitrix.info. */
const EASTERN_ZONE = /\.(ru|by|kz|am|az|ge|kg|uz)$/;

/** For one application: the portal that our administrator named for it, and whether this machine counts. */
export type HostRules = Pick<Environment, 'portalOrigin' | 'oauthOrigin'>;

/** Thrown for an address to which no credential may be sent. */
export class UntrustedHostError extends Error {
  override readonly name = 'UntrustedHostError';
}

/** Whether `host` (no port) is the address of a cloud portal: one label below a zone of Bitrix24. */
export function isCloudPortalHost(host: string): boolean {
  const dot = host.indexOf('.');
  const account = host.slice(0, dot).toLowerCase();
  return (
    CLOUD_ZONES.has(host.slice(dot + 1).toLowerCase()) &&
    /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(account) &&
    !VENDOR_SITES.has(account)
  );
}

/** Whether `host`, as {@link URL.hostname} spells it, never leaves this machine. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/** The official OAuth server of a portal, by the zone of its host. */
export function oauthOriginOfRegion(portalHost: string): string {
  return EASTERN_ZONE.test(portalHost.toLowerCase()) ? 'https://oauth.bitrix24.tech' : 'https://oauth.bitrix.info';
}

/**
 * Whether credentials may be sent to this origin: a cloud portal over https on its standard port, exactly the
 * portal that the application names, or, only while B24_OAUTH_URL is set, this machine.
 */
export function isPortalAddress(url: URL, rules: HostRules): boolean {
  if (url.username || url.password || !/^https?:$/.test(url.protocol)) return false;
  if (isNamedAddress(url, rules)) return true;
  return url.protocol === 'https:' && url.port === '' && isCloudPortalHost(url.hostname);
}

/**
 * Whether it is our own administrator who wants this origin called, wherever it lies: named by them, or a test's. A
 * portal that they named by its http address may have moved to https on the same host.
 */
export function isNamedAddress(url: URL, rules: HostRules): boolean {
  if (rules.oauthOrigin !== undefined && isLoopbackHost(url.hostname)) return true;
  const { portalOrigin } = rules;
  return portalOrigin !== undefined && [portalOrigin, portalOrigin.replace(/^http:/, 'https:')].includes(url.origin);
}

/**
 * Checks a REST base address that came from outside and returns it with exactly one trailing slash.
 * Throws {@link UntrustedHostError} unless {@link isPortalAddress} holds.
 */
export function assertPortalEndpoint(address: string, rules: HostRules): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !isPortalAddress(url, rules)) {
    throw new UntrustedHostError(
      `${url?.host ?? 'The address'} is neither a cloud portal of Bitrix24 nor the portal of this application; ` +
        'a self-hosted portal has to be named: by B24_DOMAIN, or as the domain of its own application.',
    );
  }
  return `${url.origin}${url.pathname.replace(/\/*$/, '/')}`;
}
