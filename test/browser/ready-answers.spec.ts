import type { Browser, Frame, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { DEFAULT_ADMIN_KEY } from '../support/program.js';
import {
  accessibilityFaults,
  launchBrowser,
  type Look,
  LOOKS,
  openWindow,
  overflowing,
  screenshot,
  tabStops,
} from './browser.js';

/** Ready answers: made in the console and on the settings page, sent from the panel beside a dialog. */

const OPERATOR = 27;

let bridge: Bridge;
let browser: Browser;
let talk: Conversation;

beforeAll(async () => {
  [bridge, browser] = await Promise.all([
    Bridge.start({ bitrix24: { limits: false }, installed: false, oneProcess: 'a browser looks at one' }),
    launchBrowser(),
  ]);
  const { portal, app, program } = bridge;
  portal.addUser({ id: OPERATOR, name: 'Samantha', lastName: 'Johnson' });
  portal.lines.lines.get(LINE)!.queue = [OPERATOR];
  app.scope = [...app.scope, 'crm', 'placement', 'im'];
  await bridge.install();
  const portalId = (await program.admin('GET', '/portals')).json.items[0].id;
  const chosen = await program.admin('PATCH', `/portals/${portalId}/features/chat_panel`, { wanted: true });
  expect(chosen.json.state, chosen.text).toBe('ready');
  const link = await program.admin('POST', '/links', {
    name: 'Poster at the metro station “Park of Culture”',
    utm: { source: 'poster', medium: 'offline', campaign: 'may_discount' },
  });
  talk = Conversation.of(bridge, 801, { language_code: 'en', username: 'anna_petrova_of_the_shop' });
  talk.client.starts(new URL(link.json.url).searchParams.get('start')!);
  talk.client.sends('hello');
  await talk.becomes('hello', 'delivered');
});
afterAll(async () => {
  await browser?.close();
  await bridge?.stop();
});

/** A frame of the portal, once our page in it has its heading. */
async function frameOf(page: Page, path: string): Promise<Frame> {
  const frame = await eventually(
    () => page.frames().find((candidate) => candidate.url().includes(path)),
    (found) => found !== undefined,
  );
  await frame!.waitForSelector('h1');
  return frame!;
}

interface Opened {
  page: Page;
  shown: Page | Frame;
  complaints: string[];
}

async function openPanel(look: Look = {}, chat: number = talk.dialog.chat!.id): Promise<Opened> {
  const { page, complaints } = await openWindow(browser, look);
  const { frames } = bridge.portal;
  const lang = look.lang ? { lang: look.lang } : {};
  const frame = frames.placement(bridge.app, { placement: 'IM_SIDEBAR', chat, user: OPERATOR, ...lang });
  await page.goto(frames.pageUrl(frame));
  return { page, shown: await frameOf(page, '/b24/placements/chat'), complaints };
}

async function openSettings(look: Look = {}): Promise<Opened> {
  const { page, complaints } = await openWindow(browser, look);
  const { frames } = bridge.portal;
  const lang = look.lang ? { lang: look.lang } : {};
  await page.goto(frames.pageUrl(frames.settings(bridge.app, { connector: bridge.connectorId, line: LINE, ...lang })));
  return { page, shown: await frameOf(page, '/b24/settings'), complaints };
}

async function openConsole(look: Look = {}): Promise<Opened> {
  const { page, complaints } = await openWindow(browser, look);
  await page.addInitScript(`sessionStorage.setItem('console-key', ${JSON.stringify(DEFAULT_ADMIN_KEY)})`);
  await page.goto(`${bridge.program.url}/console#/answers`);
  await page.locator('main h1').waitFor();
  return { page, shown: page, complaints };
}

/** What is wrong in any look, by its name. */
async function inEveryLook(
  name: string,
  open: (look: Look) => Promise<Opened>,
  prepare: (opened: Opened) => Promise<unknown>,
): Promise<void> {
  const faults: Record<string, string[]> = {};
  for (const lang of ['en', 'ru'] as const) {
    const opened = await open({ lang });
    const { page, shown, complaints } = opened;
    await prepare(opened);
    for (const { scheme, width } of LOOKS.filter((look) => look.lang === lang)) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height: 900 });
      // Colours of the kit change within 300 ms.
      await page.waitForTimeout(500);
      const what = `${name}-${lang}-${scheme}-${width}`;
      await screenshot(page, what);
      faults[what] = [...(await accessibilityFaults(shown)), ...(await overflowing(shown))];
    }
    expect(complaints).toEqual([]);
    await page.context().close();
  }
  expect(faults).toEqual(Object.fromEntries(Object.keys(faults).map((what) => [what, []])));
}

