import { describe, expect, it } from 'vitest';
import { readEnvironment } from '../../config/environment.js';
import { BOUND_EVENTS } from '../../connector/install/event-handlers.js';
import type { PortalView } from '../../storage/accounts/portal-views.repository.js';
import type { BotFacts } from '../../storage/history/overview.repository.js';
import {
  answerChecks,
  botChecks,
  environmentChecks,
  handlerCheck,
  installedCheck,
  lineChecks,
  lineStateOf,
  portalChecks,
  queueCheck,
  reachedCheck,
} from './doctor.checks.js';

const portal: PortalView = {
  id: 1n,
  memberId: 'm1',
  domain: 'acme.bitrix24.com',
  clientId: 'local.1',
  connectorId: 'tg_1',
  scope: '',
  language: 'en',
  state: 'active',
  stateReason: null,
  eventsVerified: true,
  retentionDays: null,
  requestsPerSecond: null,
  requestBurst: null,
  installedAt: new Date(0),
  lines: [
    {
      lineId: '1',
      state: 'active',
      operatorName: 'hidden',
      operatorNameTemplate: null,
      welcomeText: null,
      startOpensSession: false,
      welcomeAsksPhone: false,
    },
  ],
  tokens: [],
  bots: [{ id: 2n, username: 'acme_bot', name: 'Acme', lineId: '1' }],
};
const bot: BotFacts = {
  id: 2n,
  username: 'acme_bot',
  mode: 'polling',
  state: 'active',
  stateReason: null,
  portalId: 1n,
  lineId: '1',
  apiRoot: null,
};
const failing = (checks: { id: string; ok: boolean }[]) => checks.filter(({ ok }) => !ok).map(({ id }) => id);

