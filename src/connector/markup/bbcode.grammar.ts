/**
 * The signs of Bitrix24's texts, each of them once: what reads, writes and quotes BBCode is made of these. Sources: REST
 * documentation, chats/messages/formatting.md; the messenger's parser (im/install/js/im/v2/lib/parser) and text parser
 * (main/classes/general/textparser.php), in which the portal writes robots' and other modules' texts, too. Constants
 * that are texts are parts of regular expressions.
 */

/** Tags without a value. */
export const BARE = 'b|i|u|s|like|dislike|\\*|p|left|center|right|justify|tr|td|th';
const OPTIONAL_VALUE = 'url|quote|img|list|put|send|call|table|spoiler|cut|video';
/** Tags that have, or may have, a value. */
export const VALUED = `${OPTIONAL_VALUE}|user|chat|size|color|font|context|dialog|pch|project|department`;
/** Tags that enclose nothing. */
export const VOID = 'icon|disk|file|attach|document|timestamp|rating';
/** What opens, or closes, a code block, in which no other sign counts but line breaks. */
export const CODE_TAG = '\\[(\\/?)code\\]';

/** Line breaks that count in code, too. */
export const PLAIN_BREAK = '\\r\\n?|\\n';
/** Line breaks of BBCode, which are words of the code in code. */
export const WRITTEN_BREAK = '\\[br *\\/?\\]|#BR#';

/** A line that begins with it is quoted. */
export const QUOTE_PREFIX = '>>';
/** The same as the portal encodes it. */
export const ENCODED_QUOTE_PREFIX = '&gt;&gt;';
/** The messenger frames a quotation in two lines of so many dashes (chats/messages/formatting.md). */
export const QUOTE_FRAME = '-'.repeat(54);

const REFERENCE = /^#(?:chat)?\d+(?::\d+)?\/(\d+)$/;

/** What a frame quotes, as the messenger names it in the header: a click follows it. */
export function makeReference(bitrixChatId: string, bitrixMessageId: string): string {
  return `#chat${bitrixChatId}/${bitrixMessageId}`;
}

/** The message of a reference: `#chat12/345`, `#3:4/345`. Undefined: it is none. */
export function parseReference(text: string): string | undefined {
  return REFERENCE.exec(text)?.[1];
}
