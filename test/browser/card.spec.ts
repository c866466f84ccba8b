import type { Browser, Frame, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CrmRecord } from '../support/bitrix24-simulator/crm-records.js';
import { eventually, type Bridge } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { bridgeWithScopes, choose, CRM_SCOPES, entityOf } from '../support/crm.js';
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

const OPERATOR = 27;

let bridge: Bridge;
let browser: Browser;

beforeAll(async () => {
  [bridge, browser] = await Promise.all([bridgeWithScopes([...CRM_SCOPES, 'placement']), launchBrowser()]);
  bridge.portal.operator({ id: OPERATOR, name: 'Samantha Johnson' });
  await choose(bridge, 'card');
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

/** The card of a lead or deal, with our tab in it. */
async function openTab(record: CrmRecord, look: Look = {}): Promise<Opened> {
  const { page, complaints } = await openWindow(browser, look);
  const placement = record.typeId === 1 ? 'CRM_LEAD_DETAIL_TAB' : 'CRM_DEAL_DETAIL_TAB';
  const options = { placement, entity: record.id, user: OPERATOR, ...(look.lang ? { lang: look.lang } : {}) };
  await page.goto(bridge.portal.frames.pageUrl(bridge.portal.frames.placement(bridge.app, options)));
  const frame = await eventually(
    () => page.frames().find((candidate) => candidate.url().includes('/b24/placements/card')),
    (found) => found !== undefined,
  );
  await frame!.waitForSelector('h1');
  return { page, frame: frame!, complaints };
}

async function inEveryLook(name: string, record: CrmRecord, ready: (frame: Frame) => Promise<unknown>): Promise<void> {
  const faults: Record<string, string[]> = {};
  for (const lang of ['en', 'ru'] as const) {
    const { page, frame, complaints } = await openTab(record, { lang });
    await ready(frame);
    expect(await frame.locator('html').getAttribute('lang')).toBe(lang);
    for (const { scheme, width } of LOOKS.filter((look) => look.lang === lang)) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height: 720 });
      await page.waitForTimeout(500);
      const what = `${name}-${lang}-${scheme}-${width}`;
      await screenshot(page, `card-${what}`);
      faults[what] = [...(await accessibilityFaults(frame)), ...(await overflowing(frame))];
    }
    expect(complaints).toEqual([]);
    await page.context().close();
  }
  expect(faults).toEqual(Object.fromEntries(Object.keys(faults).map((what) => [what, []])));
}

/** A conversation with everything that is shown of one. */
async function longTalk(id: number): Promise<Conversation> {
  const talk = await Conversation.begin(bridge, id, { username: 'ivan_petrov' });
  talk.answers('Good day! [b]How[/b] can I help? https://example.com/catalogue');
  await eventually(
    () => talk.reached.length,
    (count) => count === 1,
  );
  talk.client.sendsFile('photo', {}, { caption: 'Do you have boots like these?' });
  talk.client.sendsFile('document', { fileName: 'sizes-and-colours-of-the-spring-collection.pdf' });
  talk.client.sends('And when could they be here? We are leaving on Friday, so it would have to be before that.');
  await eventually(
    () => talk.dialog.clientMessages.length,
    (count) => count === 4,
  );
  return talk;
}

it('shows the conversation, marks what is new, writes in the employee’s name and follows what comes', async () => {
  const talk = await longTalk(901);
  const { page, frame, complaints } = await openTab(entityOf(bridge, talk));
  const log = frame.getByRole('log', { name: 'Messages' });
  await log.getByText('hello').waitFor();
  await log.getByText('New', { exact: true }).waitFor();
  await log.getByText('Samantha Johnson').first().waitFor();
  const picture = log.locator('img').first();
  await eventually(
    () => picture.evaluate((image: { naturalWidth?: number }) => image.naturalWidth ?? 0),
    (width) => width > 0,
  );
  await frame.getByLabel('Message to the client').fill('On Wednesday,\nat noon.');
  await page.keyboard.press('Enter');
  await log.getByText('On Wednesday,').waitFor();
  await eventually(
    () => talk.reached,
    (texts) => texts.includes('On Wednesday,\nat noon.'),
  );
  expect(await frame.getByLabel('Message to the client').inputValue()).toBe('');
  await log.getByRole('img', { name: 'Sent' }).first().waitFor();
  talk.client.sends('Then I take them');
  await log.getByText('Then I take them').waitFor({ timeout: 20_000 });
  await page.keyboard.press('Tab');
  const stops = await tabStops(page, frame);
  expect(stops).toEqual(expect.arrayContaining(['Messages', 'Message to the client']));
  expect(complaints).toEqual([]);
  await page.context().close();
});

