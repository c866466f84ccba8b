/** Fewer digits are no number of a person: an extension, a service. */
const DIGITS_AT_LEAST = 9;
/** International numbers have no more (ITU-T E.164). */
const DIGITS_AT_MOST = 15;
/** A number as people write it: signs that stand inside one, but none that stands between two. */
const WRITTEN = /\d(?:[ \t\u00A0().\-‐-―~]*\d)*/g;
/** What is dialled before a number abroad, or within the country, and is no part of it; 8 in Russia and Kazakhstan. */
const DIALLED_BEFORE = /^(?:810|011|00|0|8(?=\d{10}$))/;

/**
 * The numbers in a text, in their order, as digits alone: a field of the CRM holds several with commas between them, and
 * extensions behind them. Each in all ways in which it may end a number with its country, the longest first.
 */
export function phoneNumbersIn(text: string): string[][] {
  return [...text.normalize('NFKC').matchAll(WRITTEN)]
    .map(([written]) => written.replace(/\D/g, ''))
    .map((digits) => [digits, digits.replace(DIALLED_BEFORE, '')])
    .map((endings) => [...new Set(endings)].filter(isNumber))
    .filter((endings) => endings.length > 0);
}

const isNumber = ({ length }: string) => length >= DIGITS_AT_LEAST && length <= DIGITS_AT_MOST;
