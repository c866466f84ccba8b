import { Prisma } from '../prisma/browser.js';

/** Fields of a table as schema.prisma names them, by name or as Prisma lists them. */
type Fields = readonly string[] | Readonly<Record<string, string>>;

/** The column of a field: every `@map` of schema.prisma is the field's name in snake case. */
export function columnOf(field: string): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A select list whose rows have the shape of the generated types: `id, telegram_id AS "telegramId"`. */
export function select(fields: Fields): string {
  return Object.values(fields)
    .map((field) => (columnOf(field) === field ? field : `${columnOf(field)} AS "${field}"`))
    .join(', ');
}

/** Whole rows of the tables that are read whole, as Prisma's types of the same names describe them. */
export const BOT = select(Prisma.BotScalarFieldEnum);
export const BOT_REQUEST = select(Prisma.BotRequestScalarFieldEnum);
export const MANAGER_BOT = select(Prisma.ManagerBotScalarFieldEnum);
export const MANAGER_REPLY = select(Prisma.ManagerReplyScalarFieldEnum);
export const LINE = select(Prisma.LineScalarFieldEnum);
export const AUDIT_ENTRY = select(Prisma.AuditEntryScalarFieldEnum);

const { hash: _hash, ...seen } = Prisma.AccessKeyScalarFieldEnum;
/** Without the hash. */
export const ACCESS_KEY = select(seen);
