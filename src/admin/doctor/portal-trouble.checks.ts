import type { Application } from '../../bitrix/applications.service.js';
import type { PortalView } from '../../storage/history/overview.repository.js';
import { type Trouble, WHOLE_PORTAL } from '../../storage/work/rest-limits.repository.js';
import { check } from './doctor.checks.js';
import type { Check } from './doctor.dto.js';

/** What a portal, or Bitrix24's OAuth server, said. */
type Said = Pick<Trouble, 'code' | 'detail'>;

/** What is wrong, in a sentence, and who can put it right. */
type Explanation = [what: string, advice: string];

const BY_ITSELF = 'Messages wait; within five minutes after that they go on by themselves.';

/**
 * Why the portal takes nothing.
 *
 * @param application null: it is none of ours
 */
export function portalTroubleCheck(portal: PortalView, application: Application | null, said: Said): Check {
  const [what, advice] = explain(portal, application, said);
  return check(`portal:${portal.id}:rest`, false, what, advice);
}

/** Methods that the portal has not, or that take nothing: the others go on. */
export function methodTroubleChecks(portal: PortalView, troubles: Trouble[]): Check[] {
  return troubles
    .filter(({ portalId, method }) => portalId === portal.id && method !== WHOLE_PORTAL)
    .map(({ method, code, detail, since }) => {
      const [what, advice] = explainMethod(method, code.toUpperCase());
      const told = `${portal.domain} ${what} (${code}: ${detail}), since ${since.toISOString()}`;
      return check(
        `portal:${portal.id}:method:${method}`,
        false,
        told,
        `${advice} What needs it waits; the rest goes on.`,
      );
    });
}

function explain(portal: PortalView, application: Application | null, { code, detail }: Said): Explanation {
  const { domain, clientId } = portal;
  const said = `(${code}: ${detail})`;
  if (/^HTTP_4\d\d$/.test(code)) {
    return [
      `${domain} answers every call with a page ${said}`,
      `Open the portal in a browser: its licence may have ended, it may be closed, or a filter before it may shut this machine out. ${BY_ITSELF}`,
    ];
  }
  switch (code.toUpperCase()) {
    case 'INVALID_CLIENT':
    case 'UNAUTHORIZED_CLIENT':
      return [
        `The secret of the application ${clientId} of ${domain} is wrong ${said}`,
        application?.id == null
          ? 'Set B24_CLIENT_SECRET to the secret that stands in the card of the application in Bitrix24, and restart. The installation stays as it is; messages wait.'
          : `PATCH /admin/applications/${application.id} with the clientSecret that stands in its card in Bitrix24. The installation stays as it is; messages wait and go on at once.`,
      ];
    case 'WRONG_CLIENT':
      return [
        `Bitrix24 does not know the client id ${clientId} of ${domain} ${said}`,
        `Compare the client id (B24_CLIENT_ID, or GET /admin/applications) with the card of the application in Bitrix24. If the application was deleted there, make a new one. ${BY_ITSELF}`,
      ];
    case 'PAYMENT_REQUIRED':
      return [
        `The plan of ${domain}, or its subscription to the application, is not paid ${said}`,
        `Pay it in Bitrix24. ${BY_ITSELF}`,
      ];
    case 'ACCESS_DENIED':
      return [
        `${domain} does not let the application in ${said}`,
        `Check the plan of the portal (REST needs a commercial one) and the rights of the administrator who installed the application. ${BY_ITSELF}`,
      ];
    case 'OVERLOAD_LIMIT':
      return [`${domain} has blocked REST for overload ${said}`, `Write to the support of Bitrix24. ${BY_ITSELF}`];
    case 'INVALID_REQUEST':
      return [
        `${domain} takes calls over https only ${said}`,
        `Let the web server of the portal redirect http to https (it is followed), or name the https address in B24_DOMAIN, or as the domain of its application, and open the application in the portal once. ${BY_ITSELF}`,
      ];
    case 'REDIRECT_REFUSED':
      return [
        `${domain} sends us to an address that we do not trust ${said}`,
        `If the portal moved there, name that address in B24_DOMAIN, or as the domain of its application, and open the application in the portal once. ${BY_ITSELF}`,
      ];
    default:
      return [
        `${domain}: ${code}: ${detail}`,
        'If the portal is up and the address is right, wait; messages wait too. Otherwise install the application again.',
      ];
  }
}

function explainMethod(method: string, code: string): Explanation {
  if (code === 'ERROR_METHOD_NOT_FOUND') {
    return [
      `does not know the method ${method}`,
      'Update the modules imopenlines and imconnector of the portal, and look whether the application still has their scopes.',
    ];
  }
  if (code === 'INSUFFICIENT_SCOPE' || code === 'INVALID_SCOPE') {
    return [
      `does not let the application call ${method}: a scope is missing`,
      'Tick imopenlines and imconnector in the card of the application in Bitrix24, then open the application in the portal once as an administrator.',
    ];
  }
  return [
    `fails at every call of ${method}, whatever it is given`,
    'Something is broken inside the portal: its log, or the support of Bitrix24, can tell.',
  ];
}
