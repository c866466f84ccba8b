import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';

/** Without its country a number has so many digits. */
const NATIONAL = 10;

/** Chats by the number that the client has shared. */
@Injectable()
export class ClientPhonesRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * The chat of whoever shared this number with a bot of the portal, the one that was used last; `digits`: nothing else.
   * Without a client of the whole number the last ten digits count, where they are of one client only. `botId`: this bot's chats only. Null: nobody.
   */
  async find(portalId: bigint, digits: string, botId?: bigint): Promise<bigint | null> {
    if (digits.length < NATIONAL) return null;
    const { rows } = await this.db.query<{ id: bigint; whole: boolean; client: string }>(
      `SELECT c.id, p.digits = $2 AS whole, c.external_user_id AS client
         FROM chat_links c CROSS JOIN LATERAL (SELECT regexp_replace(c.phone, '\\D', '', 'g') AS digits) p
        WHERE c.portal_id = $1 AND ($3::bigint IS NULL OR c.bot_id = $3) AND c.phone IS NOT NULL AND right(p.digits, ${NATIONAL}) = right($2, ${NATIONAL})
        ORDER BY c.state = 'active' DESC, c.last_inbound_at DESC NULLS LAST, c.id`,
      [portalId, digits, botId ?? null],
    );
    const whole = rows.find((row) => row.whole);
    if (whole) return whole.id;
    return new Set(rows.map(({ client }) => client)).size === 1 ? rows[0]!.id : null;
  }
}
