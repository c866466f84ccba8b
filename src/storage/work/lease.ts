/** The right to drive one endpoint, as the database granted it. Every write of its holder names it. */
export interface Lease {
  endpoint: string;
  owner: string;
  fence: bigint;
}

/** Another replica drives the endpoint now: nothing was written, and nothing more may be sent. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';
  constructor(readonly lease: Lease) {
    super(`${lease.endpoint} is driven by another replica now (our fence was ${lease.fence})`);
  }
}
