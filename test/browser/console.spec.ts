import { readFile } from 'node:fs/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { DEFAULT_ADMIN_KEY } from '../support/program.js';
import {
  accessibilityFaults,
  firstPaint,
  launchBrowser,
  type Look,
  openWindow,
  overflowing,
  screenshot,
  tabStops,
} from './browser.js';
import { ANNA, makeLinks, PETER, playConversations, storeMonth } from './console.data.js';

let bridge: Bridge;
let browser: Browser;
/** Our id of the chat with Anna. */
let anna: string;

beforeAll(async () => {
  [bridge, browser] = await Promise.all([
    Bridge.start({ bitrix24: { limits: false }, oneProcess: 'a browser looks at one' }),
    launchBrowser(),
  ]);
  await storeMonth(bridge);
  await playConversations(bridge);
  await makeLinks(bridge);
  const { json } = await bridge.program.admin('GET', `/chats?q=tg:${ANNA}`);
  anna = json.items[0].id;
}, 300_000);

afterAll(async () => {
  await browser?.close();
  await bridge?.stop();
});

interface Opened {
  page: Page;
  complaints: string[];
}

/** A window at a place of the console, logged in with the key; null: not logged in. */
async function open(place: string, look: Look = {}, key: string | null = DEFAULT_ADMIN_KEY): Promise<Opened> {
  const opened = await openWindow(browser, look);
  // Headless, nobody can choose a file.
  await opened.page.addInitScript('delete globalThis.showSaveFilePicker');
  if (key) await opened.page.addInitScript(`sessionStorage.setItem('console-key', ${JSON.stringify(key)})`);
  await visit(opened.page, place);
  return opened;
}

async function visit(page: Page, place: string): Promise<void> {
  await page.goto(`${bridge.program.url}/console#${place}`);
  // In narrow windows some titles are only read aloud.
  await page.locator('main :is(h1, h2)').first().waitFor({ state: 'attached' });
}

async function close({ page, complaints }: Opened): Promise<void> {
  await page.context().close();
  expect(complaints).toEqual([]);
}

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

async function logIn(page: Page, key: string): Promise<void> {
  await page.getByLabel('Key', { exact: true }).fill(key);
  await button(page, 'Log in').click();
}

