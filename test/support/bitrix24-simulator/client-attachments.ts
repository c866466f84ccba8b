import { isArray, isEmpty, text, type Params } from './php-encoding.js';

const FRAME = '-'.repeat(54);
/** English phrases of the imconnector module (`lang/en/lib/connectors/base.php`). */
const FORWARDED = 'Forwarded message: ';
const MAP = 'Map';
const CONTACT_NAME = 'Full name: ';
const CONTACT_PHONE = 'Phone number: ';
const WALL_POST = 'User wall post';
const WALL_DATE = 'from';
const LARGE_FILE =
  '[b]Attention![/b]\n[i]Your contact attempted to send a very large file that we cannot deliver.\n' +
  'Please ask the user to send the file using other means (for example, file hosting service).[/i]\n\n';

/**
 * The text of a client's message together with what the portal writes into it: the undocumented `attachments`
 * (`forward`, `reply`, `location`, `contact`, `wall`, each an element's key) in their order, and the warning for `failed_big_file`.
 */
export function renderedText(message: Params): string {
  const attachments = isArray(message['attachments']) ? Object.values(message['attachments']).filter(isArray) : [];
  const words = attachments.reduce(withAttachment, text(message['text']));
  return isEmpty(message['failed_big_file']) ? words : LARGE_FILE + words;
}

function withAttachment(words: string, { forward, reply, location, contact, wall }: Params): string {
  let result = words;
  if (isArray(forward)) result = framed(`${quotedName(forward)}\n[b]${FORWARDED}[/B]\n${result}`);
  if (isArray(reply)) result = framed(`${quotedName(reply)}\n${result}`);
  if (isArray(location)) result += `\n${place(location)}`;
  if (isArray(contact)) result += labelled(CONTACT_NAME, contact['name']) + labelled(CONTACT_PHONE, contact['phone']);
  if (isArray(wall)) result += `\n${wallPost(wall)}`;
  return result;
}

function framed(words: string): string {
  return `${FRAME}\n${words}\n${FRAME}\n`;
}

/** `Petrov Ivan[03/11/2026 12:53:13 pm]`: the last name first, no space before the date. */
function quotedName({ user, date }: Params): string {
  if (!isArray(user)) return '';
  const name = [user['last_name'], user['name']].map(text).filter((part) => part !== '');
  return name.join(' ') + (isEmpty(date) ? '' : `[${siteDate(Number(text(date)))}]`);
}

function place({ title, text: words, coordinates }: Params): string {
  const { longitude, latitude } = isArray(coordinates) ? coordinates : {};
  const point = `${text(longitude)},${text(latitude)}`;
  const name = [title, words].map(text).filter((part) => part !== '');
  return `${name.join('\n') || MAP}\nhttps://yandex.ru/maps/?ll=${point}&z=14&pt=${point},comma`;
}

function labelled(label: string, value: unknown): string {
  return isEmpty(value) ? '' : `\n${label}${text(value)}`;
}

function wallPost({ url, name, date, text: words }: Params): string {
  const from = isEmpty(date) ? '' : ` ${WALL_DATE} ${siteDate(Number(text(date)))}`;
  const title = WALL_POST + (isEmpty(name) ? '' : ` ${text(name)}`) + from;
  return `[URL=${text(url)}]${title}[/URL]${isEmpty(words) ? '' : `\n${text(words)}`}`;
}

/** As an English portal in UTC+3 writes dates: `03/11/2026 12:53:13 pm`. */
function siteDate(seconds: number): string {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: 'Etc/GMT-3',
    dateStyle: 'short',
    timeStyle: 'medium',
  }).formatToParts(seconds * 1000);
  const part = (type: Intl.DateTimeFormatPartTypes): string => parts.find((one) => one.type === type)?.value ?? '';
  const two = (type: Intl.DateTimeFormatPartTypes): string => part(type).padStart(2, '0');
  const day = `${two('month')}/${two('day')}/${new Date(seconds * 1000).getUTCFullYear()}`;
  return `${day} ${two('hour')}:${two('minute')}:${two('second')} ${part('dayPeriod').toLowerCase()}`;
}
