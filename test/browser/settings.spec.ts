import type { Browser, Frame, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, BOT_TOKEN, eventually, LINE } from '../support/bridge.js';
import {
  accessibilityFaults,
  firstPaint,
  launchBrowser,
  type Look,
  LOOKS,
  openWindow,
  overflowing,
  screenshot,
  tabStops,
} from './browser.js';

let bridge: Bridge;
let browser: Browser;

beforeAll(async () => {
  [bridge, browser] = await Promise.all([
    // Nobody names a bot: it comes from the page alone.
    Bridge.start({ environment: { TG_BOT_TOKEN: undefined } }),
    launchBrowser(),
  ]);
});
afterAll(async () => {
  await browser?.close();
  await bridge?.stop();
});

interface Opened {
  page: Page;
  frame: Frame;
  complaints: string[];
}

/** Contact Center, with our page in its frame. */
async function openSettings(look: Look = {}): Promise<Opened> {
  const { page, complaints } = await openWindow(browser, look);
  const { portal, app, connectorId } = bridge;
  const options = { connector: connectorId, line: LINE, ...(look.lang ? { lang: look.lang } : {}) };
  await page.goto(portal.frames.pageUrl(portal.frames.settings(app, options)));
  const frame = await eventually(
    () => page.frames().find((candidate) => candidate.url().includes('/b24/settings')),
    (found) => found !== undefined,
  );
  await frame!.waitForSelector('h1');
  return { page, frame: frame!, complaints };
}

/** Each link of the chain, and whether it is well. */
const chain = async (frame: Frame): Promise<Record<string, string | null>> => {
  const items = await frame.locator('[data-link]').all();
  const links = await Promise.all(
    items.map(async (item) => [(await item.getAttribute('data-link'))!, await item.getAttribute('data-ok')] as const),
  );
  return Object.fromEntries(links);
};
const WELL = { token: 'true', updates: 'true', portal: 'true', installed: 'true', events: 'true', line: 'true' };

async function inEveryLook(name: string, visit: (opened: Opened) => Promise<void>): Promise<void> {
  const faults: Record<string, string[]> = {};
  for (const lang of ['en', 'ru'] as const) {
    const { page, frame, complaints } = await openSettings({ lang });
    await visit({ page, frame, complaints });
    expect(await frame.locator('html').getAttribute('lang')).toBe(lang);
    for (const { scheme, width } of LOOKS.filter((look) => look.lang === lang)) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height: 900 });
      // Colours of the kit change within 300 ms.
      await page.waitForTimeout(500);
      const what = `${name}-${lang}-${scheme}-${width}`;
      await screenshot(page, `settings-${what}`);
      faults[what] = [...(await accessibilityFaults(frame)), ...(await overflowing(frame))];
    }
    expect(complaints).toEqual([]);
    await page.context().close();
  }
  expect(faults).toEqual(Object.fromEntries(Object.keys(faults).map((what) => [what, []])));
}

it('connects a bot, carries a conversation, is set up and disconnected, all within the frame', async () => {
  const { page, frame, complaints } = await openSettings();
  await frame.getByRole('button', { name: 'Connect' }).click();
  await frame.getByText('Paste the token').first().waitFor();
  await frame.getByLabel('Bot token').fill('123456789:nobody-knows-this');
  await frame.getByRole('button', { name: 'Connect' }).click();
  await frame.getByText('Telegram does not accept this token').first().waitFor();
  await frame.getByLabel('Bot token').fill(` ${BOT_TOKEN} `);
  await page.keyboard.press('Enter');
  await frame.getByRole('link', { name: '@shop_bot' }).waitFor();
  await eventually(
    () => chain(frame),
    (links) => JSON.stringify(links) === JSON.stringify(WELL),
    15_000,
  );

  await frame.getByText('The operator’s name').click();
  await frame.getByRole('switch', { name: 'Answer when a client presses Start' }).click();
  await frame.getByLabel('Welcome text').fill('Welcome, {first_name}!');
  await frame.getByRole('button', { name: 'Save', exact: true }).click();
  await frame.locator('form').getByText('Saved.').waitFor();

  const client = bridge.bot.client({ id: 777, first_name: 'Ivan' });
  client.sends('/start');
  expect((await client.receives(1, 15_000))[0]!.text).toBe('Welcome, Ivan!');
  client.sends('Where is my parcel?');
  const dialog = bridge.portal.dialog('tg:777');
  await eventually(
    () => dialog.messages.map(({ text }) => text),
    (texts) => texts.some((text) => text.includes('parcel')) && texts.some((text) => text.includes('Welcome, Ivan!')),
  );
  bridge.portal.operator({ id: 27, name: 'Samantha Johnson' }).sends('tg:777', 'On its way');
  expect((await client.receives(2, 15_000))[1]!.text).toBe('Samantha Johnson:\nOn its way');
  await eventually(
    async () => {
      await frame.getByRole('button', { name: 'Check again' }).click();
      return frame.locator('[data-fact="lastOut"]').textContent();
    },
    (text) => text !== null && !text.includes('none'),
  );
  expect(await chain(frame)).toEqual(WELL);

  await frame.getByRole('button', { name: 'Disconnect the bot' }).click();
  await frame.getByRole('alertdialog').waitFor();
  await page.keyboard.press('Escape');
  await frame.getByRole('button', { name: 'Disconnect the bot' }).click();
  await frame.getByRole('button', { name: 'Yes, disconnect' }).click();
  await frame.getByRole('heading', { name: 'Connect a bot' }).waitFor();
  await eventually(
    () => bridge.portal.lines.isReady(bridge.connectorId, LINE),
    (ready) => !ready,
  );
  // A refused token is an answer that the browser's own log counts as an error.
  expect(complaints.filter((text) => !text.includes('422'))).toEqual([]);
  await page.context().close();
});

