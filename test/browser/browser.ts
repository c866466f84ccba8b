import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { AxeResults } from 'axe-core';
import { chromium, type Browser, type Frame, type Page } from 'playwright-core';

/** How a person's browser is set up. */
export interface Look {
  lang?: 'en' | 'ru';
  scheme?: 'light' | 'dark';
  /** Of the window, in CSS pixels. */
  width?: number;
  height?: number;
}

const LANGUAGES = ['en', 'ru'] as const;
const SCHEMES = ['light', 'dark'] as const;
const WIDTHS = [1280, 320] as const;

/** Every look that pages must be good in; with `BROWSER_LOOKS=few` two that have each of its parts once. */
export const LOOKS: Required<Pick<Look, 'lang' | 'scheme' | 'width'>>[] =
  process.env.BROWSER_LOOKS === 'few'
    ? LANGUAGES.map((lang, index) => ({ lang, scheme: SCHEMES[index]!, width: WIDTHS[index]! }))
    : LANGUAGES.flatMap((lang) => SCHEMES.flatMap((scheme) => WIDTHS.map((width) => ({ lang, scheme, width }))));

/** Debian's Chromium, or the one of CHROMIUM_PATH. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
}

/** A new window without any memory. `complaints` grows with every error of its console and every script that fails. */
export async function openWindow(
  browser: Browser,
  { lang = 'en', scheme = 'light', width = 1280, height = 900 }: Look = {},
): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext({
    locale: lang === 'ru' ? 'ru-RU' : 'en-GB',
    colorScheme: scheme,
    reducedMotion: 'reduce',
    viewport: { width, height },
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints: string[] = [];
  page.on('console', (message) => {
    // The browser asks for an icon by itself, of the portal too.
    if (message.type() === 'error' && !message.location().url.endsWith('/favicon.ico'))
      complaints.push(`${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => complaints.push(String(error.stack ?? error)));
  return { page, complaints };
}

/** Writes `<SCREENSHOTS>/<name>.png` of the whole page; nothing without that variable. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
}

/**
 * What axe-core finds against WCAG 2.2 A and AA in the document (labels, contrast, roles, …), a line each; empty: nothing.
 */
export async function accessibilityFaults(document: Page | Frame): Promise<string[]> {
  await document.evaluate(await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
  const { violations } = await document.evaluate(() =>
    (globalThis as unknown as { axe: { run(options: unknown): Promise<AxeResults> } }).axe.run({
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
      // A page of a portal's frame is a part of the portal's page.
      rules: { region: { enabled: false } },
    }),
  );
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary?.replaceAll('\n', ' ') ?? ''}`),
  );
}

/** Whether something sticks out to the right, so that the page would have to be moved sideways. Answers what does. */
export function overflowing(document: Page | Frame): Promise<string[]> {
  // A text, because the tests' own types know no DOM.
  return document.evaluate(`(() => {
    const root = globalThis.document.documentElement;
    if (root.scrollWidth <= root.clientWidth) return [];
    return [...globalThis.document.body.querySelectorAll('*')]
      .filter((element) => element.getBoundingClientRect().right > root.clientWidth + 1)
      .map((element) => element.outerHTML.slice(0, 160));
  })()`);
}

/**
 * Presses Tab and names what has the focus each time, until it comes round or leaves the page: accessible name or text,
 * and whether a mark of the focus is seen.
 */
export async function tabStops(page: Page, document: Page | Frame, most = 60): Promise<string[]> {
  const stops: string[] = [];
  for (let index = 0; index < most; index++) {
    await page.keyboard.press('Tab');
    const stop: string | null = await document.evaluate(`(() => {
      const element = globalThis.document.activeElement;
      if (!element || element === globalThis.document.body || !globalThis.document.hasFocus()) return null;
      const label = element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent;
      return (label ?? '').trim().replace(/\\s+/g, ' ') || '(no name) ' + element.outerHTML.slice(0, 120);
    })()`);
    if (stop === null || stops[0] === stop) break;
    stops.push(stop);
  }
  return stops;
}

/** When the document first showed anything, in milliseconds from the request on. */
export function firstPaint(document: Page | Frame): Promise<number> {
  return document.evaluate(`new Promise((resolve) => {
    const name = 'first-contentful-paint';
    const known = performance.getEntriesByName(name)[0];
    if (known) return resolve(known.startTime);
    new PerformanceObserver((list) => {
      const entry = list.getEntriesByName(name)[0];
      if (entry) resolve(entry.startTime);
    }).observe({ type: 'paint', buffered: true });
    setTimeout(() => resolve(-1), 5000);
  })`);
}
