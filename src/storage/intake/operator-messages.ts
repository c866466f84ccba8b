import { DISK_FILE, parseDiskAddress } from '../../common/external-ids.js';
import { findAddressees } from './addressees.js';
import type { Queryable } from '../postgres/database.service.js';
import { routeReports, type RoutedReports } from '../work/dialog-reports.js';
import { endpointOf } from '../work/endpoint-id.js';
import { intakeOf, NOTHING, type Intake } from './intake.js';
import { FOREIGN_CONNECTOR, type OperatorMessageRow } from './intake.rows.js';
import { jsonb } from '../postgres/json.js';
import { goOnInLeftDialogs } from '../work/left-dialogs.js';
import { lockBotsOfPortals, lockChats } from '../work/lock-order.js';
import { insertMessages, type NewMessage } from './message-rows.js';
import { appendDeliveries, orderByMessageId } from '../work/outbox.js';
import { eventSource, firstSeen } from './processed-events.js';
import { findQuoted, type Answered } from './quotes.js';
import { tellOfWaits } from '../work/told-waits.js';

/** Keeps operators' messages. To be called in a transaction. */
export async function acceptMessages(connection: Queryable, rows: OperatorMessageRow[]): Promise<Intake> {
  await lockBotsOfPortals(
    connection,
    rows.map(({ portalId }) => portalId),
  );
  const fresh = await firstSeen(
    connection,
    rows.map((row) => ({ row, source: eventSource(row.portalId), key: `${row.connector}:${row.bitrixMessageId}` })),
  );
  const accepted = fresh.map(({ row }) => row);
  await bringLinks(
    connection,
    rows.filter((row) => !accepted.includes(row)),
  );
  if (accepted.length === 0) return { ...NOTHING, duplicates: rows.length };
  const addressees = await findAddressees(connection, accepted);
  const chats = addressees.map((found) => ('chat' in found ? found.chat : null));
  const ignored = accepted.map(
    ({ said }, ord) => said.ignored ?? ('chat' in addressees[ord]! ? undefined : addressees[ord]),
  );
  await lockChats(
    connection,
    chats.flatMap((chat) => chat?.id ?? []),
  );
  const learned = accepted.flatMap((row, ord) => {
    const found = addressees[ord]!;
    if (!('chat' in found) || !found.present) return [];
    const { chat } = found;
    const moved = row.bitrixChatId && row.bitrixChatId !== chat.bitrix_chat_id;
    // Whoever writes has a session, unless the event was late: only a look can tell.
    const doubt = chat.dialog_open === false && row.said.authorId !== undefined && row.said.authorId !== '0';
    return moved || doubt ? [{ id: chat.id, bitrix_chat_id: moved ? row.bitrixChatId : null, doubt }] : [];
  });
  if (learned.length > 0) {
    await connection.query(
      `UPDATE chat_links c SET bitrix_chat_id = coalesce(r.bitrix_chat_id, c.bitrix_chat_id),
              dialog_open = CASE WHEN r.doubt AND NOT c.dialog_open THEN NULL ELSE c.dialog_open END
         FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, bitrix_chat_id text, doubt boolean) WHERE c.id = r.id`,
      [jsonb(learned)],
    );
  }
  await goOnInLeftDialogs(
    connection,
    accepted.flatMap(({ portalId, lineId, bitrixChatId }, ord) => {
      const found = addressees[ord]!;
      if (!('chat' in found) || found.present || !lineId || !bitrixChatId) return [];
      return [{ portalId, lineId, bitrixChatId, chatId: found.chat.id }];
    }),
  );
  const answered: (Answered | null)[] = [];
  for (const [ord, row] of accepted.entries()) {
    const chat = row.quoted && chats[ord];
    answered.push(chat ? await findQuoted(connection, chat.id, row) : null);
  }
  const work = await insertMessages(
    connection,
    accepted.map((row, ord): NewMessage => {
      const chat = chats[ord] ?? null;
      const answer = answered[ord];
      return {
        portalId: row.portalId,
        botId: chat?.bot_id ?? null,
        chatId: chat?.id ?? null,
        direction: 'outbound',
        said: { ...row.said, ...(answer ? row.quoted!.rest : {}), ignored: ignored[ord] },
        ...(answer ? { replyToId: answer.id, replyQuote: answer.quote } : {}),
        externalChatId: row.externalChatId,
        bitrixMessageId: row.bitrixMessageId,
        bitrixChatId: row.bitrixChatId,
        bitrixLineId: row.lineId,
        unsigned: row.unsigned,
        endpoint: chat && !ignored[ord] ? endpointOf('outbound', chat) : null,
      };
    }),
  );
  const { deliveries: notes, endpoints } = await tellWhyIgnored(
    connection,
    accepted.filter((_, ord) => ignored[ord] && ignored[ord].code !== FOREIGN_CONNECTOR),
  );
  const deliveries = [...work.filter((delivery) => delivery !== null), ...notes];
  const crowded = await appendDeliveries(connection, deliveries);
  await orderByMessageId(connection, crowded);
  const told = await tellOfWaits(connection, crowded);
  const intake = intakeOf(deliveries, accepted.length, rows.length - fresh.length);
  return { ...intake, endpoints: [...new Set([...intake.endpoints, ...endpoints, ...told])] };
}

