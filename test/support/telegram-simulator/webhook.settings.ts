import { badRequest } from './bot-api.error.js';
import type { CallParams } from './call.params.js';

/**
 * Where webhooks may be: `never` on plain HTTP, as in the cloud (and there only on its four ports and not on this
 * machine); plain HTTP and any port on `loopback` or on `any` host, as with a local Bot API server.
 */
export type HttpWebhooks = 'loopback' | 'any' | 'never';

/** What setWebhook has set; `url` is empty when nothing has. */
export interface WebhookSettings {
  /** As it was given, perhaps without a protocol. */
  readonly url: string;
  readonly secretToken: string;
  readonly maxConnections: number;
  readonly ipAddress: string;
  readonly hasCertificate: boolean;
}

export const NO_WEBHOOK: WebhookSettings = {
  url: '',
  secretToken: '',
  maxConnections: 0,
  ipAddress: '',
  hasCertificate: false,
};

/** The settings in the parameters of setWebhook, or 400. */
export function readWebhookSettings(params: CallParams, httpWebhooks: HttpWebhooks): WebhookSettings {
  const url = params.text('url');
  checkUrl(url, httpWebhooks);
  const secretToken = params.text('secret_token');
  if (secretToken.length > 256) throw badRequest('secret token is too long');
  if (!/^[\w-]*$/.test(secretToken)) throw badRequest('secret token contains unallowed characters');
  return {
    url,
    secretToken,
    maxConnections: params.integer('max_connections', 40, 1, 100),
    ipAddress: params.text('ip_address'),
    hasCertificate: params.files.has('certificate') || params.has('certificate'),
  };
}

/** A setWebhook that changes nothing is answered without doing anything; one with a certificate never is. */
export function isSameWebhook(a: WebhookSettings, b: WebhookSettings): boolean {
  return !a.hasCertificate && JSON.stringify(a) === JSON.stringify(b);
}

/** The address as it is called: HTTPS when it names no protocol. */
export const absoluteUrl = (url: string) => (/^[a-z]+:\/\//i.test(url) ? url : `https://${url}`);

function checkUrl(text: string, httpWebhooks: HttpWebhooks): void {
  const absolute = absoluteUrl(text);
  if (!URL.canParse(absolute)) throw badRequest('invalid webhook URL specified');
  const url = new URL(absolute);
  if (!/^https?:$/.test(url.protocol)) throw badRequest('invalid webhook URL specified');

  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (httpWebhooks === 'any' || (httpWebhooks === 'loopback' && loopback)) return;
  if (url.protocol === 'http:') throw badRequest('bad webhook: An HTTPS URL must be provided for webhook');
  if (!['', '443', '80', '88', '8443'].includes(url.port)) {
    throw badRequest('bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443');
  }
  if (loopback) throw badRequest(`bad webhook: IP address ${url.hostname} is reserved`);
}
