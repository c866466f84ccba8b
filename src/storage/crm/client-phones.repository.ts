import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';

/** A number without its country may be the end of several. */
const LAST_DIGITS = 9;

interface SharedNumber {
  chatId: bigint;
  digits: string;
  client: string;
}

/** Chats by the number that the client has shared. */
@Injectable()
export class ClientPhonesRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * The chat of whoever shared the first of these numbers that is known, the one that was used last. `numbers`: each in
   * the ways in which it may end a number with its country, digits alone, the likeliest first. A number without its
   * country counts where one client alone has it. `botId`: this bot's chats only. Null: nobody.
   */
  async find(portalId: bigint, numbers: string[][], botId?: bigint): Promise<bigint | null> {
    if (numbers.length === 0) return null;
    const { rows } = await this.db.query<SharedNumber>(
      `SELECT c.id AS "chatId", p.digits, c.external_user_id AS client
         FROM chat_links c CROSS JOIN LATERAL (SELECT regexp_replace(c.phone, '\\D', '', 'g') AS digits) p
        WHERE c.portal_id = $1 AND ($3::bigint IS NULL OR c.bot_id = $3) AND c.phone IS NOT NULL
          AND right(p.digits, ${LAST_DIGITS}) = ANY($2::text[])
        ORDER BY c.state = 'active' DESC, c.last_inbound_at DESC NULLS LAST, c.id`,
      [portalId, numbers.flat().map((ending) => ending.slice(-LAST_DIGITS)), botId ?? null],
    );
    for (const ending of numbers.flat()) {
      const found = chatWith(rows, ending);
      if (found !== null) return found;
    }
    return null;
  }
}

function chatWith(shared: SharedNumber[], ending: string): bigint | null {
  const whole = shared.find(({ digits }) => digits === ending);
  if (whole) return whole.chatId;
  const ended = shared.filter(({ digits }) => digits.endsWith(ending));
  return new Set(ended.map(({ client }) => client)).size === 1 ? ended[0]!.chatId : null;
}
