import { UpstreamError } from '../../common/upstream-error.js';
import type { InlineKeyboardMarkup } from '@grammyjs/types';
import { languageOf } from '../../common/language.js';
import type { KeyboardRemoval } from '../../storage/work/buttons.js';
import { join, plain, type RichText } from '../../relay/rich-text.js';
import { CLIENT_WORDS } from '../client-words.js';
import { keyboardAsWords, shownKeyboard } from '../markup/reply-markup.js';
import { sendFormatted, sendText, underneath } from './formatted-words.js';
import { captionOf, textsOf, wordsAbove, type Heading } from './message-plan.js';
import { DONE, later, type Outgoing, type Progress } from './outgoing.js';
import { TELEGRAM_CAPTION_LIMIT, TELEGRAM_TEXT_LIMIT } from '../markup/telegram-markup.js';
import { isRefusal, refusal, unreachableReason } from '../api/telegram-problems.js';
import type { RefusalCode } from '../api/telegram-refusals.js';
import type { BotApi } from '../api/telegram.client.js';

/** Most messages deleted in one call (core.telegram.org/bots/api#deletemessages). */
const DELETED_AT_ONCE = 100;

/**
 * Gives a message its newer words: edits its texts one by one, deletes surplus ones and sends missing ones; a file gets
 * the words as its caption. May be repeated, except that nothing is sent anew when an earlier attempt may have sent it.
 * Its buttons are those that the message has now.
 */
export async function editMessage(outgoing: Outgoing, words: RichText, heading: Heading | null): Promise<Progress> {
  const { chat, delivery } = outgoing;
  const { keyboard, attachments } = delivery.message;
  // No other keyboard can be changed, and none is lost by an edit.
  if (keyboard?.type !== 'buttons') return edit(outgoing, words, heading, null);
  const asWords = join([words, keyboardAsWords(keyboard)], '\n');
  const bears = bearerOf(outgoing) !== undefined || attachments.length <= 1;
  const shown = shownKeyboard(keyboard, { ...chat, language: languageOf(chat.language) });
  if (!bears || shown.markup === null) return edit(outgoing, asWords, heading, null);
  try {
    return await edit(outgoing, join([words, shown.words], '\n'), heading, shown.markup as InlineKeyboardMarkup);
  } catch (error) {
    if (!isRefusal(error, 'keyboard_refused')) throw error;
    return edit(outgoing, asWords, heading, null);
  }
}

async function edit(
  outgoing: Outgoing,
  words: RichText,
  heading: Heading | null,
  markup: InlineKeyboardMarkup | null,
): Promise<Progress> {
  const { chat, delivery, sent } = outgoing;
  const attached = delivery.message.attachments.length;
  const [file] = sent.between(0, attached);
  const texts = sent.between(attached);
  const above = markup ? plain(CLIENT_WORDS[languageOf(chat.language)].choose) : undefined;
  if (texts.length > 0) return editTexts(outgoing, textsOf(wordsAbove(words, above), heading), texts, attached, markup);
  if (file) return editCaption(outgoing, captionOf(words, heading), file.id, markup);
  throw refusal('message_gone', 'Telegram has nothing of this message.');
}

/** Takes the buttons away, but for lasting ones, and leaves the words; where the client sees none any more it is done. */
export async function removeKeyboard(outgoing: Outgoing): Promise<Progress> {
  const { api, target, delivery, chat } = outgoing;
  const { keyboard } = delivery.message;
  const lasting = keyboard && shownKeyboard(keyboard, { ...chat, language: languageOf(chat.language) }).markup;
  const { pressedUnder } = delivery.payload as unknown as KeyboardRemoval;
  const id = pressedUnder ?? bearerOf(outgoing);
  if (id === undefined) return DONE;
  return paced(outgoing, 1, async () => {
    try {
      await target.change((params) =>
        api.calls.editMessageReplyMarkup({
          ...params,
          message_id: Number(id),
          ...underneath(lasting as InlineKeyboardMarkup | null),
        }),
      );
    } catch (error) {
      const isGone = isRefusal(error, 'not_modified', 'message_gone', 'edit_refused');
      if (!isGone && unreachableReason(error) === undefined) throw error;
    }
  });
}

/** Telegram's id of the part under which a keyboard stands; undefined: under an album there can be none. */
function bearerOf({ delivery, sent }: Outgoing): bigint | undefined {
  const attached = delivery.message.attachments.length;
  const last = sent.between(attached).at(-1) ?? (attached === 1 ? sent.between(0, 1)[0] : undefined);
  return last?.id;
}

/** Takes a message back: all of it, or those of its parts that the payload names. */
export function deleteMessage(outgoing: Outgoing): Promise<Progress> {
  const { delivery, sent } = outgoing;
  const named = delivery.payload?.['telegramMessageIds'] as (string | number)[] | undefined;
  const ids = named?.map(BigInt) ?? sent.between(0).map(({ id }) => id);
  const calls = Math.ceil(ids.length / DELETED_AT_ONCE);
  return paced(outgoing, calls, () => deleteAll(outgoing, ids));
}

