export function digitsOf(text: string): string {
  return text.replace(/\D/g, '');
}

/** `https://a.example/i.png size=20 title=Big smile`: what a smile says. */
export function titleOf(value: string): string {
  const [, title = ''] = /(?:^|\s)title=(.*)$/i.exec(value) ?? [];
  return unquoted(title.replace(/ (?:width|height|size)=.*$/i, ''));
}

export function unquoted(value: string): string {
  return value.trim().replace(/^(["'])(.*)\1$/, '$2');
}

export function withoutEdgeBreaks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text[start] === '\n') start++;
  while (end > start && text[end - 1] === '\n') end--;
  return text.slice(start, end);
}

/**
 * Where a link leads, as it was written: as Telegram does, an address that begins with a domain gets `http://`, and
 * white space is encoded.
 */
export function linkTarget(url: string): string {
  const encoded = url.trim().replace(/\s/g, '%20');
  return /^[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+(?:[:/?#]|$)/u.test(encoded) ? `http://${encoded}` : encoded;
}

/** Unix seconds as `2026-03-11 22:13 UTC`; the time zone of the reader is not known here. */
export function formatTimestamp(value: string): string {
  const date = new Date(parseInt(value, 10) * 1000);
  return Number.isNaN(date.getTime()) ? '' : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
