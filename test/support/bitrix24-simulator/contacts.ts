/** What the CRM tracker found in a client's dialog and wrote to the client's record. */
export interface FoundContacts {
  phones: string[];
  emails: string[];
}

const FRAMED_QUOTE = /-{54}.+?-{54}/gs;
/** `PhoneNumber\Parser::getValidNumberPattern` (main/lib/phonenumber/parser.php). */
const PHONE = /\+?(?:[-/.\s()[\]~;#,]*\d){3,}[-/.\s()[\]~;#,\d]*/g;
/** `Tools\Email::parseText` (imopenlines/lib/tools/email.php). */
const EMAIL = /[a-z0-9._-]+@[a-z0-9._-]+\.[a-z0-9_-]+/gi;

/**
 * `Tracker::trackMessage` (imopenlines/lib/tracker.php of yuliai/bitrix-modules), which `Connector::addMessage` calls for
 * every text, author 0 included, unless `disable_crm` is "Y". Whether a number is one is decided there by the plans of
 * all countries; here 10 to 15 digits are.
 */
export function contactsIn(text: string): FoundContacts {
  const searched = prepared(text);
  const phones = [...searched.matchAll(PHONE)].map(([found]) => found.replace(/\D/g, ''));
  const emails = [...searched.matchAll(EMAIL)].map(([found]) => found.toLowerCase());
  return {
    phones: [...new Set(phones.filter(({ length }) => length >= 10 && length <= 15).map((digits) => `+${digits}`))],
    emails: [...new Set(emails)],
  };
}

/** `Tracker::prepareMessage`: links, buttons and framed quotes are left out; `>>` lines are not. */
function prepared(text: string): string {
  return text
    .replace(/\[[buis]\](.*?)\[\/[buis]\]/gi, '$1')
    .replace(/\[url(?:=[^\]]*)?\].*?\[\/url\]/gis, '')
    .replace(/(?<=^|[\s.,;:!?#\-*|[\](){}])(?:(?:https?|ftp|mailto|tel):\/\/|www\.)[._:a-z0-9@-][^\s"{}]*/gi, '')
    .replace(/\[(?:USER|CHAT)=\d+\](.*?)\[\/(?:USER|CHAT)\]/gi, '$1')
    .replace(/\[(SEND|PUT|CALL|PCH)(?:=.+?)?\](?:.+?)?\[\/\1\]/gi, ' ')
    .replace(/\[ATTACH=\d+\]|\[ICON=[^\]]*\]/gi, ' ')
    .replaceAll('#BR#', ' ')
    .replace(FRAMED_QUOTE, ' ');
}
