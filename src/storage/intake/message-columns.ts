import type { StoredAttachment, StoredWords } from './intake.rows.js';

/** SQL: the columns of `messages` that tell what was said, and their types in a set of rows. */
export const SAID = columns({
  kind: 'text',
  text: 'text',
  marks: 'jsonb',
  attached: 'smallint',
  system_line: 'boolean',
  can_wait: 'boolean',
  source: 'text',
  reply_quote: 'text',
  quoted: 'jsonb',
  not_own_words: 'boolean',
  keyboard: 'jsonb',
  author_id: 'text',
  author_name: 'text',
  raw: 'jsonb',
  said_at: 'timestamptz',
  trace: 'text',
});

/** The same of `attachments`. */
export const ATTACHMENT = columns({
  kind: 'text',
  name: 'text',
  mime: 'text',
  size: 'bigint',
  label: 'text',
  telegram_file_id: 'text',
  telegram_unique_id: 'text',
  url: 'text',
});

function columns(types: Record<string, string>) {
  return {
    names: Object.keys(types).join(', '),
    types: Object.entries(types)
      .map(([name, type]) => `${name} ${type}`)
      .join(', '),
  };
}

/** The columns {@link SAID} of words that can not wait and answer no part of a message. */
export function saidRow(said: StoredWords) {
  return {
    kind: said.kind,
    text: said.text,
    marks: said.marks,
    attached: said.attachments?.length ?? 0,
    system_line: said.systemLine ?? false,
    can_wait: false,
    source: said.source ?? null,
    reply_quote: null,
    quoted: said.quoted ?? null,
    not_own_words: said.notOwnWords ?? false,
    keyboard: said.keyboard ?? null,
    author_id: said.authorId ?? null,
    author_name: said.authorName ?? null,
    raw: said.raw ?? {},
    said_at: said.saidAt ?? null,
    trace: said.trace ?? null,
  };
}

/** The columns {@link ATTACHMENT}. */
export function attachmentRow(attachment: StoredAttachment) {
  return {
    kind: attachment.kind,
    name: attachment.name,
    mime: attachment.mime ?? null,
    size: attachment.size ?? null,
    label: attachment.label,
    telegram_file_id: attachment.telegramFileId ?? null,
    telegram_unique_id: attachment.telegramUniqueId ?? null,
    url: attachment.url ?? null,
  };
}
