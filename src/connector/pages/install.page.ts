import type { RegistrationReport } from '../registration.service.js';
import { escapeHtml, renderPage, type PageLanguage } from './layout.js';
import { say } from './texts.js';

export interface InstallPage {
  lang: PageLanguage;
  connectorName: string;
  portal: string;
  report: RegistrationReport;
  /** Set in the installation frame: the page ends the installation by BX24.installFinish(). */
  finish?: { library: string; nonce: string };
}

/**
 * Each step of the installation and its result. Calls BX24.installFinish() only when every step worked: the
 * portal reloads the frame then, and a failure would never be read.
 */
export function installPage({ lang, connectorName, portal, report, finish }: InstallPage): string {
  const next = say(lang, report.ok ? 'installNext' : 'installRetry', { connector: connectorName });
  const finishing = report.ok && finish;
  return renderPage({
    lang,
    title: say(lang, report.ok ? 'installed' : 'installedPartly'),
    body: [
      `<p class="soft">${escapeHtml(portal)}</p>`,
      stepList(report),
      `<p>${escapeHtml(next)}</p>`,
      finishing ? `<p class="soft">${escapeHtml(say(lang, 'finishing'))}</p>` : '',
    ].join(''),
    ...(finishing && { script: { ...finish, code: 'BX24.init(function(){BX24.installFinish();});' } }),
  });
}

/** The steps of a registration as a list. */
export function stepList(report: RegistrationReport): string {
  const items = report.steps.map(
    ({ step, ok, detail }) =>
      `<li class="${ok ? 'ok' : 'bad'}">${escapeHtml(step)}<small>${escapeHtml(detail)}</small></li>`,
  );
  return `<ul class="steps">${items.join('')}</ul>`;
}
