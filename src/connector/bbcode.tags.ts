// The tags of Bitrix24's chats: REST documentation, chats/messages/formatting.md.
export const BARE = 'b|i|u|s|like|dislike|\\*';
const OPTIONAL_VALUE = 'url|quote|img|list|put|send|call';
export const VALUED = `${OPTIONAL_VALUE}|user|chat|size|color|font|context|dialog|pch`;
export const VOID = 'icon|disk|attach|timestamp|rating';

/** A line that begins with it is quoted. */
export const QUOTE_PREFIX = '>>';
