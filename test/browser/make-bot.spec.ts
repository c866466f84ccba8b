import type { Browser, Frame, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import type { SimulatedBot } from '../support/telegram-simulator/simulated.bot.js';
import {
  accessibilityFaults,
  launchBrowser,
  type Look,
  LOOKS,
  openWindow,
  overflowing,
  screenshot,
} from './browser.js';

const MANAGER_TOKEN = '555000111:MANAGER-token_of_the_test_0123456789a';

let bridge: Bridge;
let browser: Browser;
let manager: SimulatedBot;

beforeAll(async () => {
  [bridge, browser] = await Promise.all([
    Bridge.start({
      environment: { TG_BOT_TOKEN: undefined, B24_LINE_ID: undefined, TG_MANAGER_BOT_TOKEN: MANAGER_TOKEN },
      installed: false,
    }),
    launchBrowser(),
  ]);
  manager = bridge.telegram.addBot({ token: MANAGER_TOKEN, username: 'maker_bot', managesBots: true });
  bridge.portal.addLine({ id: '8', name: 'Support' });
  bridge.portal.addLine({ id: '9', name: 'Поддержка' });
});
afterAll(async () => {
  await browser?.close();
  await bridge?.stop();
});

const managerReady = () =>
  eventually(
    async () => (await bridge.program.admin('GET', '/bot-requests/manager')).json,
    ({ ready }) => ready === true,
    20_000,
  );

async function openSettings(
  line: string,
  look: Look = {},
): Promise<{ page: Page; frame: Frame; complaints: string[] }> {
  const { page, complaints } = await openWindow(browser, look);
  const { portal, app, connectorId } = bridge;
  const options = { connector: connectorId, line, ...(look.lang ? { lang: look.lang } : {}) };
  await page.goto(portal.frames.pageUrl(portal.frames.settings(app, options)));
  const frame = await eventually(
    () => page.frames().find((candidate) => candidate.url().includes('/b24/settings')),
    (found) => found !== undefined,
  );
  await frame!.waitForSelector('h1');
  return { page, frame: frame!, complaints };
}

/** What a person presses on their way, for the budget of the test. */
const steps: string[] = [];

/** The phone of a person who has scanned the code. */
class Phone {
  readonly client;
  constructor(id: number, language_code: string) {
    this.client = manager.client({ id, first_name: 'Anna', language_code });
  }

  scans(url: string): void {
    steps.push('scan the code', 'press Start');
    this.client.starts(new URL(url).searchParams.get('start')!);
  }

  async makes(username: string): Promise<SimulatedBot> {
    const offer = (await this.client.receives(1, 10_000)).at(-1)!;
    const button = offer.reply_markup!.inline_keyboard[0]![0] as { text: string; url: string };
    steps.push(`press “${button.text}”`, 'press Create');
    return bridge.telegram.managedBots.create(this.client.profile, bridge.telegram.managedBots.open(button.url), {
      username,
    });
  }
}

const telegramLink = async (frame: Frame, name: string) =>
  (await frame.getByRole('link', { name, exact: true }).getAttribute('href'))!;

it('leads a new user from the installation to the first message in a few steps and seconds', async () => {
  const began = performance.now();
  steps.push('install the application');
  await bridge.install();
  await managerReady();
  steps.push('open the tile in Contact Center', 'choose the line');
  const { page, frame, complaints } = await openSettings(LINE);
  steps.push('press “Make a bot”');
  await frame.getByRole('button', { name: 'Make a bot' }).click();
  await frame.getByAltText('QR code that opens Telegram').waitFor();
  const phone = new Phone(9_001, 'en');
  phone.scans(await telegramLink(frame, 'Open Telegram'));
  const made = await phone.makes('new_users_bot');
  // The page goes on by itself.
  await frame.getByRole('link', { name: '@new_users_bot' }).waitFor();
  await frame.getByText('Messages flow both ways').waitFor();
  steps.push('press “Send a test message”', 'write to the bot');
  expect(await frame.getByRole('link', { name: 'Send a test message' }).getAttribute('href')).toBe(
    'https://t.me/new_users_bot',
  );
  const client = made.client({ id: 9_001, first_name: 'Anna' });
  client.starts();
  client.sends('Is this thing on?');
  await eventually(
    () => bridge.portal.dialog('tg:9001').messages.map(({ text }) => text),
    (texts) => texts.some((text) => text.includes('Is this thing on?')),
    15_000,
  );
  expect(complaints).toEqual([]);
  expect(steps.length).toBeLessThanOrEqual(10);
  // What the program itself takes of the two minutes.
  expect(performance.now() - began).toBeLessThan(30_000);
  await page.context().close();
});

it('shows each state in every look: offered, waiting, opened', async () => {
  const faults: Record<string, string[]> = {};
  const inLooks = async (name: string, lang: 'en' | 'ru', page: Page, frame: Frame) => {
    for (const { scheme, width } of LOOKS.filter((look) => look.lang === lang)) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height: 900 });
      await page.waitForTimeout(500);
      const what = `make-bot-${name}-${lang}-${scheme}-${width}`;
      await screenshot(page, what);
      faults[what] = [...(await accessibilityFaults(frame)), ...(await overflowing(frame))];
    }
  };
  for (const [line, lang, make, open, anew, pasted, token] of [
    ['8', 'en', 'Make a bot', 'Open Telegram', 'Make a new link', 'I have a bot: paste its token', 'Bot token'],
    [
      '9',
      'ru',
      'Создать бота',
      'Открыть Telegram',
      'Создать новую ссылку',
      'У меня уже есть бот: вставить его токен',
      'Токен бота',
    ],
  ] as const) {
    const { page, frame, complaints } = await openSettings(line, { lang });
    await inLooks('offered', lang, page, frame);
    expect(await frame.getByLabel(token).isVisible()).toBe(false);
    await frame.getByText(pasted).click();
    expect(await frame.getByLabel(token).isVisible()).toBe(true);
    await frame.getByText(pasted).click();
    await frame.getByRole('button', { name: make }).click();
    await frame.locator('[data-making="waiting"]').waitFor();
    await inLooks('waiting', lang, page, frame);
    const phone = new Phone(lang === 'en' ? 9_101 : 9_102, lang);
    phone.scans(await telegramLink(frame, open));
    await frame.locator('[data-making="waiting"]').waitFor({ state: 'detached' });
    await inLooks('opened', lang, page, frame);
    // Whoever closed Telegram begins anew.
    await frame.getByRole('button', { name: anew }).click();
    await frame.locator('[data-making="waiting"]').waitFor();
    expect(complaints).toEqual([]);
    await page.context().close();
  }
  expect(faults).toEqual(Object.fromEntries(Object.keys(faults).map((what) => [what, []])));
});
