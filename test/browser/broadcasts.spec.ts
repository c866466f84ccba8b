import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { DEFAULT_ADMIN_KEY } from '../support/program.js';
import { accessibilityFaults, launchBrowser, LOOKS, openWindow, overflowing, screenshot } from './browser.js';

const CLIENTS = 12;
let bridge: Bridge;
let browser: Browser;

beforeAll(async () => {
  [bridge, browser] = await Promise.all([
    Bridge.start({
      bitrix24: { limits: false },
      environment: { B24_REQUESTS_PER_SECOND: '1000' },
      oneProcess: 'a browser looks at one',
    }),
    launchBrowser(),
  ]);
  for (let id = 1; id <= CLIENTS; id++) bridge.bot.client({ id, first_name: `Client ${id}` }).sends('hello');
  for (let id = 1; id <= CLIENTS; id++) await bridge.portal.dialog(`tg:${id}`).receives(1, 30_000);
  // Its file is gone: it pauses, and says why.
  const file = bridge.portal.files.add({ name: 'catalogue.pdf', mime: 'application/pdf', content: 'x' });
  bridge.portal.files.remove(file);
  const body = { name: 'Catalogue', text: 'Our new catalogue', file: file.downloadLink };
  const { json } = await bridge.program.admin('POST', '/broadcasts', body);
  await bridge.program.admin('POST', `/broadcasts/${json.id}/start`);
  await eventually(
    async () => (await bridge.program.admin('GET', `/broadcasts/${json.id}`)).json.pauseReason,
    (reason) => reason === 'file_unavailable',
  );
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await bridge?.stop();
});

const NAMES = {
  en: {
    create: 'New broadcast',
    name: 'Name',
    text: 'Text',
    save: 'Save',
    test: 'Send a test: Sale',
    send: 'Send: Client 12',
    start: 'Start',
    report: 'Report: Sale',
    close: 'Close',
    clients: `${CLIENTS} clients, takes less than a minute`,
    delivered: 'Delivered',
  },
  ru: {
    create: 'Новая рассылка',
    name: 'Название',
    text: 'Текст',
    save: 'Сохранить',
    test: 'Пробное сообщение: Sale',
    send: 'Отправить: Client 12',
    start: 'Запустить',
    report: 'Отчёт: Sale',
    close: 'Закрыть',
    clients: `${CLIENTS} клиентов, займёт меньше минуты`,
    delivered: 'Доставлено',
  },
};

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

it.each(LOOKS)(
  'is written, tried, started and reported: $lang, $scheme, $width',
  { timeout: 120_000 },
  async (look) => {
    const { lang, scheme, width } = look;
    const say = NAMES[lang];
    const { page, complaints } = await openWindow(browser, look);
    await page.addInitScript(`sessionStorage.setItem('console-key', ${JSON.stringify(DEFAULT_ADMIN_KEY)})`);
    await page.goto(`${bridge.program.url}/console#/broadcasts`);
    const shot = async (name: string) => {
      await screenshot(page, `broadcasts-${name}-${lang}-${scheme}-${width}`);
      expect(await accessibilityFaults(page), name).toEqual([]);
      expect(await overflowing(page), name).toEqual([]);
    };

    await button(page, say.create).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel(say.name, { exact: false }).first().fill('Sale');
    await dialog.getByLabel(say.text, { exact: true }).fill(`[b]Sale[/b] for you\nOnly until Sunday.`);
    await dialog.getByText(say.clients).waitFor();
    await dialog.locator('input[type=file]').setInputFiles({
      name: 'Prices for May.pdf',
      mimeType: 'application/pdf',
      buffer: Buffer.from('x'.repeat(70_000)),
    });
    await dialog.getByText('Prices for May.pdf').waitFor();
    await shot('form');
    await button(page, say.save).click();
    await dialog.waitFor({ state: 'detached' });

    await button(page, say.test).click();
    await dialog.getByRole('searchbox').fill('Client 12');
    await button(page, say.send).waitFor();
    await shot('test');
    await button(page, say.send).click();
    await dialog.waitFor({ state: 'detached' });

    await page.getByRole('button', { name: `${say.start}: Sale` }).click();
    await dialog.getByText(String(CLIENTS)).first().waitFor();
    await shot('start');
    await dialog.getByRole('button', { name: say.start, exact: true }).click();
    await dialog.waitFor({ state: 'detached' });

    await button(page, say.report).first().click();
    await eventually(
      () => dialog.locator('dd').first().innerText(),
      (count) => count === String(CLIENTS),
      30_000,
    );
    await dialog.getByText(say.delivered, { exact: true }).waitFor();
    await shot('report');
    await button(page, say.close).first().click();
    await dialog.waitFor({ state: 'detached' });
    await shot('list');
    await page.context().close();
    expect(complaints).toEqual([]);
    // For the next look there is nothing again.
    const { json } = await bridge.program.admin('GET', '/broadcasts');
    for (const { id, name } of json.items) {
      if (name === 'Sale') await bridge.program.admin('DELETE', `/broadcasts/${id}`);
    }
  },
);
