/**
 * REST methods of Bitrix24 that carry messages (apidocs.bitrix24.com, "imconnector"), in lower case, as the table
 * rest_limits names them.
 */
export const SEND_MESSAGES = 'imconnector.send.messages';
export const UPDATE_MESSAGES = 'imconnector.update.messages';
export const DELETE_MESSAGES = 'imconnector.delete.messages';
export const REPORT_DELIVERY = 'imconnector.send.status.delivery';
