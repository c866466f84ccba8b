import { concat, plain, withMark, type RichText } from '../../relay/rich-text.js';
import { asObject, asText, type JsonObject } from '../../common/json-fields.js';
import type { MessageLabels } from './message-labels.js';
import { spaced } from './message-wording.js';
import { chatName, personName } from './person-name.js';
import { postLink } from './post-links.js';

/** `Forwarded from …`; blank for what was not forwarded. */
export function forwardLine(
  { forward_origin: origin, is_automatic_forward: automatic }: JsonObject,
  labels: MessageLabels,
) {
  // A channel's post in its discussion group: the channel speaks for itself.
  if (origin === undefined || automatic === true) return plain('');
  return concat(`${labels.forwardedFrom} `, linked(originName(origin) || labels.unknownSender, originLink(origin)));
}

/** The post that a `MessageOrigin` names; '' of all that is no post of a channel. */
export function originLink(value: unknown): string {
  const { chat, message_id: id } = asObject(value);
  return postLink(chat, id);
}

/** The inline bot whose result was sent. */
export function viaLine(message: JsonObject): string {
  const username = asText(asObject(message.via_bot).username);
  return username === '' ? '' : `via @${username}`;
}

/** The author of a `MessageOrigin`. */
export function originName(value: unknown): string {
  const origin = asObject(value);
  const name =
    asText(origin.sender_user_name) || personName(origin.sender_user) || chatName(origin.sender_chat ?? origin.chat);
  const signature = asText(origin.author_signature).trim();
  return signature === '' ? name : spaced(name, `(${signature})`);
}

/** The words with a link on them, where there is one. */
export function linked(words: string, url: string): RichText {
  return url === '' ? plain(words) : withMark(words, 'link', { url });
}
