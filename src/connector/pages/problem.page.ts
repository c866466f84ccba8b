import type { Problem } from '../../common/problem.js';
import type { Language } from '../../common/language.js';
import { escapeHtml, renderPage } from './layout.js';
import { isPageText, say } from './texts.js';

/** What went wrong and what to do, in the reader's language where we have words for its code. */
export function problemPage(lang: Language, problem: Problem, title = say(lang, 'failed')): string {
  const values = Object.fromEntries(Object.entries(problem.extra).map(([name, value]) => [name, String(value)]));
  const words = isPageText(problem.code) ? say(lang, problem.code, values) : problem.message;
  return renderPage({
    lang,
    title,
    body: `<p>${escapeHtml(words)}</p><p class="soft">${escapeHtml(say(lang, 'code'))}: ${escapeHtml(problem.code)}</p>`,
  });
}