describe('the console', { timeout: 300_000 }, () => {
  it('lets in who has a key, and says what is wrong with another', async () => {
    const { page, complaints } = await open('/', {}, null);
    await logIn(page, 'not-the-key');
    await page.getByText('This key is not valid').waitFor();
    await logIn(page, DEFAULT_ADMIN_KEY);
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    expect(await page.evaluate('document.cookie')).toBe('');
    expect(await page.evaluate('JSON.stringify(localStorage)')).not.toContain(DEFAULT_ADMIN_KEY);
    await button(page, 'Log out').click();
    await page.getByLabel('Key', { exact: true }).waitFor();
    expect(await page.evaluate('sessionStorage.length')).toBe(0);
    await page.context().close();
    // The browser itself notes an answer of 401.
    expect(complaints.filter((line) => !line.includes('401'))).toEqual([]);
  });

  it('finds a message by another form of its word, and leads to it in its conversation', async () => {
    const opened = await open('/messages');
    const { page } = opened;
    await page.getByRole('searchbox').fill('бесплатную доставку');
    const found = page.getByRole('link', { name: 'Да, от 1 500 ₽ доставка бесплатная' });
    await found.waitFor();
    expect(await found.locator('mark').allTextContents()).toEqual(['доставка', 'бесплатная']);
    await found.click();
    await page.waitForURL(/#\/chats\//);
    const bubble = page.getByRole('article').filter({ hasText: 'Да, от 1 500 ₽ доставка бесплатная' });
    await bubble.getByRole('img', { name: 'Seen' }).waitFor();
    await page.getByRole('article').filter({ hasText: 'Оформите, пожалуйста' }).getByText('edited').waitFor();
    await bubble.getByRole('button').last().click();
    const story = page.getByRole('dialog');
    await story.getByText('Attempt 1: done').waitFor();
    await story.getByText('Original data (JSON)').click();
    await story.getByText('ONIMCONNECTORMESSAGEADD').first().waitFor();
    await page.keyboard.press('Escape');
    await story.waitFor({ state: 'detached' });
    await close(opened);
  });

  it('opens what was clicked while the words were still being put into the address', async () => {
    const opened = await open('/messages');
    const { page } = opened;
    const found = page.getByRole('link', { name: 'Да, от 1 500 ₽ доставка бесплатная' });
    await found.waitFor();
    // The pages of a conversation take longer than the address does.
    await page.route(/\/assets\/.*\.js/, async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      await route.continue();
    });
    await page.getByRole('searchbox').fill('доставка');
    await found.click();
    await page.waitForURL(/#\/chats\//);
    await close(opened);
  });

  it('shows the end of a conversation, also once its pictures and voices are there', async () => {
    const opened = await open(`/chats/${anna}`);
    const { page } = opened;
    const last = page.getByRole('article').filter({ hasText: 'Трек-номер посылки' });
    await last.waitFor();
    await page.waitForLoadState('networkidle').catch(() => undefined);
    await expect
      .poll(async () => Math.round((await last.boundingBox())!.y + (await last.boundingBox())!.height), {
        timeout: 10_000,
      })
      .toBeLessThanOrEqual(900);
    await close(opened);
  });

  it('sends a failed message again once its cause is gone', async () => {
    bridge.bot.client({ id: PETER, first_name: 'Пётр' }).unblocks();
    const opened = await open('/attention');
    const { page } = opened;
    const row = page.getByRole('listitem').filter({ hasText: 'Пётр, извините за задержку' });
    await row.getByText('bot was blocked').waitFor();
    await row.getByRole('button', { name: 'Send again' }).click();
    await row.waitFor({ state: 'detached' });
    const [message] = await eventually(
      () => bridge.messages('&q=задержку'),
      (items) => items[0]?.['state'] === 'delivered',
    );
    await visit(page, `/chats/${String(message!['chatId'])}?message=${String(message!['id'])}`);
    await page.getByRole('article').filter({ hasText: 'извините' }).getByRole('img', { name: 'Sent' }).waitFor();
    await close(opened);
  });

  it('writes to a client from the conversation, and shows what becomes of it', async () => {
    const opened = await open(`/chats/${anna}`);
    const { page } = opened;
    await page.getByLabel('Message to the client').fill('Written from the console');
    await page.keyboard.press('Enter');
    const bubble = page.getByRole('article').filter({ hasText: 'Written from the console' });
    await bubble.getByRole('img', { name: 'Sent' }).waitFor();
    expect(await bubble.textContent()).toContain('Administrator');
    expect(await page.getByLabel('Message to the client').inputValue()).toBe('');
    await close(opened);
  });

  it('makes a key that may only read, and offers it nothing else', async () => {
    const opened = await open('/keys');
    const { page } = opened;
    await button(page, 'Create a key').first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Guest');
    await dialog.getByRole('button', { name: 'Create a key' }).click();
    const key = await dialog.getByLabel('Key', { exact: true }).inputValue();
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    await page.getByRole('listitem').filter({ hasText: 'Guest' }).getByText('Read only').waitFor();
    await close(opened);

    const guest = await open('/attention', {}, key);
    await guest.page.getByText('ECONNRESET').waitFor();
    expect(await guest.page.getByRole('main').getByRole('button').allTextContents()).not.toContain('Send again');
    expect(await guest.page.getByRole('link', { name: 'Keys' }).count()).toBe(0);
    await visit(guest.page, `/chats/${anna}`);
    await guest.page.getByRole('article').last().waitFor();
    expect(await guest.page.getByLabel('Message to the client').count()).toBe(0);
    for (const [place, seen] of [
      ['/connections?tab=bots', '@shop_bot'],
      ['/connections/portals/1', 'Signature verified'],
    ] as const) {
      await visit(guest.page, place);
      await guest.page.getByText(seen).first().waitFor();
      const buttons = await guest.page.getByRole('main').getByRole('button').allTextContents();
      expect(buttons.filter((name) => /add|regist|remove|edit|off|options/i.test(name))).toEqual([]);
    }
    const features = guest.page.getByRole('region', { name: 'In the CRM' });
    await features.getByText('Panels in chats').waitFor();
    for (const one of await features.getByRole('switch').all()) expect(await one.isDisabled()).toBe(true);
    await close(guest);
  });

  it('switches what a portal has beside the connector, and says what the portal lacks for it', async () => {
    const opened = await open('/connections/portals/1');
    const features = opened.page.getByRole('region', { name: 'In the CRM' });
    await features.getByRole('switch', { name: 'Robots' }).click();
    await features.getByText('Robots: the application lacks the permission “bizproc”', { exact: false }).waitFor();
    await features.getByRole('switch', { name: 'Robots' }).click();
    await opened.page.getByText('Robots: switched off.').first().waitFor();
    await features.getByRole('switch', { name: 'Robots', checked: false }).waitFor();
    await screenshot(opened.page, 'console-features');
    await close(opened);
  });

  it('exports what a filter names', async () => {
    const opened = await open('/messages?q=доставку');
    const { page } = opened;
    await button(page, 'Export').click();
    const dialog = page.getByRole('dialog');
    const download = page.waitForEvent('download');
    await dialog.getByRole('button', { name: 'Export' }).click();
    const csv = await readFile(await (await download).path(), 'utf8');
    expect(csv.split('\n').length).toBeGreaterThan(3);
    expect(csv).toContain('доставка');
    await close(opened);
  });

  it('dismisses nothing, removes nothing and erases nobody without being asked twice', async () => {
    const opened = await open(`/chats/${anna}`);
    const { page } = opened;
    await button(page, 'Actions for this chat').click();
    await page.getByRole('menuitem', { name: 'Erase the client' }).click();
    const dialog = page.getByRole('dialog');
    const erase = dialog.getByRole('button', { name: 'Erase the client' });
    expect(await erase.isDisabled()).toBe(true);
    await dialog.getByRole('textbox').fill(`tg:${ANNA}`);
    expect(await erase.isEnabled()).toBe(true);
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await visit(page, '/connections/portals/1');
    await button(page, 'Remove the portal').click();
    expect(await dialog.getByRole('button', { name: 'Remove the portal' }).isDisabled()).toBe(true);
    await close(opened);
  });

  it('is walked through with the keyboard', async () => {
    const login = await open('/', {}, null);
    expect(await tabStops(login.page, login.page)).toEqual(
      expect.arrayContaining(['Log in', 'EN: English', 'RU: Русский']),
    );
    await close(login);
    const opened = await open('/');
    const stops = await tabStops(opened.page, opened.page);
    expect(stops[0]).toBe('Skip to the content');
    expect(stops).toEqual(expect.arrayContaining(['Chats', 'Doctor', 'Dark', 'Log out', '24 h']));
    expect(stops.filter((name) => name.startsWith('(no name)'))).toEqual([]);
    await visit(opened.page, '/chats');
    await opened.page.getByRole('link', { name: /Анна Смирнова/ }).focus();
    await opened.page.keyboard.press('Enter');
    await opened.page.getByRole('article').first().waitFor();
    await close(opened);
  });

  it('speaks Russian and is dark when the browser is, and as chosen after that', async () => {
    const opened = await open('/', { lang: 'ru', scheme: 'dark' });
    const { page } = opened;
    await page.getByRole('heading', { level: 1, name: 'Обзор' }).waitFor();
    expect(await page.evaluate('document.documentElement.className')).toContain('dark');
    await button(page, 'EN: English').click();
    await button(page, 'Light').click();
    await page.reload();
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    expect(await page.evaluate('document.documentElement.className')).toBe('light');
    await close(opened);
  });

  it('is light to load', async () => {
    const { page, complaints } = await openWindow(browser);
    let bytes = 0;
    const session = await page.context().newCDPSession(page);
    await session.send('Network.enable');
    session.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength));
    await page.goto(`${bridge.program.url}/console`);
    await page.getByLabel('Key', { exact: true }).waitFor();
    const paint = await firstPaint(page);
    const toLogIn = bytes;
    await logIn(page, DEFAULT_ADMIN_KEY);
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    await page.waitForLoadState('networkidle').catch(() => undefined);
    console.log(
      `console: ${Math.round(toLogIn / 1000)} kB to log in, first paint ${Math.round(paint)} ms; ${Math.round(bytes / 1000)} kB with the overview`,
    );
    expect(toLogIn).toBeLessThan(450_000);
    await close({ page, complaints });
  });
});

