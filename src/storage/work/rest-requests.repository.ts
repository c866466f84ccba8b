import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../postgres/database.service.js';

/** A request to the REST API of a portal: what was asked and how it ended, without anything that it said. */
export interface RestRequest {
  portalId: bigint;
  method: string;
  /** Of a batch, the methods of its commands, each once. */
  commands: string[];
  durationMs: number;
  /** HTTP; null: no answer came. */
  status: number | null;
  /** Null: all went well. */
  errorCode: string | null;
  /** Of the answer; null: there was none. */
  bytes: number | null;
  /** Seconds of execution that the portal has counted for the method within ten minutes; null: it did not say. */
  operating: number | null;
}

/** Made so many milliseconds before it is stored: times are the database's. */
export type NewRestRequest = RestRequest & { agoMs: number };
export type StoredRestRequest = RestRequest & { id: bigint; at: Date };

/** What is left out does not count. */
export interface RestRequestFilter {
  /** Also of the commands of a batch. */
  method?: string | undefined;
  outcome?: 'ok' | 'failed' | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  /** Older than this one. */
  before?: { at: Date; id: bigint } | undefined;
}

const KEPT_DAYS = 3;

const COLUMNS = `id, portal_id AS "portalId", method, commands, at, duration_ms AS "durationMs", status,
  error_code AS "errorCode", bytes, operating`;

/** The table `rest_requests`: a log, of which nothing else depends. */
@Injectable()
export class RestRequestsRepository {
  constructor(private readonly db: DatabaseService) {}

  /** All in one statement; those of portals that are gone, and perhaps erased, are left out. */
  async add(requests: readonly NewRestRequest[]): Promise<void> {
    const column = <Key extends keyof NewRestRequest>(key: Key) => requests.map((request) => request[key]);
    await this.db.query(
      `INSERT INTO rest_requests (portal_id, method, commands, at, duration_ms, status, error_code, bytes, operating)
       SELECT n.portal_id, n.method, string_to_array(n.commands, ','), now() - n.ago * interval '1 millisecond',
              n.duration_ms, n.status, n.error_code, n.bytes, n.operating
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::float8[], $5::int[], $6::int[], $7::text[], $8::int[],
                     $9::float8[])
              AS n (portal_id, method, commands, ago, duration_ms, status, error_code, bytes, operating)
         JOIN portals p ON p.id = n.portal_id AND p.state <> 'uninstalled'`,
      [
        column('portalId'),
        column('method'),
        requests.map(({ commands }) => commands.join(',')),
        column('agoMs'),
        column('durationMs'),
        column('status'),
        column('errorCode'),
        column('bytes'),
        column('operating'),
      ],
      { name: 'add_rest_requests' },
    );
  }

  /** Newest first. */
  async list(portalId: bigint, filter: RestRequestFilter, limit: number): Promise<StoredRestRequest[]> {
    const { method, outcome, from, to, before } = filter;
    const { rows } = await this.db.query<StoredRestRequest>(
      `SELECT ${COLUMNS} FROM rest_requests
        WHERE portal_id = $1
          AND ($2::text IS NULL OR method = $2 OR $2 = ANY(commands))
          AND ($3::boolean IS NULL OR (error_code IS NULL) = $3)
          AND at >= coalesce($4::timestamptz, '-infinity') AND at < coalesce($5::timestamptz, 'infinity')
          AND (at, id) < (coalesce($6::timestamptz, 'infinity'), coalesce($7::bigint, 0))
        ORDER BY at DESC, id DESC LIMIT $8`,
      [
        portalId,
        method ?? null,
        outcome === undefined ? null : outcome === 'ok',
        from ?? null,
        to ?? null,
        before?.at ?? null,
        before?.id ?? null,
        limit,
      ],
    );
    return rows;
  }

  /** Forgets up to `batch` requests that are older than three days; returns how many. */
  async forget(batch: number): Promise<number> {
    const { rowCount } = await this.db.query(
      `DELETE FROM rest_requests WHERE (portal_id, at, id) IN (
         SELECT portal_id, at, id FROM rest_requests WHERE at < now() - $1 * interval '1 day' ORDER BY at LIMIT $2)`,
      [KEPT_DAYS, batch],
    );
    return rowCount ?? 0;
  }
}
