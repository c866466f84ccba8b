import { idOf, word } from '../../bitrix/php-values.reader.js';
import type { Frame } from '../../connector/install/frame.parser.js';
import type { CrmEntity } from '../entities/crm-entity.js';
import { parseDocument } from '../entities/document.parser.js';

/** What a frame stands in: the card of something in the CRM, or a chat of the messenger by its number there. */
export type FrameSubject = { entity: CrmEntity } | { dialog: string };

/** `CRM_DEAL_DETAIL_TAB`, `CRM_DYNAMIC_183_DETAIL_TAB`: the type stands in the name, the id in the options. */
const CARD = /^CRM_(.+)_DETAIL_(?:TAB|TOOLBAR)$/;

/**
 * As the form says, which proves nothing. `unsaved`: the card of something that the CRM does not have yet; null: none of
 * the places that we know.
 */
export function subjectOf({ name, options }: Frame['place']): FrameSubject | 'unsaved' | null {
  const [, type] = CARD.exec(name) ?? [];
  if (type !== undefined) {
    const id = idOf(options.ID);
    // The middle of the name is what documents of business processes are called.
    const entity = parseDocument(`${type}_${id ?? 1}`);
    if (!entity) return null;
    return id === undefined ? 'unsaved' : { entity };
  }
  if (!name.startsWith('IM_')) return null;
  const [, dialog] = /^chat([1-9]\d{0,17})$/.exec(word(options.dialogId) ?? '') ?? [];
  return dialog === undefined ? null : { dialog };
}
