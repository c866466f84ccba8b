import type { ClaimedRequest, RequestOutcome } from '../../storage/crm/send-requests.repository.js';
import type { SendSource } from '../../storage/crm/send-requests.js';
import type { SendRequest } from '../../storage/intake/own-messages.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';

/** What is to be done about a request that was received. */
export type RequestStep =
  | { send: Pick<SendRequest, 'chatId' | 'words' | 'bulk'> }
  | { outcome: RequestOutcome }
  /** For the client's next words: `answered`, with `text`; or else `timeout`. */
  | { wait: { chatId: bigint; until: Date } };

/**
 * One source of requests whose outcome somebody wants to know, or that must be looked into before they can be done. Its
 * methods may be called twice for one request. An UpstreamError that is no refusal is tried again.
 */
export interface RequestSource {
  readonly source: SendSource;
  /** What a request asks for that was only kept. Absent: there are none. */
  carryOut?(portal: PortalRecord, request: ClaimedRequest): Promise<RequestStep>;
  /** Tells whoever asked. */
  report(portal: PortalRecord, request: ClaimedRequest, outcome: RequestOutcome): Promise<void>;
}
