import type { PortalView } from '../../storage/accounts/portal-views.repository.js';
import type { FeatureRecord } from '../../storage/crm/portal-features.repository.js';
import type { Check } from './doctor.dto.js';
import { finding } from './finding.js';

/** What somebody wants on the portal and the portal lacks something for; a missing address has a check of its own. */
export function featureChecks(portal: Pick<PortalView, 'id' | 'domain'>, lacking: FeatureRecord[]): Check[] {
  return lacking
    .filter(({ portalId }) => portalId === portal.id)
    .flatMap(({ feature, state, detail }) => {
      const id = `portal:${portal.id}:feature:${feature}`;
      const told = { portal: portal.domain, feature };
      if (state === 'no_scope') return finding(id, 'feature.no_scope', { ...told, scope: detail ?? '' });
      if (state === 'no_plan') return finding(id, 'feature.no_plan', told);
      if (state === 'no_rights') return finding(id, 'feature.no_rights', told);
      return state === 'failed' ? finding(id, 'feature.failed', { ...told, said: detail ?? '' }) : [];
    });
}
