import { asNumber, asObject, asText, type JsonObject } from '../../common/json-fields.js';

/** The id of a channel or supergroup in the Bot API is its own id, negative and below this. */
const CHANNELS_BELOW = -1_000_000_000_000;

/**
 * The link of a post in a channel or of a message in a supergroup (core.telegram.org/api/links, message links); of a
 * private one only its members can follow it. '' where there is none. Any JSON may be passed.
 */
export function postLink(chat: unknown, messageId: unknown): string {
  const id = asNumber(asObject(chat).id) ?? 0;
  if (!isOrdinal(messageId)) return '';
  const username = usernameOf(asObject(chat));
  if (username !== '') return `https://t.me/${username}/${messageId}`;
  return Number.isSafeInteger(id) && id < CHANNELS_BELOW ? `https://t.me/c/${CHANNELS_BELOW - id}/${messageId}` : '';
}

/** The link of a `Story` (core.telegram.org/api/links, story links); '' of who has no public name. */
export function storyLink(story: unknown): string {
  const { chat, id } = asObject(story);
  const username = usernameOf(asObject(chat));
  return username !== '' && isOrdinal(id) ? `https://t.me/${username}/s/${id}` : '';
}

function usernameOf({ username }: JsonObject): string {
  return /^\w{1,64}$/.test(asText(username)) ? asText(username) : '';
}

function isOrdinal(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
