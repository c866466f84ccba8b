import { storedCard } from './cards.js';
import { HIDDEN_MESSAGE, type LineMessage, type OperatorContent } from './open-lines.js';
import type { MessageFile } from './portal-files.js';
import type { Portal } from './portal.js';

const QUOTE_FRAME = '-'.repeat(54);
const MONTHS = 'January February March April May June July August September October November December'.split(' ');
/** What the messenger writes for a file that it cannot quote. */
const FILE_LABELS: Record<MessageFile['type'], string> = {
  image: 'Photo',
  video: 'Video',
  audio: 'Audio message',
  file: 'File',
};

/** How a quote looks: framed by dashes, or as `>>` lines; the framed one may refer to the message it quotes. */
export interface QuoteStyle {
  shape?: 'frame' | 'lines';
  /** Where `#chat12/345` stands: behind the date as the messenger puts it, on a line of its own, or nowhere. */
  reference?: 'header' | 'line' | 'none';
}

/** An employee who answers in the open-line chats. */
export class Operator {
  constructor(
    private readonly portal: Portal,
    readonly id: number,
  ) {}

  /** Writes into a dialog; throws when the channel is not configured, as the messenger refuses to save the message. */
  sends(dialog: string | number, content: OperatorContent): LineMessage {
    const {
      text = '',
      files = [],
      attach = [],
      params = {},
    } = typeof content === 'string' ? { text: content } : content;
    if (text === '' && files.length === 0 && attach.length === 0 && params['url'] === undefined)
      throw new Error('An empty message cannot be sent.');
    const chat = this.portal.chat(dialog);
    const stored = files.map((file) => this.portal.files.add(file));
    const part = { text, files: stored, attach: attach.map(storedCard), params };
    return this.portal.lines.addOperatorMessage(chat, this.id, part, { userId: this.id });
  }

  /** Answers with a quotation of a message of the dialog; `message` may be its id. */
  quotes(message: LineMessage | number, answer: OperatorContent, style: QuoteStyle = {}): LineMessage {
    const quoted = this.portal.message(message);
    const parts = typeof answer === 'string' ? { text: answer } : answer;
    return this.sends(quoted.chatId, { ...parts, text: `${this.quotationOf(quoted, style)}${parts.text ?? ''}` });
  }

  /**
   * "Reply" of the current messenger: only the parameter REPLY_ID says what is answered (yuliai/bitrix-modules,
   * im/lib/V2/Message/Send/FieldsValidationService.php, checkReply), which must be a message of the same chat.
   */
  replies(message: LineMessage | number, text: string): LineMessage {
    const answered = this.portal.message(message);
    return this.sends(answered.chatId, { text, params: { REPLY_ID: answered.id } });
  }

  /** Records a voice message in the messenger: a file without words. */
  recordsVoice(dialog: string | number, content: Buffer | string, mime = 'audio/mpeg'): LineMessage {
    const name = `voice_message_${this.portal.clock.seconds()}.${mime === 'audio/ogg' ? 'ogg' : 'mp3'}`;
    return this.sends(dialog, { files: [{ name, mime, content }] });
  }

  /** Corrects an own message; throws where the messenger does not let anybody. */
  edits(message: LineMessage | number, text: string): void {
    this.portal.lines.editMessage(this.portal.message(message), text, this.id);
  }

  /** Deletes an own message, or a client's where the connector allows it (DEL_EXTERNAL_MESSAGES). */
  deletes(message: LineMessage | number): void {
    this.portal.lines.deleteMessage(this.portal.message(message), this.id);
  }

  /** Puts a reaction on a message, by its name in the messenger: `like`, `redHeart`. */
  reacts(message: LineMessage | number, reaction: string): void {
    this.portal.messengerEvents.react(this.portal.message(message), this.id, reaction, 'add');
  }

  /** Takes it back. */
  unreacts(message: LineMessage | number, reaction: string): void {
    this.portal.messengerEvents.react(this.portal.message(message), this.id, reaction, 'delete');
  }

  /** Silent mode: the client must not see it, so the connector is not told. */
  whispers(dialog: string | number, text: string): LineMessage {
    const chat = this.portal.chat(dialog);
    chat.members.add(this.id);
    return this.portal.lines.store(chat, {
      author: 'operator',
      authorId: this.id,
      text,
      params: HIDDEN_MESSAGE,
      whisper: true,
    });
  }

  private quotationOf(message: LineMessage, { shape = 'frame', reference = 'header' }: QuoteStyle): string {
    const words = [asQuoted(message.text), ...message.files.map(labelOf)].filter((line) => line !== '').join('\n');
    if (shape === 'lines') return `${words.replace(/^/gm, '>>')}\n`;
    const target = `#chat${message.chatId}/${message.id}`;
    const header = `${this.nameOf(message)} [${this.dateOf(message)}]`;
    const head = { header: `${header} ${target}`, line: `${header}\n${target}`, none: header }[reference];
    return `${QUOTE_FRAME}\n${head}\n${words}\n${QUOTE_FRAME}\n`;
  }

  private nameOf(message: LineMessage): string {
    if (message.author === 'system') return 'System message';
    const client = [...this.portal.lines.clients.values()].find(({ id }) => id === message.authorId);
    const { name = '', lastName = '' } = client ?? this.portal.users.get(message.authorId) ?? {};
    return `${name} ${lastName}`.trim();
  }

  /** `today, 14:05`; `May 3, 14:05`. */
  private dateOf({ at }: LineMessage): string {
    const [then, now] = [new Date(at), new Date(this.portal.clock.now())];
    const sameDay = then.toDateString() === now.toDateString();
    const time = `${String(then.getHours()).padStart(2, '0')}:${String(then.getMinutes()).padStart(2, '0')}`;
    return `${sameDay ? 'today' : `${MONTHS[then.getMonth()]} ${then.getDate()}`}, ${time}`;
  }
}

/** `Parser.prepareQuote` (im.v2.lib.parser): a quote or code within what is quoted is only named. */
function asQuoted(words: string): string {
  return words
    .replace(/\[code\][^]*?\[\/code\]/gi, '[Code] ')
    .replace(/-{54}[^]*?-{54}/g, '[Quote] ')
    .replace(/^>>.*/gm, '[Quote] ')
    .trim();
}

function labelOf({ type, name }: MessageFile): string {
  return type === 'file' ? `[${FILE_LABELS[type]}: ${name}]` : `[${FILE_LABELS[type]}]`;
}
