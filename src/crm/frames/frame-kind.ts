import type { Language } from '../../common/language.js';
import type { WebPage } from '../../common/web-page.js';
import type { FeatureName } from '../../storage/crm/portal-features.repository.js';
import type { FrameSubject } from './frame-place.parser.js';
import type { Viewer } from './frame-sessions.js';

/** One page of ours that portals show in their own: `POST /b24/placements/<kind>`. */
export interface FrameKind {
  readonly kind: string;
  /** One of these the portal must want. */
  readonly features: readonly FeatureName[];
  readonly page: WebPage['name'];
  isAbout(subject: FrameSubject): boolean;
  title(language: Language): string;
  /** Throws {@link Problem} unless the viewer may see it; answers what the page knows from the start beside its session. */
  open(viewer: Viewer): Promise<Record<string, unknown>>;
}
