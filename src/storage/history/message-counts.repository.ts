import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';

/** The table `message_counts`, to which triggers append, so that `OverviewRepository` need not count messages. */
@Injectable()
export class MessageCountsRepository {
  constructor(private readonly db: DatabaseService) {}

  /**
   * Makes one row of all that are there per portal, bot, direction and state. Rows that are appended meanwhile are
   * left for the next time, those that another replica is folding are folded by it: nobody waits for an appender,
   * and no reader ever sees another sum.
   */
  async fold(): Promise<void> {
    await this.db.query(
      `WITH folded AS (DELETE FROM message_counts RETURNING *)
       INSERT INTO message_counts (portal_id, bot_id, direction, state, change)
       SELECT portal_id, bot_id, direction, state, sum(change) FROM folded
        GROUP BY portal_id, bot_id, direction, state HAVING sum(change) <> 0`,
    );
  }
}