/** Messages that were found in a dialog before their events came know their files by ids only; the events have links. */
async function bringLinks(connection: Queryable, duplicates: OperatorMessageRow[]): Promise<void> {
  const files = duplicates.flatMap(({ portalId, bitrixMessageId, said: { attachments = [] } }) =>
    attachments.flatMap(({ kind, name, mime, size, label, url }, ordinal) =>
      url === undefined || parseDiskAddress(url) !== null
        ? []
        : [
            {
              portal_id: portalId,
              bitrix_message_id: bitrixMessageId,
              files: attachments.length,
              ordinal,
              kind,
              name,
              mime,
              size,
              label,
              url,
            },
          ],
    ),
  );
  if (files.length === 0) return;
  await connection.query(
    `UPDATE attachments a
        SET kind = r.kind, name = r.name, mime = coalesce(r.mime, a.mime), size = coalesce(r.size, a.size), label = r.label, url = r.url
       FROM jsonb_to_recordset($1::jsonb) AS r(portal_id bigint, bitrix_message_id text, files int, ordinal smallint,
              kind text, name text, mime text, size bigint, label text, url text)
       JOIN messages m ON m.portal_id = r.portal_id AND m.bitrix_message_id = r.bitrix_message_id AND m.direction = 'outbound'
      WHERE a.message_id = m.id AND a.ordinal = r.ordinal AND m.attached = r.files AND starts_with(a.url, '${DISK_FILE}')`,
    [jsonb(files)],
  );
}

/** What was kept and goes nowhere is told where it was written. */
async function tellWhyIgnored(connection: Queryable, ignored: OperatorMessageRow[]): Promise<RoutedReports> {
  if (ignored.length === 0) return { deliveries: [], endpoints: [] };
  const { rows } = await connection.query<{ id: bigint; error_code: string; error_detail: string }>(
    `SELECT m.id, m.error_code, m.error_detail
       FROM jsonb_to_recordset($1::jsonb) AS r(ord int, portal_id bigint, bitrix_message_id text)
       JOIN messages m ON m.portal_id = r.portal_id AND m.bitrix_message_id = r.bitrix_message_id
      WHERE m.direction = 'outbound' AND m.state = 'ignored' ORDER BY r.ord`,
    [jsonb(ignored.map((row, ord) => ({ ord, portal_id: row.portalId, bitrix_message_id: row.bitrixMessageId })))],
  );
  return routeReports(
    connection,
    rows.map(({ id, error_code: code, error_detail: detail }) => ({
      messageId: id,
      payload: { code, detail, about: 'message' },
    })),
  );
}
