import type { RegistrationReport } from './registration-steps.js';
import type { Language } from '../../common/language.js';
import { escapeHtml, renderPage } from '../pages/layout.js';
import { say } from '../pages/texts.js';

export interface InstallPage {
  lang: Language;
  connectorName: string;
  portal: string;
  report: RegistrationReport;
  /** Set in the installation frame: the page ends the installation by BX24.installFinish(). */
  finish?: { library: string; nonce: string };
}

/** The portal reloads the frame when the installation ends: what failed must have been read by then. */
const READING_MS = 12_000;

/**
 * Each step of the installation and its result. Always ends the installation, as an application that is not
 * installed gets no events at all, while a step that failed can be repeated at any time.
 */
export function installPage({ lang, connectorName, portal, report, finish }: InstallPage): string {
  const next = say(lang, report.ok ? 'installNext' : 'installRetry', { connector: connectorName });
  const call = 'BX24.installFinish();';
  const code = report.ok ? call : `setTimeout(function(){${call}},${READING_MS});`;
  return renderPage({
    lang,
    title: say(lang, report.ok ? 'installed' : 'installedPartly'),
    body: [
      `<p class="soft">${escapeHtml(portal)}</p>`,
      stepList(report),
      `<p>${escapeHtml(next)}</p>`,
      finish ? `<p class="soft">${escapeHtml(say(lang, 'finishing'))}</p>` : '',
    ].join(''),
    ...(finish && { script: { ...finish, code: `BX24.init(function(){${code}});` } }),
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