describe('the doctor', () => {
  it('names what the environment lacks, and asks for https unless an own OAuth server is set', () => {
    expect(failing(environmentChecks(readEnvironment({})))).toEqual(['public_url', 'application', 'handler_secret']);
    const local = {
      PUBLIC_URL: 'http://127.0.0.1:8000',
      B24_CLIENT_ID: 'a',
      B24_CLIENT_SECRET: 'b',
      B24_HANDLER_SECRET: 'c',
    };
    expect(failing(environmentChecks(readEnvironment(local)))).toEqual(['public_url']);
    expect(failing(environmentChecks(readEnvironment({ ...local, B24_OAUTH_URL: 'http://127.0.0.1:9001' })))).toEqual(
      [],
    );
  });

  it('gives advice exactly where something is wrong', () => {
    for (const each of [
      ...environmentChecks(readEnvironment({})),
      ...botChecks(bot, [portal], true),
      queueCheck(600),
    ]) {
      expect(each.advice === '').toBe(each.ok);
    }
  });

  it('finds bots that are stuck, and leaves one in peace that is out of service', () => {
    expect(failing(botChecks(bot, [portal], true))).toEqual([]);
    expect(failing(botChecks({ ...bot, state: 'conflict' }, [portal], true))).toEqual(['bot:2:state']);
    expect(failing(botChecks({ ...bot, lineId: null, portalId: null }, [portal], false))).toEqual([
      'bot:2:line',
      'bot:2:driven',
    ]);
    expect(failing(botChecks({ ...bot, state: 'disabled', lineId: null }, [portal], false))).toEqual([]);
  });

  it('finds portals without a valid token and lines without a bot', () => {
    expect(failing(portalChecks({ ...portal, bots: [] }, ['1'], true))).toEqual([
      'portal:1:tokens',
      'portal:1:line:1:bot',
    ]);
    expect(failing(portalChecks({ ...portal, state: 'reauthorise' }, ['1'], true))).toEqual(['portal:1:state']);
  });

  it('wants every event bound to us exactly once', () => {
    const url = 'https://bridge.example.com/b24/handler?secret=s';
    const rows = BOUND_EVENTS.map((event) => ({
      event: event.toUpperCase(),
      handler: url,
      auth_type: '0',
      offline: 0,
    }));
    expect(handlerCheck(portal, rows, url).ok).toBe(true);
    expect(handlerCheck(portal, Object.fromEntries(rows.entries()), url).ok).toBe(true);
    expect(handlerCheck(portal, rows.slice(1), url).ok).toBe(false);
    expect(handlerCheck(portal, [...rows, { ...rows[0], auth_type: '1' }], url).ok).toBe(false);
    expect(handlerCheck(portal, [], undefined).advice).toContain('PUBLIC_URL');
    expect(
      handlerCheck(portal, [...rows, { ...rows[0], handler: 'https://old.example.com/b24/handler?secret=old' }], url)
        .what,
    ).not.toContain('secret');
  });

  it('believes a portal only what it says', () => {
    expect(installedCheck(portal, { INSTALLED: true }).ok).toBe(true);
    expect(installedCheck(portal, { INSTALLED: false }).ok).toBe(false);
    expect(installedCheck(portal, null).ok).toBe(false);
    expect(failing(lineChecks(portal, '1', { STATUS: true }, undefined))).toEqual([]);
    const [inError] = lineChecks(portal, '1', { STATUS: false, CONFIGURED: true, ERROR: true }, undefined);
    expect(inError!.what).toContain('in error');
  });

  it('tells a line without our connector from one that is off and from one that is gone', () => {
    const [on, off] = [true, false].map((enabled) => ({ lineId: '1', name: 'Sales', enabled }));
    const cases = [
      [{ STATUS: true }, on, 'active', []],
      [{ STATUS: true }, undefined, 'active', []],
      [{ STATUS: true }, off, 'inactive', ['portal:1:line:1:enabled']],
      [{ STATUS: true }, null, 'active', []],
      [{ STATUS: false }, on, 'inactive', ['portal:1:line:1:connector']],
      [{ STATUS: false }, null, 'deleted', ['portal:1:line:1:connector']],
    ] as const;
    for (const [status, config, state, wrong] of cases) {
      expect(lineStateOf(status, config)).toBe(state);
      expect(failing(lineChecks(portal, '1', status, config))).toEqual(wrong);
    }
    expect(lineChecks(portal, '1', { STATUS: false }, null)[0]!.advice).toContain('PATCH /admin/bots/2');
  });

  it('finds a portal whose application is not ours, and one that is gone while bots still serve it', () => {
    expect(failing(portalChecks(portal, ['1'], true, null))).toEqual(['portal:1:application', 'portal:1:tokens']);
    const gone: PortalView = { ...portal, state: 'uninstalled' };
    expect(failing(portalChecks(gone, ['1'], true))).toEqual(['portal:1:state']);
    expect(failing(portalChecks({ ...gone, bots: [] }, [], true))).toEqual([]);
  });

  it('says why answers of a bot do not leave, and nothing when they do', () => {
    const none = { botId: 2n, silenced: 0, silentUntil: null, failing: 0, failure: null };
    expect(answerChecks(bot, undefined)).toEqual([]);
    expect(answerChecks(bot, none)).toEqual([]);
    const until = new Date(Date.UTC(2026, 10, 29, 14, 5));
    const both = answerChecks(bot, { ...none, silenced: 3, silentUntil: until, failing: 1, failure: '521: down' });
    expect(both.map(({ id, ok, what }) => [id, ok, what])).toEqual([
      ['bot:2:silenced', false, 'Telegram asked @acme_bot to be silent until 2026-11-29 14:05 UTC; 3 answers wait'],
      ['bot:2:answers', false, '1 answer of @acme_bot tried several times in vain, the oldest because of 521: down'],
    ]);
    expect(answerChecks({ ...bot, state: 'disabled' }, { ...none, failing: 1, failure: 'x' })).toEqual([]);
  });

  it('says since when a bot is ill and why, unless its state says so already', () => {
    const since = new Date('2026-03-01T10:00:00Z');
    const trouble = { code: 'ill', detail: 'ECONNREFUSED: refused', since };
    const told = botChecks(bot, [portal], true, trouble).at(-1)!;
    expect([told.id, told.ok, told.what]).toEqual([
      'bot:2:health',
      false,
      '@acme_bot has been in trouble since 2026-03-01 10:00 UTC: ECONNREFUSED: refused',
    ]);
    const storing = { code: 'storing_fails', detail: '53100: could not extend file', since };
    expect(botChecks(bot, [portal], true, storing).at(-1)).toMatchObject({
      code: 'bot.storing_fails',
      what: expect.stringContaining('53100: could not extend file'),
    });
    expect(failing(botChecks({ ...bot, state: 'conflict' }, [portal], true, trouble))).toEqual(['bot:2:state']);
    expect(failing(botChecks(bot, [portal], false, trouble))).toEqual(['bot:2:driven']);
  });

  it.each([
    [
      'SSL error {error:0A000086:SSL routines::certificate verify failed}',
      'bot.hook_certificate',
      /intermediate certificates/,
    ],
    ['Connection refused', 'bot.hook_fails', /443, 80, 88 or 8443/],
  ])('says what to do about a webhook that Telegram cannot reach: %s', (detail, code, advice) => {
    const found = reachedCheck(bot, { code: 'webhook_failing', username: 'acme_bot', detail });
    expect(found).toMatchObject({ ok: false, code, what: expect.stringContaining(detail) });
    expect(found.advice).toMatch(advice);
  });

  it('calls a queue stuck after five minutes', () => {
    expect([null, 0, 299, 300].map((seconds) => queueCheck(seconds).ok)).toEqual([true, true, true, false]);
  });
});
