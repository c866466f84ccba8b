import { describe, expect, it } from 'vitest';
import type { FeatureRecord } from '../../storage/crm/portal-features.repository.js';
import { featureChecks } from './feature.checks.js';

const portal = { id: 3n, domain: 'acme.bitrix24.com' };
const lacking = (more: Partial<FeatureRecord>): FeatureRecord => ({
  portalId: 3n,
  feature: 'robots',
  wanted: true,
  state: 'no_plan',
  detail: null,
  stamp: null,
  settings: {},
  attempts: 0,
  checkedAt: null,
  claimedUntil: null,
  ...more,
});

describe('what a portal wants and lacks', () => {
  it('is said in one sentence, with what to do', () => {
    const checks = featureChecks(portal, [
      lacking({ state: 'no_scope', feature: 'sms', detail: 'messageservice' }),
      lacking({}),
      lacking({ state: 'failed', detail: 'TIMEOUT: late' }),
      lacking({ state: 'no_address' }),
      lacking({ portalId: 4n }),
    ]);
    expect(checks.map(({ ok, code, what }) => [ok, code, what])).toEqual([
      [
        false,
        'feature.no_scope',
        'acme.bitrix24.com: messages from the CRM need the permission “messageservice”, which the application lacks',
      ],
      [false, 'feature.no_plan', 'acme.bitrix24.com: the plan does not include what robots need'],
      [false, 'feature.failed', 'acme.bitrix24.com: robots could not be registered (TIMEOUT: late)'],
    ]);
  });
});
