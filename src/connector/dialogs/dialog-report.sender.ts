import { Injectable } from '@nestjs/common';
import { RestClient } from '../../bitrix/rest.client.js';
import { bitrixProblem } from '../../bitrix/bitrix-problems.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { LaneResult } from '../../relay/endpoint-driver.js';
import type { ClaimedReport } from '../../storage/work/dialog-reports.repository.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { OperatorNotes } from './operator-notes.js';
import type { Caller } from './caller.js';
import { PortalSender } from './portal.sender.js';
import { mayWriteSystemLines, systemLine } from './system-line.js';

/** A note is claimed by its row, not by a lease of its portal. */
const NOBODYS: Caller = { timing: () => undefined };

/** Brings one note into the dialog that it names. */
@Injectable()
export class DialogReportSender {
  constructor(
    private readonly rest: RestClient,
    private readonly sender: PortalSender,
    private readonly notes: OperatorNotes,
  ) {}

  /**
   * A note is written by the messenger, which asks for no client and touches no session, and where the portal does not
   * let us, through the connector, provided that the client can be named: the portal takes over whatever name a message
   * brings (imconnector, `updateUser`). Throws the portal's last UpstreamError.
   */
  async send(portal: PortalRecord, report: ClaimedReport): Promise<void> {
    const { lane, clientKnown } = report;
    const refusal = await this.addToChat(portal, report);
    if (refusal === null) return;
    if (!clientKnown || lane.chat.lineId === null) throw refusal;
    assertDelivered(await this.sender.sendTogether(portal, lane, NOBODYS, false));
  }

  /** Null: it is there. Returns the error that says that it never will be in this way; throws any other. */
  private async addToChat(portal: PortalRecord, { lane, delivery }: ClaimedReport): Promise<UpstreamError | null> {
    if (!mayWriteSystemLines(portal)) return notAllowed();
    const { method, params } = systemLine(lane.chat.bitrixChatId, this.notes.textOf(portal, delivery, lane.chat));
    try {
      await this.rest.call(portal.id, method, params);
      return null;
    } catch (error) {
      if (error instanceof UpstreamError && (error.kind === 'refused' || error.scope === 'method')) return error;
      throw error;
    }
  }
}

function notAllowed(): UpstreamError {
  return bitrixProblem('no_scope', 'The application was installed without the scope "im".');
}

function assertDelivered({ deliveries }: LaneResult): void {
  const [result] = deliveries;
  if (result && 'error' in result) throw result.error;
  if (!result?.delivered) throw bitrixProblem('WAITS', 'The note was not sent yet.');
}
