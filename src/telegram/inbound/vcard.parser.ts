/** What a card says of somebody beside the name. */
export interface CardContents {
  /** As written; one of those that are the same number. */
  phones: string[];
  emails: string[];
  /** The company with its departments, `Acme, Sales`; ''. */
  company: string;
  /** What the person is there; ''. */
  title: string;
}

/** So many of each kind are read: a card of Telegram has at most 2048 bytes (core.telegram.org/bots/api#contact). */
const AT_MOST = 20;

/** `item1.TEL;type=CELL;type="voice,home":` with what it is worth behind it. */
const PROPERTY = /^(?:[\w-]+\.)?([\w-]+)((?:;(?:"[^"]*"|[^":])*)?):(.*)$/s;

/**
 * The card of a shared contact: vCard 2.1 (versit), 3.0 (RFC 2426) or 4.0 (RFC 6350), as phones and their address books
 * write it. Any text may be passed; what cannot be read is left out. Cards within the card are of somebody else.
 */
export function parseVCard(text: string): CardContents {
  const phones = new Map<string, string>();
  const emails = new Map<string, string>();
  let [company, title, depth] = ['', '', 0];
  for (const line of propertiesOf(text)) {
    const [, name = '', parameters = '', value = ''] = PROPERTY.exec(line) ?? [];
    const property = name.toUpperCase();
    if (property === 'BEGIN') depth++;
    else if (property === 'END') depth--;
    else if (depth > 1 || !/^(?:TEL|EMAIL|ORG|TITLE)$/.test(property)) continue;
    else {
      const words = decoded(value, parameters);
      const said = readable(words);
      if (property === 'TEL') keep(phones, phoneOf(said), digitsOf);
      if (property === 'EMAIL') keep(emails, said.replace(/^mailto:|\s/gi, ''), (email) => email.toLowerCase());
      if (property === 'ORG') company ||= partsOf(words).join(', ');
      if (property === 'TITLE') title ||= said;
    }
  }
  return { phones: [...phones.values()], emails: [...emails.values()], company, title };
}

/** The digits of a phone number, by which two ways to write it are known as the same. */
export function digitsOf(phone: string): string {
  return phone.replace(/\D/g, '');
}

function keep(found: Map<string, string>, value: string, keyOf: (value: string) => string): void {
  const key = keyOf(value) || value;
  if (value !== '' && found.size < AT_MOST && !found.has(key)) found.set(key, value);
}

/** The lines of the card, with those put together that were folded. */
function propertiesOf(text: string): string[] {
  const isOld = /^VERSION:2/im.test(text);
  const properties: string[][] = [];
  let goesOn = false;
  for (const line of text.split(/\r\n|\r|\n/)) {
    const isFolded = /^[ \t]/.test(line);
    const last = properties.at(-1);
    // Version 2.1 breaks lines at their spaces, the later ones anywhere, with a space of their own.
    if (last && (goesOn || isFolded)) last.push(isFolded && !goesOn && !isOld ? line.slice(1) : line);
    else properties.push([line]);
    // In quoted-printable text `=` at the end of a line says that it goes on.
    goesOn = line.endsWith('=') && (goesOn || /^[^:]*QUOTED-PRINTABLE/i.test(line));
    if (goesOn) properties.at(-1)!.push(properties.at(-1)!.pop()!.slice(0, -1));
  }
  return properties.map((parts) => parts.join(''));
}

function decoded(value: string, parameters: string): string {
  if (!/QUOTED-PRINTABLE/i.test(parameters)) return value;
  const charset = /;CHARSET="?([^";]+)/i.exec(parameters)?.[1] ?? 'utf-8';
  return value.replace(/(?:=[0-9a-f]{2})+/gi, (bytes) =>
    decoderOf(charset).decode(Buffer.from(bytes.replaceAll('=', ''), 'hex')),
  );
}

function decoderOf(charset: string): InstanceType<typeof TextDecoder> {
  try {
    return new TextDecoder(charset.trim());
  } catch {
    // A character set that nobody knows: most cards are in UTF-8.
    return new TextDecoder();
  }
}

/** `tel:+7-900;ext=5` (RFC 3966) as people write it. */
function phoneOf(said: string): string {
  const [, number = '', parameters = ''] = /^tel:([^;]*)(.*)$/i.exec(said) ?? ['', said];
  const extension = /;ext=(\d+)/i.exec(parameters)?.[1];
  return extension === undefined ? number.trim() : `${number.trim()} ext. ${extension}`;
}

/** The parts of a value of several, between semicolons that are not escaped. */
function partsOf(value: string): string[] {
  const parts = value.match(/(?:\\.|[^;\\])+/gs) ?? [];
  return parts.map(readable).filter((part) => part !== '');
}

function readable(value: string): string {
  return value
    .replace(/\\([\\,;:nN])/g, (_, sign: string) => (/n/i.test(sign) ? ' ' : sign))
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim();
}
