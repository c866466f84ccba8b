/**
 * What Bitrix24 leaves encoded in a text: HTML entities, emoji as the hexadecimal of their four bytes of UTF-8
 * (`:f09f9880:` is 😀; main/lib/text/emoji.php), and smiles as images.
 */
const ENCODED = new RegExp(
  [
    '&(?<name>quot|amp|lt|gt|nbsp|apos);',
    '&#(?<decimal>\\d{2,6});',
    '&#x(?<hexadecimal>[0-9a-f]{2,5});',
    ':(?<emoji>[0-9a-f]{8}):',
    '<img\\b(?<smile>[^<>]*)>',
  ].join('|'),
  'gi',
);
const CHARACTER_OF_ENTITY: Readonly<Record<string, string>> = {
  quot: '"',
  amp: '&',
  lt: '<',
  gt: '>',
  nbsp: '\u00A0',
  apos: "'",
};

/** What Bitrix24 encoded, decoded once. */
export function decode(text: string): string {
  return text.replace(ENCODED, (...match) => {
    const whole: string = match[0];
    const { name, decimal, hexadecimal, emoji, smile }: Record<string, string | undefined> = match.at(-1);
    if (name) return CHARACTER_OF_ENTITY[name.toLowerCase()] ?? whole;
    if (decimal) return String.fromCodePoint(Number(decimal));
    if (hexadecimal) return String.fromCodePoint(parseInt(hexadecimal, 16));
    if (emoji) return decodeEmoji(emoji) ?? whole;
    return decodeSmile(smile ?? '') ?? whole;
  });
}

/** Of eight digits; only characters beyond the first 65,536 are kept so. */
function decodeEmoji(hexadecimal: string): string | undefined {
  const emoji = Buffer.from(hexadecimal, 'hex').toString('utf8');
  return emoji.length === 2 && emoji.codePointAt(0)! > 0xffff ? emoji : undefined;
}

/** An image that stands for a smile; others are somebody's words. */
function decodeSmile(attributes: string): string | undefined {
  const attribute = (name: string) =>
    new RegExp(`\\b${name}=(?:"([^"]*)"|'([^']*)'|([^\\s"'>]+))`, 'i').exec(attributes)?.slice(1).join('');
  const code = attribute('data-code');
  if (code === undefined) return undefined;
  const emoji = /^:?([0-9a-f]{8}):?$/i.exec(code)?.[1];
  return (emoji && decodeEmoji(emoji)) || attribute('alt') || code;
}
