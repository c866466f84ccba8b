import { isIPv6 } from 'node:net';

/** What hosts and users of a link may be made of: `check_url_part` of tdlib/td, tdutils/td/utils/HttpUrl.cpp. */
const SIGN = "(?:[\\w.\\-!$,~*'();&+=]|[^\\0-\\x7F]|%[0-9a-f]{2})";
const WEB = new RegExp(
  `^(?<scheme>https?://)?(?<user>(?:${SIGN}|:)*@)?(?:(?<name>${SIGN}+)|\\[(?<number>[0-9a-f:.]+)\\])(?::(?<port>\\d+))?(?:[/?#].*)?$`,
  'is',
);
/** Links into Telegram and TON have a bare host (`LinkManager::check_link_impl`, td/telegram/LinkManager.cpp). */
const TELEGRAMS_OWN = /^(?:(?:tg|ton):(?:\/\/)?[\w-]+|tonsite:(?:\/\/)?(?!\.(?:[/?#]|$))[\w.-]+)(?:[/?#].*)?$/is;
/** A link without a scheme is one only when it begins as web addresses do: Telegram reads `mailto:a@b.example` as http. */
const WITH_DOMAIN = /^[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+(?:[:/?#]|$)/u;
const LARGEST_PORT = 65_535;

/** Telegram takes these out of links or turns them into spaces. */
// oxlint-disable-next-line no-control-regex
const UNSAFE = /[\0-\x20\x7F\u200E\u200F\u2028-\u202E]|\u0333|\u033F|\u030A/g;

/**
 * The link as Telegram takes it for the `url` of a text_link and opens it as it was meant. Null for every other one:
 * Telegram would refuse the whole message for it, or lead to another site.
 */
export function telegramLink(url: string): string | null {
  const link = url.trim();
  if (TELEGRAMS_OWN.test(link)) return encoded(link);
  const { scheme, user, name, number, port } = WEB.exec(link)?.groups ?? {};
  const isHost = number === undefined ? name !== undefined && /[^.]/.test(name) && name.includes('.') : isIPv6(number);
  const isPort = port === undefined || (Number(port) > 0 && Number(port) <= LARGEST_PORT);
  if (!isHost || !isPort) return null;
  if (scheme !== undefined) return encoded(link);
  return user === undefined && WITH_DOMAIN.test(link) ? encoded(`http://${link}`) : null;
}

/** True when these words tell where the link leads, so that it need not stand beside them. */
export function tellsWhere(words: string, url: string): boolean {
  const number = /^(?:tel|callto|sms):(.*)$/is.exec(url.trim())?.[1]?.replace(/\D/g, '') ?? '';
  if (number !== '') return words.replace(/\D/g, '').includes(number);
  const address = url.trim().toLowerCase();
  // People leave these out when they write an address.
  const bare = address.replace(/^(?:https?:\/\/|mailto:)/, '').replace(/\/$/, '');
  return words.toLowerCase().includes(bare || address);
}

function encoded(link: string): string {
  return link.replace(UNSAFE, encodeURIComponent);
}
