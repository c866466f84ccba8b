import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';
import type { ButtonKind } from '../prisma/client.js';

/** What is known of a button that was pressed. */
export interface KnownButton {
  kind: ButtonKind;
  /** Telegram's id of the press that counted; null: none did. */
  pressedBy: string | null;
}

/** The table `buttons`, for whoever answers the presses. */
@Injectable()
export class ButtonsRepository {
  constructor(private readonly db: DatabaseService) {}

  /** By their ids; a button whose message was erased is missing. */
  async find(ids: string[]): Promise<Map<string, KnownButton>> {
    const { rows } = await this.db.query<KnownButton & { id: string }>(
      `SELECT id, kind, pressed_by AS "pressedBy" FROM buttons WHERE id = ANY($1::text[])`,
      [ids],
    );
    return new Map(rows.map(({ id, ...button }) => [id, button]));
  }
}
