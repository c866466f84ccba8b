import type { Chat, LineMessage, OpenLines } from './open-lines.js';
import { beginsToClose, type Session } from './sessions.js';

/** A dialog as a test names it; it need not exist yet. */
export class Dialog {
  constructor(
    private readonly lines: OpenLines,
    /** The connector's `chat.id`, a user code, or an internal chat id. */
    readonly name: string | number,
  ) {}

  get chat(): Chat | undefined {
    return this.lines.findChat(this.name);
  }

  /** In order of arrival; empty while the dialog does not exist. */
  get messages(): LineMessage[] {
    return this.chat?.messages ?? [];
  }

  get clientMessages(): LineMessage[] {
    return this.messages.filter((message) => message.author === 'client');
  }

  get session(): Session | undefined {
    return this.chat?.sessions.at(-1);
  }

  /** Ends the session; the next message begins a new one. */
  closeSession(): void {
    if (this.chat !== undefined) this.lines.closeSession(this.chat);
  }

  /** As an operator ends it: with the line's closing text, if it has one, at first and for good the second time. */
  finish(): void {
    if (this.chat !== undefined) this.lines.finishSession(this.chat);
  }

  /** An operator saves it to the CRM: a lead is made where the client is not known. */
  saveToCrm(): void {
    if (this.chat !== undefined) this.lines.saveToCrm(this.chat);
  }

  /** Asks the client for a rating: the next "1" or "0" is taken as one. */
  askVote(): void {
    const { session } = this;
    if (session === undefined) return;
    beginsToClose(session);
    session.waitVote = true;
  }

  /** Waits for `n` messages of the client and returns all there are; rejects after `timeoutMs`. */
  async receives(n = 1, timeoutMs = 5000): Promise<LineMessage[]> {
    await this.until(
      () => this.clientMessages.length >= n,
      timeoutMs,
      () => `${n} client messages, has ${this.clientMessages.length}`,
    );
    return this.clientMessages;
  }

  /** Waits for a message that fits. */
  async waitFor(fits: (message: LineMessage) => boolean, timeoutMs = 5000): Promise<LineMessage> {
    const find = (): LineMessage | undefined => this.messages.find(fits);
    await this.until(
      () => find() !== undefined,
      timeoutMs,
      () => `a message that fits among ${this.messages.length}`,
    );
    return find() as LineMessage;
  }

  /** Waits until the message has lost its clock. */
  async delivered(message: LineMessage, timeoutMs = 5000): Promise<LineMessage> {
    await this.until(
      () => !message.sending,
      timeoutMs,
      () => `a delivery report for message ${message.id}`,
    );
    return message;
  }

  private async until(done: () => boolean, timeoutMs: number, wanted: () => string): Promise<void> {
    if (done()) return;
    const { changes } = this.lines;
    await new Promise<void>((resolve, reject) => {
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        changes.off('message', check);
        changes.off('delivery', check);
        changes.off('correction', check);
        settle();
      };
      const check = (): void => {
        if (done()) finish(resolve);
      };
      const timer = setTimeout(
        () => finish(() => reject(new Error(`Dialog ${this.name} waited ${timeoutMs} ms for ${wanted()}.`))),
        timeoutMs,
      );
      changes.on('message', check);
      changes.on('delivery', check);
      changes.on('correction', check);
    });
  }
}
