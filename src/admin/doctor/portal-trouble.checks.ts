import { type CertificateFault, certificateFault } from '../../common/certificate-faults.js';
import type { Application } from '../../bitrix/applications.service.js';
import { NO_WAY } from '../../common/proxy-routes.js';
import type { PortalView } from '../../storage/accounts/portal-views.repository.js';
import { type Trouble, WHOLE_PORTAL } from '../../storage/work/rest-limits.repository.js';
import type { Check } from './doctor.dto.js';
import { finding } from './finding.js';

/** What a portal, or Bitrix24's OAuth server, said. */
type Said = Pick<Trouble, 'code' | 'detail'>;

const CAUSES = {
  PAYMENT_REQUIRED: 'trouble.payment',
  ACCESS_DENIED: 'trouble.access',
  OVERLOAD_LIMIT: 'trouble.overload',
  INVALID_REQUEST: 'trouble.https',
  REDIRECT_REFUSED: 'trouble.redirect',
} as const;

const CERTIFICATE_CAUSES = {
  private_authority: 'trouble.private_authority',
  expired: 'trouble.certificate_expired',
  other_name: 'trouble.certificate_name',
} as const satisfies Record<CertificateFault, string>;

const METHOD_CAUSES = {
  ERROR_METHOD_NOT_FOUND: 'method.missing',
  INSUFFICIENT_SCOPE: 'method.scope',
  INVALID_SCOPE: 'method.scope',
} as const;

/**
 * Why the portal takes nothing.
 *
 * @param application null: it is none of ours
 * @param since       when that began; null: just now
 */
export function portalTroubleCheck(
  portal: PortalView,
  application: Application | null,
  { code, detail }: Said,
  since: Date | null = null,
): Check {
  const id = `portal:${portal.id}:rest`;
  const { domain, clientId } = portal;
  const told = { portal: domain, said: `${code}: ${detail}`, since: since?.toISOString() ?? null };
  const name = code.toUpperCase();
  if (/^HTTP_4\d\d$/.test(name)) return finding(id, 'trouble.page', told);
  const distrust = certificateFault({ code });
  if (distrust) return finding(id, CERTIFICATE_CAUSES[distrust], told);
  if (name === NO_WAY) return finding(id, 'trouble.no_way', told);
  if (name === 'WRONG_CLIENT') return finding(id, 'trouble.client_id', { ...told, clientId });
  if (name !== 'INVALID_CLIENT' && name !== 'UNAUTHORIZED_CLIENT') {
    return finding(id, known(CAUSES, name) ?? 'trouble.other', told);
  }
  return application?.id == null
    ? finding(id, 'trouble.secret', { ...told, clientId })
    : finding(id, 'trouble.stored_secret', { ...told, clientId, applicationId: String(application.id) });
}

/** Methods that the portal has not, or that take nothing: the others go on. */
export function methodTroubleChecks(portal: PortalView, troubles: Trouble[]): Check[] {
  return troubles
    .filter(({ portalId, method }) => portalId === portal.id && method !== WHOLE_PORTAL)
    .map(({ method, code, detail, since }) =>
      finding(`portal:${portal.id}:method:${method}`, known(METHOD_CAUSES, code.toUpperCase()) ?? 'method.broken', {
        portal: portal.domain,
        method,
        said: `${code}: ${detail}`,
        since: since.toISOString(),
      }),
    );
}

function known<Code extends string>(causes: Readonly<Record<string, Code>>, name: string): Code | undefined {
  return Object.hasOwn(causes, name) ? causes[name] : undefined;
}