it('are made in the console, with a preview and a file', async () => {
  const { page, complaints } = await openConsole();
  await page.getByRole('button', { name: 'New answer' }).first().click();
  await page.getByLabel('Title').fill('Price list');
  await page.getByLabel('Text').fill('Dear {first_name}, [b]here[/b] it is.\n[SEND=yes]I take it[/SEND]');
  await page.getByRole('group', { name: 'What the client sees' }).getByText('I take it').waitFor();
  await page.locator('input[type=file]').setInputFiles({
    name: 'price list.pdf',
    mimeType: 'application/pdf',
    buffer: Buffer.from('%PDF-1.7'),
  });
  await page.getByLabel('Shortcut').fill('/price');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('price list.pdf').waitFor();
  await page.getByText('/price', { exact: true }).waitFor();
  expect(complaints).toEqual([]);
  await page.context().close();
});

it('are made, changed and deleted on the settings page', async () => {
  const { page, shown, complaints } = await openSettings();
  await shown.getByRole('button', { name: 'New answer' }).click();
  await shown.getByLabel('Title').fill('Opening hours');
  await shown.getByLabel('Text', { exact: true }).fill('We are open from [b]nine[/b] to five.');
  await shown.getByText('We are open from nine to five.').waitFor();
  await shown.locator('input[type=file]').setInputFiles({
    name: 'way.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from('first left'),
  });
  await shown.locator('#answers-title ~ form').getByRole('button', { name: 'Save' }).click();
  await shown.getByText('way.txt').waitFor();
  await shown.getByRole('button', { name: 'Edit: Opening hours' }).click();
  await shown.getByLabel('Title').fill('Hours');
  await shown.locator('section[aria-labelledby=answers-title] form').getByRole('button', { name: 'Save' }).click();
  await shown.getByRole('button', { name: 'Delete: Hours' }).click();
  await shown.getByRole('button', { name: 'Cancel' }).click();
  await shown.getByRole('button', { name: 'Edit: Hours' }).waitFor();
  expect(complaints).toEqual([]);
  await page.context().close();
});

it('are found, sent and copied beside a dialog', async () => {
  const { page, shown, complaints } = await openPanel({ width: 360 });
  await shown.getByText('link “Poster at the metro station “Park of Culture””').waitFor();
  await shown.getByLabel('Find an answer').fill('price');
  await shown.getByRole('button', { name: /Price list/ }).click();
  expect(await shown.getByRole('button', { name: /Hours/ }).count()).toBe(0);
  await shown.getByText('Dear Client 801, here it is.').waitFor();
  await shown.getByRole('button', { name: 'Send to the client' }).dblclick();
  await shown.getByText('Sent. It appears in the chat').waitFor();
  await talk.becomes('Dear Client 801, here it is.', 'delivered');
  await shown.getByRole('button', { name: 'Copy' }).click();
  await shown.getByText('Copied. Paste it').waitFor();
  await bridge.portal.quiet(2_000);
  expect(talk.notes.filter((line) => line.startsWith('⚡'))).toHaveLength(1);
  const stops = await tabStops(page, shown);
  expect(stops.filter((stop) => stop.startsWith('(no name)'))).toEqual([]);
  expect(complaints).toEqual([]);
  await page.context().close();
});

it(
  'look well in the panel',
  () => inEveryLook('panel', openPanel, ({ shown }) => shown.locator('.answer-title').first().click()),
  120_000,
);

it('look well where the dialog is not ours', () => {
  const client = { id: 99_999, name: 'Wanda', lastName: '' };
  const foreign = bridge.portal.lines.openChat('whatsapp', LINE, 'wa:1', client as never);
  return inEveryLook(
    'panel-empty',
    (look) => openPanel(look, foreign.id),
    () => Promise.resolve(),
  );
}, 120_000);

it(
  'look well on the settings page',
  () =>
    inEveryLook('settings-answers', openSettings, async ({ shown }) => {
      await shown.locator('section[aria-labelledby=answers-title] li button').first().click();
      await shown.locator('section[aria-labelledby=answers-title] form').waitFor();
    }),
  120_000,
);

it(
  'look well in the console',
  () => inEveryLook('console-answers', openConsole, ({ page }) => page.locator('main li').first().waitFor()),
  120_000,
);

it(
  'look well in the console’s form',
  () =>
    inEveryLook('console-answer', openConsole, async ({ page }) => {
      await page.locator('main li button').first().click();
      await page.getByRole('dialog').waitFor();
    }),
  120_000,
);