it('sends files with the words, and uploads none of them twice', async () => {
  const talk = await Conversation.begin(bridge, 909);
  const { page, frame, complaints } = await openTab(entityOf(bridge, talk));
  await frame.getByText('hello').waitFor();
  const uploads: string[] = [];
  page.on('request', (request) => {
    if (request.method() === 'PUT') uploads.push(request.url());
  });
  let lost = true;
  await page.route('**/b24/card/api/chats/*/messages', async (route) => {
    if (route.request().method() !== 'POST' || !lost) return route.continue();
    lost = false;
    return route.abort();
  });
  const file = (name: string) => ({ name, mimeType: 'application/pdf', buffer: Buffer.from(`%PDF ${name}`) });
  await frame.getByLabel('Attach files').setInputFiles([file('price.pdf'), file('plan.pdf'), file('wrong.pdf')]);
  await frame.getByRole('button', { name: 'Remove: wrong.pdf' }).click();
  await frame.getByLabel('Message to the client').fill('As promised');
  await screenshot(page, 'card-files');
  expect([...(await accessibilityFaults(frame)), ...(await overflowing(frame))]).toEqual([]);
  await frame.getByRole('button', { name: 'Send' }).click();
  await frame.getByText('Not sent. Your text is still here').waitFor();
  await frame.getByRole('button', { name: 'Send' }).click();
  await eventually(
    () => bridge.telegram.ledger().filter(({ chatId, file: sent }) => chatId === 909 && sent).length,
    (count) => count === 2,
  );
  expect(uploads).toHaveLength(2);
  await frame.getByRole('log', { name: 'Messages' }).getByText('price.pdf').waitFor();
  expect(await frame.getByRole('button', { name: /^Remove/ }).count()).toBe(0);
  expect(complaints.filter((one) => !one.includes('ERR_FAILED'))).toEqual([]);
  await page.context().close();
});

it('keeps what could not be sent, and sends it once when it is tried again', async () => {
  const talk = await Conversation.begin(bridge, 902);
  const { page, frame } = await openTab(entityOf(bridge, talk));
  await frame.getByText('hello').waitFor();
  let lost = true;
  // The service takes it, and its answer is lost.
  await page.route('**/b24/card/api/chats/*/messages', async (route) => {
    if (route.request().method() !== 'POST' || !lost) return route.continue();
    lost = false;
    await route.fetch();
    return route.abort();
  });
  await frame.getByLabel('Message to the client').fill('Once');
  await frame.getByRole('button', { name: 'Send' }).click();
  await frame.getByText('Not sent. Your text is still here').waitFor();
  await frame.getByRole('button', { name: 'Send' }).click();
  await eventually(
    () => frame.getByLabel('Message to the client').inputValue(),
    (text) => text === '',
  );
  await eventually(
    () => talk.reached,
    (texts) => texts.length > 0,
  );
  await page.waitForTimeout(500);
  expect(talk.reached).toEqual(['Once']);
  await page.context().close();
});

it('invites where there is no conversation', async () => {
  const deal = bridge.portal.crm.records.add('DEAL', { fields: { TITLE: 'Boots' } });
  const { page, frame, complaints } = await openTab(deal);
  await frame.getByRole('button', { name: 'Make an invitation link' }).click();
  await frame.getByRole('img', { name: 'QR code' }).waitFor();
  const address = await frame.getByLabel('Invitation link').inputValue();
  expect(address).toMatch(/^https:\/\/t\.me\/shop_bot\?start=[\w-]{22}$/);
  const talk = Conversation.of(bridge, 903);
  talk.client.sends(`/start ${new URL(address).searchParams.get('start')}`);
  talk.client.sends('Here I am');
  await frame.getByText('Here I am').waitFor({ timeout: 60_000 });
  expect(complaints).toEqual([]);
  await page.context().close();
});

it('looks well in every language, colour and width, and names everything', async () => {
  const talk = await longTalk(904);
  const lead = entityOf(bridge, talk);
  await inEveryLook('conversation', lead, (frame) => frame.getByText('leaving on Friday').waitFor());
  // Of several, one can be chosen.
  const other = await Conversation.begin(bridge, 905);
  const activity = bridge.portal.crm.dialogs.activityOf(bridge.portal.chat('tg:905').sessions.at(-1)!.id)!;
  bridge.portal.crm.dialogs.bind(activity, { typeId: 1, id: lead.id });
  const body = { ok: false, error_code: 403, description: 'Forbidden: bot was blocked by the user' };
  bridge.telegram.faults.next('sendMessage', { status: 403, body }, 1, other.toClient);
  other.answers('Are you still there?');
  await other.becomes('Are you still there?', 'failed');
  await bridge.restart();
  await inEveryLook('several', lead, async (frame) => {
    await frame.getByRole('button', { name: 'Client 905' }).click();
    await frame.getByText('Are you still there?').waitFor();
  });
  await inEveryLook('invitation', bridge.portal.crm.records.add('DEAL'), (frame) =>
    frame.getByRole('button', { name: /invitation|приглашение/ }).waitFor(),
  );
});
