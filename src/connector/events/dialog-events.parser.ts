import type { SessionNews } from '../../storage/work/sessions.js';
import type { EventEnvelope } from './event.parser.js';
import { elementsOf, fieldsOf, scalar } from '../../bitrix/php-values.reader.js';

export const DIALOG_START = 'ONIMCONNECTORDIALOGSTART';
export const DIALOG_FINISH = 'ONIMCONNECTORDIALOGFINISH';

/**
 * Sessions that began or ended, of our connector's dialogs (yuliai/bitrix-modules, imopenlines/lib/connector.php,
 * preparationDataOnSession). What names no chat or session tells nothing.
 */
export function parseSessionEvent({ name, data }: EventEnvelope, connectorId: string): SessionNews[] {
  const fields = fieldsOf(data) ?? {};
  return elementsOf(fields.DATA).flatMap((element) => {
    const told = fieldsOf(element) ?? {};
    const connector = fieldsOf(told.connector) ?? {};
    const own = (scalar(connector.connector_id) ?? scalar(fields.CONNECTOR) ?? '').toLowerCase();
    const externalChatId = scalar(connector.chat_id) ?? scalar(fieldsOf(told.chat)?.id);
    const lineId = scalar(connector.line_id) ?? scalar(fields.LINE);
    const sessionId = scalar(fieldsOf(told.session)?.id) ?? '';
    const known = own === connectorId.toLowerCase() && externalChatId && lineId && /^[1-9]\d{0,18}$/.test(sessionId);
    return known ? [{ externalChatId, lineId, sessionId, open: name === DIALOG_START }] : [];
  });
}
