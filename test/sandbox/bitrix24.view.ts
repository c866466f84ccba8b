import type { LineMessage } from '../support/bitrix24-simulator/open-lines.js';
import type { PageFile } from './page.files.js';
import type { Sandbox } from './sandbox.js';

export type Tick = 'clock' | 'delivered';

/** What the operator sees as one message. */
export interface DialogBubble extends Pick<
  LineMessage,
  'id' | 'author' | 'text' | 'at' | 'whisper' | 'edited' | 'deleted'
> {
  /** Of an employee; '' for others. */
  name: string;
  files: PageFile[];
  /** Of an operator's message. */
  tick: Tick | null;
}

/** The last messages of a dialog as its operator sees them. */
export function dialogBubbles(sandbox: Sandbox, dialog: string, limit: number): DialogBubble[] {
  return sandbox.portal
    .dialog(dialog)
    .messages.slice(-limit)
    .map((message) => {
      const { id, author, authorId, text, at, whisper, edited, deleted } = message;
      const user = sandbox.portal.users.get(authorId);
      const name = user ? `${user.name} ${user.lastName}`.trim() : '';
      return { id, author, name, text, at, whisper, edited, deleted, files: filesOf(message), tick: tickOf(message) };
    });
}

function filesOf({ files }: LineMessage): PageFile[] {
  return files.map(({ id, type, name, size, removed }) => ({
    kind: type,
    name,
    size,
    url: removed ? null : `/files/bitrix24/${id}`,
  }));
}

function tickOf({ author, sending, whisper, readByClient }: LineMessage): Tick | null {
  if (author !== 'operator' || whisper) return null;
  if (sending) return 'clock';
  return readByClient ? 'delivered' : null;
}
