import { stringify } from 'csv-stringify/sync';
import type { MessageRow } from '../../storage/history/shown-message.js';
import type { ExportFormat } from './export.dto.js';
import { messageItem } from './message.view.js';
import type { MessageItem } from './messages.dto.js';

export const CONTENT_TYPES: Record<ExportFormat, string> = {
  ndjson: 'application/x-ndjson; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
};

/** A message as an export shows it: as a list does, without links to files, which end after an hour. */
export type ExportedMessage = Omit<MessageItem, 'attachments'> & {
  attachments: Omit<MessageItem['attachments'][number], 'url'>[];
};

/** Writes rows as text, the part that stands before the first of them included. */
export interface ExportWriter {
  head(): string;
  rows(rows: MessageRow[]): string;
}

export const EXPORT_WRITERS: Record<ExportFormat, ExportWriter> = {
  ndjson: {
    head: () => '',
    rows: (rows) => rows.map((row) => `${JSON.stringify(exported(row))}\n`).join(''),
  },
  csv: {
    head: () => csv([Object.keys(COLUMNS)], { bom: true }),
    rows: (rows) => {
      const cells = Object.values(COLUMNS);
      return csv(rows.map(exported).map((message) => cells.map((cell) => cell(message))));
    },
  },
};

function exported(row: MessageRow): ExportedMessage {
  const item = messageItem(row, () => null);
  return { ...item, attachments: item.attachments.map(({ url: _url, ...attachment }) => attachment) };
}

type Cell = string | number | null | undefined;

/** Ids of the two networks are texts: a spreadsheet would round them. */
const COLUMNS: Record<string, (message: ExportedMessage) => Cell> = {
  id: ({ id }) => id,
  createdAt: ({ createdAt }) => createdAt.toISOString(),
  direction: ({ direction }) => direction,
  state: ({ state }) => state,
  kind: ({ kind }) => kind,
  authorName: ({ authorName }) => authorName,
  text: ({ text }) => text,
  files: ({ attachments }) => attachments.map(({ name }) => name).join('\n'),
  errorCode: ({ error }) => error?.code,
  errorDetail: ({ error }) => error?.detail,
  deliveredAt: ({ deliveredAt }) => deliveredAt?.toISOString(),
  seenAt: ({ seenAt }) => seenAt?.toISOString(),
  editedAt: ({ editedAt }) => editedAt?.toISOString(),
  deletedAt: ({ deletedAt }) => deletedAt?.toISOString(),
  attempts: ({ attempts }) => attempts,
  replyToId: ({ replyToId }) => replyToId,
  replyQuote: ({ replyQuote }) => replyQuote,
  systemLine: ({ systemLine }) => String(systemLine),
  unsigned: ({ unsigned }) => String(unsigned),
  albumId: ({ albumId }) => albumId,
  authorId: ({ authorId }) => authorId,
  chatId: ({ chatId }) => chatId,
  externalChatId: ({ externalChatId }) => externalChatId,
  telegramChatId: ({ telegramChatId }) => telegramChatId,
  telegramMessageIds: ({ telegramMessageIds }) => telegramMessageIds.join(' '),
  bitrixMessageId: ({ bitrixMessageId }) => bitrixMessageId,
  botId: ({ botId }) => botId,
  portalId: ({ portalId }) => portalId,
  source: ({ source }) => source,
};

/**
 * RFC 4180. A cell that a spreadsheet would take for a formula (it begins with `=`, `+`, `-`, `@`, a tab or a carriage
 * return) begins with an apostrophe instead: clients write what they like, and whoever opens the file must not run it.
 */
function csv(rows: Cell[][], { bom = false } = {}): string {
  return stringify(rows, { bom, escape_formulas: true, record_delimiter: 'windows' });
}
