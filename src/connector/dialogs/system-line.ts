import type { RestCommand } from '../../bitrix/rest.types.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';

/**
 * Writes a line of the system into a dialog, past the connector: it is no word of an employee, touches no session and
 * never comes back to us as an event (im/classes/general/im_rest.php, messageAdd: SYSTEM, SKIP_CONNECTOR).
 */
export function systemLine(bitrixChatId: string | null, text: string): RestCommand {
  const params = { DIALOG_ID: `chat${bitrixChatId}`, MESSAGE: text, SYSTEM: 'Y', SKIP_CONNECTOR: 'Y' };
  return { method: 'im.message.add', params: { ...params, URL_PREVIEW: 'N' } };
}

/** Whether the application may ask for it; a portal that never told its scope is asked. */
export function mayWriteSystemLines({ scope }: PortalRecord): boolean {
  return scope === '' || scope.split(',').includes('im');
}