/** Name of a screenshot → place. */
const places = (): Record<string, string> => ({
  overview: '/',
  portals: '/connections',
  bots: '/connections?tab=bots',
  applications: '/connections?tab=applications',
  portal: '/connections/portals/1',
  chats: '/chats',
  conversation: `/chats/${anna}`,
  messages: '/messages?q=доставка',
  links: '/links',
  answers: '/answers',
  broadcasts: '/broadcasts',
  attention: '/attention',
  doctor: '/doctor',
  audit: '/audit',
  keys: '/keys',
});

/** All of them when somebody wants to look at them; otherwise the two furthest from each other. */
const LOOKS: Look[] = process.env.SCREENSHOTS
  ? (['en', 'ru'] as const).flatMap((lang) =>
      (['light', 'dark'] as const).flatMap((scheme) => [1280, 390, 320].map((width) => ({ lang, scheme, width }))),
    )
  : [
      { lang: 'en', scheme: 'light', width: 1280 },
      { lang: 'ru', scheme: 'dark', width: 320 },
    ];

describe.each(LOOKS)('every page, $lang, $scheme, $width px', { timeout: 600_000 }, (look) => {
  it('has labels, contrast and room', async () => {
    const { page, complaints } = await open('/login', look, null);
    const faults: Record<string, string[]> = {};
    const examine = async (name: string) => {
      await page.waitForLoadState('networkidle').catch(() => undefined);
      await page.waitForTimeout(300);
      await screenshot(page, `console-${name}-${look.lang}-${look.scheme}-${look.width}`);
      const found = [...(await accessibilityFaults(page)), ...(await overflowing(page))];
      if (found.length > 0) faults[name] = found;
    };
    await examine('login');
    await page.evaluate(`sessionStorage.setItem('console-key', ${JSON.stringify(DEFAULT_ADMIN_KEY)})`);
    await page.reload();
    for (const [name, place] of Object.entries(places())) {
      await visit(page, place);
      await examine(name);
    }
    await visit(page, `/chats/${anna}`);
    await page.getByRole('article').last().locator('button').last().click();
    await page.getByRole('dialog').locator('ol').first().waitFor();
    await examine('timeline');
    await visit(page, '/attention');
    await page.getByRole('main').getByRole('button').first().click();
    await page.getByRole('dialog').getByRole('button').last().waitFor();
    await examine('retry');
    await visit(page, '/links');
    await page.getByRole('main').getByRole('listitem').first().getByRole('button').first().click();
    await page.getByRole('dialog').locator('svg, img').first().waitFor();
    await examine('link');
    await page.context().close();
    expect(faults).toEqual({});
    expect(complaints).toEqual([]);
  });
});
