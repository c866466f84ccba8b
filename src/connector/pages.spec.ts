import { describe, expect, it } from 'vitest';
import { Problem } from '../common/problem.js';
import { installPage } from './install/install.page.js';
import { contentSecurityPolicy } from './pages/layout.js';
import { problemPage } from './pages/problem.page.js';
import { outsidePage, statusPage } from './settings/settings.page.js';

const EVIL = '<script>alert("1")</script>';
const BAD = { ok: false, steps: [{ step: EVIL, ok: false, detail: EVIL }] };
const GOOD = { ok: true, steps: [{ step: 'event.bind', ok: true, detail: 'bound' }] };
const FINISH = { library: '//api.bitrix24.com/api/v1/', nonce: 'n0' };

describe('pages', () => {
  it('end the installation at once, or after what failed could be read', () => {
    const page = (report: typeof GOOD) =>
      installPage({ lang: 'en', connectorName: 'Telegram', portal: 'acme', report, finish: FINISH });
    expect(page(GOOD)).toContain('BX24.installFinish()');
    expect(page(GOOD)).toContain('<script nonce="n0" src="//api.bitrix24.com/api/v1/">');
    expect(page(BAD)).toMatch(/setTimeout\(function\(\)\{BX24\.installFinish\(\);\},12000\)/);
  });

  it('never show markup that came from outside', () => {
    const pages = [
      installPage({ lang: 'en', connectorName: EVIL, portal: EVIL, report: BAD }),
      statusPage({
        lang: 'ru',
        connectorName: EVIL,
        portal: EVIL,
        state: 'reauthorise',
        stateReason: EVIL,
        lines: [{ lineId: EVIL, on: true, bot: { name: EVIL, username: null } }],
      }),
      outsidePage('ru', EVIL),
      problemPage('en', new Problem(400, EVIL, EVIL)),
      problemPage('en', new Problem(400, 'oauth_error', 'x', { error: EVIL })),
    ];
    for (const page of pages) {
      expect(page).not.toContain('<script>alert');
      expect(page).toMatch(/^<!doctype html><html lang="(en|ru)">/);
    }
  });

  it('say what to do, in the reader’s language', () => {
    const problem = new Problem(403, 'not_administrator', 'detail');
    expect(problemPage('en', problem)).toContain('Only an administrator');
    expect(problemPage('ru', problem)).toContain('только администратор');
    expect(problemPage('ru', new Problem(503, 'not_configured', 'x', { missing: ['B24_DOMAIN'] }))).toContain(
      'B24_DOMAIN',
    );
  });

  it('may be framed by one portal, or by nobody', () => {
    expect(contentSecurityPolicy({ frameAncestor: 'https://acme.bitrix24.com' })).toContain(
      'frame-ancestors https://acme.bitrix24.com',
    );
    expect(contentSecurityPolicy()).toContain(`frame-ancestors 'none'`);
    expect(contentSecurityPolicy()).toContain(`script-src 'none'`);
    expect(contentSecurityPolicy({ nonce: 'n0' })).toContain(`script-src 'nonce-n0'`);
  });
});
