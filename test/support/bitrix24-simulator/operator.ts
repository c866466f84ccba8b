import type { LineMessage, OperatorContent } from './open-lines.js';
import type { Portal } from './portal.js';

/** An employee who answers in the open-line chats. */
export class Operator {
  constructor(
    private readonly portal: Portal,
    readonly id: number,
  ) {}

  /** Writes into a dialog; throws when the channel is not configured, as the messenger refuses to save the message. */
  sends(dialog: string | number, content: OperatorContent): LineMessage {
    const { text = '', files = [] } = typeof content === 'string' ? { text: content } : content;
    if (text === '' && files.length === 0) throw new Error('An empty message cannot be sent.');
    const stored = files.map((file) => this.portal.lines.addFile(file.name, file.mime, Buffer.from(file.content)));
    return this.portal.lines.addOperatorMessage(this.portal.chat(dialog), this.id, text, stored, { userId: this.id });
  }

  /** Corrects a message; `message` may be its id. */
  edits(message: LineMessage | number, text: string): void {
    this.portal.lines.editMessage(this.portal.message(message), text, this.id);
  }

  deletes(message: LineMessage | number): void {
    this.portal.lines.deleteMessage(this.portal.message(message), this.id);
  }

  /** Silent mode: the client must not see it, so the connector is not told. */
  whispers(dialog: string | number, text: string): LineMessage {
    const chat = this.portal.chat(dialog);
    chat.members.add(this.id);
    return this.portal.lines.store(chat, { author: 'operator', authorId: this.id, text, whisper: true });
  }
}
