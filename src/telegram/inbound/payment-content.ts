import type { MessageEntity } from '@grammyjs/types';
import { join, type RichText } from '../../relay/rich-text.js';
import { asId, asList, asNumber, asObject, asText } from '../../common/json-fields.js';
import { fromEntities } from '../markup/telegram-markup.js';
import type { MessageLabels } from './message-labels.js';
import { lines, named, spaced, titled, withDetails } from './message-wording.js';

/** How much there is to see, and for how many Stars. */
export function readPaidMedia(value: unknown, labels: MessageLabels): string {
  const { star_count: stars, paid_media: media } = asObject(value);
  const count = asList(media).length;
  return withDetails(labels.paidMedia, [count > 0 ? `×${count}` : '', starCount(stars)].filter(Boolean).join(', '));
}

export function readInvoice(value: unknown, labels: MessageLabels): string {
  return lines(withDetails(titled(labels.invoice, value), amount(value)), asText(asObject(value).description));
}

export function readGift(value: unknown, labels: MessageLabels): RichText {
  const { gift, text, entities } = asObject(value);
  const { sticker, star_count: stars } = asObject(gift);
  const emoji = asText(asObject(sticker).emoji);
  const words = fromEntities(asText(text), entities as MessageEntity[]);
  return join([withDetails(spaced(labels.gift, emoji), starCount(stars)), words], '\n');
}

export function readUniqueGift(value: unknown, labels: MessageLabels): RichText {
  const { gift, text, entities } = asObject(value);
  const { base_name: name, number } = asObject(gift);
  const title = asNumber(number) === undefined ? asText(name) : spaced(asText(name), `#${asId(number)}`);
  return join([named(labels.gift, title), fromEntities(asText(text), entities as MessageEntity[])], '\n');
}

export function readGiveaway(label: string, value: unknown, labels: MessageLabels): string {
  const { winner_count: winners, prize_description: prize } = asObject(value);
  const count = asId(winners);
  return lines(withDetails(label, count === '' ? '' : `${labels.winners}: ${count}`), asText(prize));
}

function starCount(value: unknown): string {
  const stars = asNumber(value);
  return stars === undefined ? '' : `${stars} ⭐`;
}

/** `total_amount` counts the smallest units of the currency; XTR are Telegram Stars. */
export function amount(value: unknown): string {
  const { currency, total_amount: total } = asObject(value);
  const code = asText(currency);
  const units = asNumber(total);
  if (units === undefined) return '';
  if (code === 'XTR') return starCount(units);
  if (!/^[A-Z]{3}$/.test(code)) return spaced(String(units), code);
  const { maximumFractionDigits = 2 } = new Intl.NumberFormat('en', {
    style: 'currency',
    currency: code,
  }).resolvedOptions();
  return `${(units / 10 ** maximumFractionDigits).toFixed(maximumFractionDigits)} ${code}`;
}
