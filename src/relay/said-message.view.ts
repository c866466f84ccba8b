import type { AttachmentRow, MessageRow } from '../storage/history/shown-message.js';
import type { LinkedFile } from './file-links.js';
import type { AttachmentItem, Mark, SaidMessage } from './said-message.dto.js';

/** Where a person can look at a file; null: nowhere. */
export type LinkTo = (file: LinkedFile) => string | null;

/** Ids are decimal strings. A message without words is read by the labels of its files. */
export function saidMessage(row: MessageRow, linkTo: LinkTo): SaidMessage {
  return {
    id: row.id.toString(),
    direction: row.direction,
    state: row.state,
    kind: row.kind,
    text: row.text || row.attachments.map(({ label }) => label).join('\n'),
    marks: row.marks as Mark[],
    attachments: row.attachments.map((attachment) => attachmentItem(row.id, attachment, linkTo)),
    systemLine: row.systemLine,
    replyToId: row.replyToId?.toString() ?? null,
    replyQuote: row.replyQuote,
    authorId: row.authorId,
    authorName: row.authorName,
    createdAt: row.createdAt,
    seenAt: row.seenAt,
    editedAt: row.editedAt,
    deletedAt: row.deletedAt,
  };
}

/** `url` is null for a file of an operator, which only the portal has. */
function attachmentItem(
  messageId: bigint,
  { ordinal, kind, name, mime, size, label, atTelegram }: AttachmentRow,
  linkTo: LinkTo,
): AttachmentItem {
  const url = atTelegram ? linkTo({ of: 'message', messageId, ordinal }) : null;
  return { kind, name, mime, size, label, url };
}