it('can be used with the keyboard alone', async () => {
  const { page, frame, complaints } = await openSettings();
  const stops = await tabStops(page, frame);
  const wanted = ['@BotFather', 'Bot token', 'The service asks Telegram', 'Connect'];
  expect(wanted.filter((name) => !stops.some((stop) => stop.includes(name)))).toEqual([]);
  expect(stops.filter((stop) => stop.startsWith('(no name)'))).toEqual([]);
  await frame.getByLabel('Bot token').focus();
  await page.keyboard.type(BOT_TOKEN);
  await page.keyboard.press('Enter');
  await frame.getByRole('link', { name: '@shop_bot' }).waitFor();
  await eventually(
    () => chain(frame),
    (links) => Object.keys(links).length === 6,
  );
  await page.mouse.click(1, 1);
  const after = await tabStops(page, frame);
  const reached = [
    'Send a test message',
    'Disconnect the bot',
    'Check again',
    'The operator’s name',
    'Answer when',
    'Save',
  ];
  expect(reached.filter((name) => !after.some((stop) => stop.includes(name)))).toEqual([]);
  expect(complaints).toEqual([]);
  await page.context().close();
});

it('looks right with a bot in both languages, light and dark, wide and narrow', async () => {
  await inEveryLook('bot', async ({ frame }) => {
    await eventually(
      () => chain(frame),
      (links) => Object.keys(links).length === 6,
      15_000,
    );
    await frame.locator('input[name="template"], button[role="switch"]').first().waitFor();
    const lang = await frame.locator('html').getAttribute('lang');
    await frame.getByText(lang === 'ru' ? 'Сообщения из CRM' : 'Messages from the CRM').waitFor();
  });
});

it('says what is wrong and what to do', async () => {
  bridge.portal.lines.statuses.clear();
  bridge.portal.handlers.length = 0;
  bridge.telegram.revoke(bridge.bot);
  await inEveryLook('trouble', async ({ frame }) => {
    bridge.portal.lines.statuses.clear();
    await frame.locator('[data-link="token"][data-ok="false"]').waitFor();
    await frame.getByRole('button', { name: /Check again|Проверить ещё раз/ }).click();
    await frame.locator('[data-link="line"][data-ok="false"]').waitFor();
  });
  const { page, frame } = await openSettings();
  await frame.getByRole('button', { name: 'Repair the connection' }).click();
  await frame.locator('[data-link="events"][data-ok="true"]').waitFor();
  await frame.getByRole('button', { name: 'Disconnect the bot' }).click();
  await frame.getByRole('button', { name: 'Yes, disconnect' }).click();
  await frame.getByRole('heading', { name: 'Connect a bot' }).waitFor();
  await page.context().close();
});

it('looks right before a bot is connected', async () => {
  await inEveryLook('empty', async ({ frame }) => {
    await frame.getByRole('button', { name: /^(?:Connect|Подключить)$/ }).waitFor();
  });
});

it('is light: what travels, and how soon it is seen', async () => {
  const { page, frame } = await openSettings();
  const bytes = await frame.evaluate<number>(`performance.getEntriesByType('resource')
    .concat(performance.getEntriesByType('navigation'))
    .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)`);
  const firstPaintMs = Math.round(await firstPaint(frame));
  process.stdout.write(`settings page: ${Math.round(bytes / 1024)} KiB, first paint after ${firstPaintMs} ms\n`);
  expect(bytes).toBeLessThan(260 * 1024);
  await page.context().close();
});

it('tells whoever is no administrator what to do', async () => {
  const { portal, app, connectorId } = bridge;
  portal.addUser({ id: 5, name: 'Clerk' });
  const { page, complaints } = await openWindow(browser);
  const opened = portal.frames.settings(app, { connector: connectorId, line: LINE, user: 5 });
  await page.goto(portal.frames.pageUrl(opened));
  await page.frameLocator('iframe').getByText('Only an administrator').waitFor();
  expect(complaints.filter((text) => !text.includes('403'))).toEqual([]);
  await page.context().close();
});
