import type { Language } from '../../common/language.js';
import { readStateReason, stateReasonInWords } from '../../common/state-reasons.js';
import { escapeHtml, renderPage } from '../pages/layout.js';
import { say } from '../pages/texts.js';

/** The bot of a line, as a person knows it. */
export interface ShownBot {
  name: string | null;
  username: string | null;
}

export interface StatusPage {
  lang: Language;
  connectorName: string;
  portal: string;
  state: 'active' | 'reauthorise' | 'uninstalled';
  stateReason: string | null;
  lines: { lineId: string; on: boolean; bot: ShownBot | null }[];
}

/** What opening the application itself shows: is the portal connected, and which lines are served by which bot. */
export function statusPage({ lang, connectorName, portal, state, stateReason, lines }: StatusPage): string {
  const reason = stateReason ? ` (${stateReasonInWords(readStateReason(stateReason), lang)})` : '';
  const shown = say(lang, `state_${state}`) + reason;
  return renderPage({
    lang,
    title: say(lang, 'statusTitle'),
    body: [
      facts([
        [say(lang, 'portal'), escapeHtml(portal)],
        [say(lang, 'state'), escapeHtml(shown)],
        ...lines.map(({ lineId, on, bot }): [string, string] => [
          `${say(lang, 'line')} ${lineId}`,
          `${escapeHtml(say(lang, on ? 'lineOn' : 'lineOff'))}, ${bot ? botLink(bot) : escapeHtml(say(lang, 'none'))}`,
        ]),
      ]),
      `<p>${escapeHtml(say(lang, 'installNext', { connector: connectorName }))}</p>`,
    ].join(''),
  });
}

/** A page for whoever opens the address of a frame in a browser. */
export function outsidePage(lang: Language, connectorName: string): string {
  return renderPage({
    lang,
    title: say(lang, 'settingsOutside'),
    body: `<p>${escapeHtml(say(lang, 'settingsOutsideAdvice', { connector: connectorName }))}</p>`,
  });
}

/** Opened by Bitrix24 but without a line of ours to work on. */
export function wrongPlacementPage(lang: Language, words: string): string {
  return renderPage({ lang, title: say(lang, 'statusTitle'), body: `<p>${escapeHtml(words)}</p>` });
}

/** `rows`: name, HTML of the value. */
function facts(rows: [string, string][]): string {
  return `<dl>${rows.map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${value}</dd>`).join('')}</dl>`;
}

function botLink(bot: ShownBot): string {
  const name = escapeHtml(bot.name ?? '');
  if (!bot.username) return name;
  const username = escapeHtml(bot.username);
  return `${name} <a href="https://t.me/${username}" target="_blank" rel="noopener">@${username}</a>`;
}
