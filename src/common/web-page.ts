import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** What `web/` was built into by `npm run build`. */
const BUILT = new URL('../../dist/web/', import.meta.url);

/** Folder of the pages' scripts, styles and fonts; their names change with their content. */
export const WEB_ASSETS_FOLDER = fileURLToPath(new URL('assets/', BUILT));
/** Path under which they are served. */
export const WEB_ASSETS_PATH = '/web/assets/';

const built = new Map<string, string>();

/** A page of `web/`, ready to be sent. */
export interface WebPage {
  /** Folder of the page below `web/`. */
  name: 'settings' | 'console' | 'card' | 'panel';
  /** From the page's address to the root of the service, e.g. `../` for /b24/settings: a proxy may put us below a path. */
  toRoot: '' | '../' | '../../';
  lang: 'en' | 'ru';
  title: string;
  /** What the page knows from the start; its script reads it from the element `bootstrap`. */
  bootstrap?: unknown;
}

/** The HTML of a page. Throws when `web/` was not built. */
export function webPage({ name, toRoot, lang, title, bootstrap }: WebPage): string {
  const data =
    bootstrap === undefined ? '' : `<script type="application/json" id="bootstrap">${json(bootstrap)}</script>`;
  return template(name)
    .replaceAll('../assets/', `${toRoot}${WEB_ASSETS_PATH.slice(1)}`)
    .replace('<html lang="en">', `<html lang="${lang}">`)
    .replace(/<title>[^<]*<\/title>/, () => `<title>${text(title)}</title>`)
    .replace('<div id="app"></div>', () => `<div id="app"></div>${data}`);
}

/** Content-Security-Policy of a page of `web/`. Without `frameAncestor`, the origin of a portal, nobody may frame it. */
export function webPagePolicy({
  frameAncestor,
  filesFrom,
}: { frameAncestor?: string; filesFrom?: string } = {}): string {
  const files = filesFrom ? ` ${filesFrom}` : '';
  return [
    `default-src 'none'`,
    `script-src 'self'`,
    // The kit's components position what floats by style attributes.
    `style-src 'self' 'unsafe-inline'`,
    `img-src 'self' data: blob:${files}`,
    `media-src 'self' blob:${files}`,
    `font-src 'self' data:`,
    `connect-src 'self'`,
    `base-uri 'none'`,
    `form-action 'none'`,
    `frame-ancestors ${frameAncestor ?? `'none'`}`,
  ].join('; ');
}

function template(name: string): string {
  const known = built.get(name);
  if (known !== undefined) return known;
  const html = readFileSync(new URL(`${name}/index.html`, BUILT), 'utf8');
  built.set(name, html);
  return html;
}

/** JSON that cannot end the element it stands in. */
function json(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

function text(value: string): string {
  return value.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
}
