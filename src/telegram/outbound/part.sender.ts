import { Injectable } from '@nestjs/common';
import { languageOf } from '../../common/language.js';
import type { UpstreamError } from '../../common/upstream-error.js';
import { FILES_LEFT_OUT, type LeftOutFile } from '../../relay/endpoint-driver.js';
import { concat, join, plain, type RichText } from '../../relay/rich-text.js';
import { faultOf, isFileRefused, isRefusal, refusal } from '../api/telegram-problems.js';
import { isBroadcast } from '../../storage/work/own-words.js';
import { CLIENT_WORDS } from '../client-words.js';
import { keyboardAsWords, shownKeyboard, type ReplyMarkup } from '../markup/reply-markup.js';
import { TELEGRAM_CAPTION_LIMIT, TELEGRAM_TEXT_LIMIT } from '../markup/telegram-markup.js';
import { sendText } from './formatted-words.js';
import { MediaSender, type ReadyFile } from './media.sender.js';
import { planMessage, type Heading, type PlannedCall } from './message-plan.js';
import { DONE, later, type Outgoing, type Progress } from './outgoing.js';

const REPEATED = { ru: '(возможно, повтор)', en: '(possibly repeated)' };

/** The content of an operator's message: its words, the line with its author's name, its files that can be sent. */
export interface Saying {
  words: RichText;
  heading: Heading | null;
  files: ReadyFile[];
}

/** Sends an operator's message call by call, and only what Telegram does not have of it yet. */
@Injectable()
export class PartSender {
  constructor(private readonly media: MediaSender) {}

  /** Plans anew after every call, because a file that Telegram does not take may have had the words for its caption. */
  async send(outgoing: Outgoing, { words, heading, files }: Saying): Promise<Progress> {
    const { api, turn, target, sent, delivery, leftOut } = outgoing;
    const { attachments, replyTo, keyboard } = delivery.message;
    const language = languageOf(outgoing.chat.language);
    if (sent.parts.size === 0) target.answers(replyTo);
    let mark = delivery.unknown ? REPEATED[language] : null;
    let under = keyboard && shownKeyboard(keyboard, { ...outgoing.chat, language });
    let captioned = true;
    /** Messages that the turn has granted and that no call has used. */
    let unused = 0;
    for (;;) {
      if (leftOut.length > 0 && sent.parts.size === 0 && isBroadcast(delivery.message.kind))
        throw nothingToSend(leftOut);
      const left = files.filter(({ ordinal }) => !leftOut.some((file) => file.ordinal === ordinal));
      const attached = attachments.length;
      const [next] = planMessage({
        words: under ? join([words, under.words], '\n') : words,
        heading,
        attached,
        files: left,
        sent: sent.parts,
        captioned,
        ...(under?.markup ? { aboveKeyboard: plain(CLIENT_WORDS[language].choose) } : {}),
      });
      if (!next) break;
      const { before, call } = mark === null ? { before: null, call: next } : markedAsRepeated(next, mark);
      const messages = call.parts.length + (before ? 1 : 0);
      if (messages > unused) {
        const grant = turn.take(messages - unused, performance.now());
        if (!grant.granted) return later(grant.retryAfterMs);
        unused = messages;
      }
      let used = messages;
      try {
        if (before) {
          await sendText(api, target, before);
          mark = null;
        }
        await this.perform(outgoing, call, files, (call.keyboard && under?.markup) || null);
        mark = null;
      } catch (error) {
        if (call.keyboard && under?.markup && isRefusal(error, 'keyboard_refused')) {
          // Nothing of it was sent: its buttons are read with the words.
          under = { markup: null, words: keyboardAsWords(keyboard!) };
        } else if (call.type === 'text' || !call.caption || faultOf(error) !== 'words') {
          throw error;
        } else {
          // Telegram does not accept the words as a caption, so they go as a message of their own.
          captioned = false;
        }
        used = before ? 1 : 0;
      } finally {
        for (let answered = 0; answered < used; answered++) turn.answered(performance.now());
        unused -= used;
      }
    }
    if (sent.parts.size === 0) throw nothingToSend(leftOut);
    return DONE;
  }

  private async perform(
    outgoing: Outgoing,
    call: PlannedCall,
    files: ReadyFile[],
    markup: ReplyMarkup | null,
  ): Promise<void> {
    const { api, target, sent, leftOut } = outgoing;
    if (call.type === 'text') return sent.add(call.parts, [await sendText(api, target, call.words, markup)]);
    const group = call.parts.map((part) => files.find(({ ordinal }) => ordinal === part)!);
    const sending = { ...outgoing, botId: outgoing.chat.botId };
    const album = group.length > 1 ? await this.media.sendAlbum(sending, group, call.caption) : 'one_by_one';
    if (album !== 'one_by_one') return sent.add(call.parts, album);
    let { caption } = call;
    for (const file of group) {
      try {
        sent.add([file.ordinal], [await this.media.sendOne(sending, file, caption, markup)]);
        caption = null;
      } catch (error) {
        if (!isFileRefused(error)) throw error;
        leftOut.push({ ordinal: file.ordinal, name: file.name, code: error.code, detail: error.detail });
      }
    }
  }
}

/** UNCERTAIN_POLICY=resend repeats a part once, and says so: before its words, or ahead of them when they fill a message. */
function markedAsRepeated(call: PlannedCall, mark: string): { before: RichText | null; call: PlannedCall } {
  const words = call.type === 'text' ? call.words : call.caption;
  const marked = words === null ? plain(mark) : concat(plain(`${mark}\n`), words);
  const limit = call.type === 'text' ? TELEGRAM_TEXT_LIMIT : TELEGRAM_CAPTION_LIMIT;
  if (marked.text.length > limit) return { before: plain(mark), call };
  return { before: null, call: call.type === 'text' ? { ...call, words: marked } : { ...call, caption: marked } };
}

function nothingToSend(leftOut: LeftOutFile[]): UpstreamError {
  if (leftOut.length === 0) return refusal('empty', 'There is no text to send.');
  const files = leftOut.map((file) => `${file.name}: ${file.code} (${file.detail})`);
  return refusal(FILES_LEFT_OUT, files.join('; '));
}
