// The tags of Bitrix24's texts: REST documentation, chats/messages/formatting.md; the messenger's parser
// (im/install/js/im/v2/lib/parser) and text parser (main/classes/general/textparser.php), in which the portal writes
// robots' and other modules' texts, too.
export const BARE = 'b|i|u|s|like|dislike|\\*|p|left|center|right|justify|tr|td|th';
const OPTIONAL_VALUE = 'url|quote|img|list|put|send|call|table|spoiler|cut|video';
export const VALUED = `${OPTIONAL_VALUE}|user|chat|size|color|font|context|dialog|pch|project|department`;
export const VOID = 'icon|disk|file|attach|document|timestamp|rating';

/** A line that begins with it is quoted. */
export const QUOTE_PREFIX = '>>';
/** The messenger frames a quotation in two lines of so many dashes (chats/messages/formatting.md). */
export const QUOTE_FRAME = '-'.repeat(54);
