import { Client } from 'pg';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, LINE } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { DEFAULT_ADMIN_KEY } from '../support/program.js';
import { accessibilityFaults, launchBrowser, openWindow, overflowing, screenshot } from './browser.js';

let bridge: Bridge;
let browser: Browser;

beforeAll(async () => {
  [bridge, browser] = await Promise.all([
    Bridge.start({ bitrix24: { limits: false }, oneProcess: 'a browser looks at one' }),
    launchBrowser(),
  ]);
  // By then the installation has done all that it does by itself.
  await Conversation.begin(bridge, 701);
  const client = new Client({ connectionString: bridge.database.directUrl });
  await client.connect();
  await client.query('UPDATE bots SET line_id = NULL').finally(() => client.end());
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await bridge?.stop();
});

const SAID = {
  en: { found: `line ${LINE} has no bot`, advised: 'Press “Add a bot”' },
  ru: { found: `линия ${LINE}: нет бота`, advised: 'нажмите «Добавить бота» или назначьте линию' },
};

it.each(['en', 'ru'] as const)(
  'the doctor speaks %s and names the button that helps',
  { timeout: 60_000 },
  async (lang) => {
    const { page, complaints } = await openWindow(browser, { lang });
    await page.addInitScript(`sessionStorage.setItem('console-key', ${JSON.stringify(DEFAULT_ADMIN_KEY)})`);
    await page.goto(`${bridge.program.url}/console#/doctor`);
    const fault = page.getByRole('listitem').filter({ hasText: SAID[lang].found });
    await fault.getByText(SAID[lang].advised).waitFor({ timeout: 30_000 });
    const words = await page.locator('main').innerText();
    expect(words).not.toMatch(/\/admin\/|\b(?:POST|PATCH) /);
    if (lang === 'ru') {
      // Names of programs, addresses and settings are the same in every language.
      const english = words.match(/\b(?:the|is|are|with|waits?|answers?|serves|connected)\b/g);
      expect(english).toBeNull();
    }
    await screenshot(page, `doctor-${lang}`);
    expect([...(await accessibilityFaults(page)), ...(await overflowing(page))]).toEqual([]);
    await page.goto(`${bridge.program.url}/console#/`);
    await page.getByText(SAID[lang].found).first().waitFor();
    await screenshot(page, `doctor-alerts-${lang}`);
    await page.context().close();
    expect(complaints).toEqual([]);
  },
);
