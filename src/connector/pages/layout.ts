import type { Language } from '../../common/language.js';

/** What a page needs besides its words. */
export interface PageScript {
  /** Address of the BX24 library. */
  library: string;
  /** Runs after it. */
  code: string;
  /** Of the page's Content-Security-Policy. */
  nonce: string;
}

export interface Page {
  lang: Language;
  title: string;
  /** HTML; everything variable in it went through {@link escapeHtml}. */
  body: string;
  script?: PageScript;
}

const STYLE = `
:root{color-scheme:light dark;--ink:#1f2933;--soft:#5d6b78;--ground:#fff;--line:#dfe5ea;--good:#1a7f4b;--bad:#c0342b}
@media(prefers-color-scheme:dark){:root{--ink:#e8edf2;--soft:#9aa8b5;--ground:#15191e;--line:#333c46;--good:#54c98a;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;padding:24px 16px;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:640px;margin:0 auto;overflow-wrap:anywhere}
h1{font-size:22px;line-height:1.3;margin:0 0 12px}
p{margin:0 0 12px}
.soft{color:var(--soft)}
ul.steps{list-style:none;margin:16px 0;padding:0;border-top:1px solid var(--line)}
ul.steps li{padding:8px 0 8px 28px;border-bottom:1px solid var(--line);position:relative}
ul.steps li::before{position:absolute;left:4px;font-weight:700}
ul.steps li.ok::before{content:"✓";color:var(--good)}
ul.steps li.bad::before{content:"✗";color:var(--bad)}
ul.steps small{display:block;color:var(--soft)}
dl{display:grid;grid-template-columns:minmax(96px,auto) 1fr;gap:6px 16px;margin:16px 0}
dt{color:var(--soft)}dd{margin:0}
a{color:inherit}`;

/** A whole HTML document. It loads nothing from outside except the BX24 library, where a script asks for it. */
export function renderPage(page: Page): string {
  const { lang, title, body, script } = page;
  const scripts = script
    ? `<script nonce="${script.nonce}" src="${escapeHtml(script.library)}"></script><script nonce="${script.nonce}">${script.code}</script>`
    : '';
  return `<!doctype html><html lang="${lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body><main><h1>${escapeHtml(title)}</h1>${body}</main>${scripts}</body></html>`;
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text as it may stand in HTML, between tags or inside a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/**
 * Content-Security-Policy of a page of ours. Only `frameAncestor` (the origin of a portal) may show it in a
 * frame; without one nobody may. With a nonce that script runs, and what it loads.
 */
export function contentSecurityPolicy(options: { frameAncestor?: string; nonce?: string } = {}): string {
  const scripts = options.nonce ? `'nonce-${options.nonce}' 'strict-dynamic'` : `'none'`;
  return [
    // The BX24 library talks to its portal: only a page without it can do without any connection.
    ...(options.nonce ? [] : [`default-src 'none'`]),
    `script-src ${scripts}`,
    `style-src 'unsafe-inline'`,
    `img-src data:`,
    `object-src 'none'`,
    `base-uri 'none'`,
    `form-action 'none'`,
    `frame-ancestors ${options.frameAncestor ?? `'none'`}`,
  ].join('; ');
}
