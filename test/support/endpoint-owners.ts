import { Client } from 'pg';

/** Who drives what, as the table of leases says; for tests with several programs on one database. */
export class EndpointOwners {
  private constructor(private readonly client: Client) {}

  static async connect(url: string): Promise<EndpointOwners> {
    const client = new Client({ connectionString: url });
    // The database is dropped under it at the end of a test.
    client.on('error', () => undefined);
    await client.connect();
    return new EndpointOwners(client);
  }

  /** Process ids by endpoint (`bot:1`, `portal:1`); leases that have run out are left out. */
  async pids(): Promise<Record<string, number>> {
    const { rows } = await this.client.query<{ id: string; owner: string }>(
      `SELECT id, owner FROM endpoints WHERE expires_at > now()`,
    );
    return Object.fromEntries(rows.map(({ id, owner }) => [id, Number(owner.split('-').at(-2))]));
  }

  async end(): Promise<void> {
    await this.client.end();
  }
}