function editCaption(
  outgoing: Outgoing,
  words: RichText | null,
  id: bigint,
  markup: InlineKeyboardMarkup | null,
): Promise<Progress> {
  if (words === null) throw refusal('caption_too_long', 'The words are too long to stand under a file.');
  const { api, target } = outgoing;
  return paced(outgoing, 1, () =>
    unlessModified(
      sendFormatted(words, TELEGRAM_CAPTION_LIMIT, ({ text: caption, entities: caption_entities }) =>
        target.change((params) =>
          api.calls.editMessageCaption({
            ...params,
            message_id: Number(id),
            caption,
            caption_entities,
            ...underneath(markup),
          }),
        ),
      ),
    ),
  );
}

function editTexts(
  outgoing: Outgoing,
  words: RichText[],
  texts: { part: number; id: bigint }[],
  attached: number,
  markup: InlineKeyboardMarkup | null,
): Promise<Progress> {
  const { delivery, sent } = outgoing;
  if (words.length === 0 && sent.parts.size === texts.length) throw refusal('empty', 'There is no text to send.');
  const surplus = texts.slice(words.length);
  const added = words.slice(texts.length);
  if (added.length > 0 && delivery.unknown) throw uncertainEnd('An earlier attempt may have sent it.');
  const under = (index: number) => (index === words.length - 1 ? markup : null);
  return paced(outgoing, words.length + Math.min(1, surplus.length), async () => {
    for (const [index, text] of words.slice(0, texts.length).entries()) {
      await editText(outgoing, text, texts[index]!.id, under(index));
    }
    for (const [index, text] of added.entries()) {
      const at = texts.length + index;
      await sendAdded(outgoing, text, attached + at, under(at));
    }
    if (surplus.length === 0) return;
    await deleteAll(
      outgoing,
      surplus.map(({ id }) => id),
    );
    for (const { part } of surplus) sent.remove(part);
  });
}

function editText(
  { api, target }: Outgoing,
  words: RichText,
  id: bigint,
  markup: InlineKeyboardMarkup | null,
): Promise<void> {
  return unlessModified(
    sendFormatted(words, TELEGRAM_TEXT_LIMIT, (formatted) =>
      target.change((params) =>
        api.calls.editMessageText({ ...params, message_id: Number(id), ...formatted, ...underneath(markup) }),
      ),
    ),
  );
}

async function sendAdded(
  { api, target, sent }: Outgoing,
  words: RichText,
  part: number,
  markup: InlineKeyboardMarkup | null,
): Promise<void> {
  try {
    sent.add([part], [await sendText(api, target, words, markup)]);
  } catch (error) {
    // A change may be repeated, a message may not.
    if (error instanceof UpstreamError && error.kind === 'unknown') throw uncertainEnd(error.detail);
    throw error;
  }
}

/** A message that no longer exists counts as deleted. */
async function deleteAll({ api, target }: Outgoing, ids: bigint[]): Promise<void> {
  for (let at = 0; at < ids.length; at += DELETED_AT_ONCE) {
    const message_ids = ids.slice(at, at + DELETED_AT_ONCE).map(Number);
    await target.change(async ({ chat_id, business_connection_id }) => {
      const [message_id, second] = message_ids;
      if (business_connection_id !== undefined) return deleteOfBusiness(api, business_connection_id, message_ids);
      if (second !== undefined) return api.calls.deleteMessages({ chat_id, message_ids });
      return unless('message_gone', api.calls.deleteMessage({ chat_id, message_id: message_id! }));
    });
  }
}

/** They are deleted together only while all of them exist. */
async function deleteOfBusiness(api: BotApi, business_connection_id: string, message_ids: number[]): Promise<void> {
  try {
    await api.calls.deleteBusinessMessages({ business_connection_id, message_ids });
  } catch (error) {
    if (!isRefusal(error, 'message_gone')) throw error;
    if (message_ids.length === 1) return;
    for (const id of message_ids) await deleteOfBusiness(api, business_connection_id, [id]);
  }
}

function unlessModified(change: Promise<unknown>): Promise<void> {
  return unless('not_modified', change);
}

/** A refusal with this code means that nothing is left to do. */
async function unless(code: RefusalCode, change: Promise<unknown>): Promise<void> {
  try {
    await change;
  } catch (error) {
    if (!isRefusal(error, code)) throw error;
  }
}

/** Asks for all calls of a change at once: it starts anew each time, so otherwise it might never end. */
async function paced({ turn }: Outgoing, calls: number, change: () => Promise<void>): Promise<Progress> {
  const grant = turn.take(calls, performance.now());
  if (!grant.granted) return later(grant.retryAfterMs);
  try {
    await change();
  } finally {
    for (let answered = 0; answered < calls; answered++) turn.answered(performance.now());
  }
  return DONE;
}

function uncertainEnd(detail: string): UpstreamError {
  return refusal('edit_uncertain', detail);
}
