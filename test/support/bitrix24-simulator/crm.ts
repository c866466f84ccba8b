import { CrmDialogs } from './crm-dialogs.js';
import { CrmRecords } from './crm-records.js';
import type { VirtualClock } from './virtual-clock.js';

/** The CRM of one portal. */
export class Crm {
  readonly records: CrmRecords;
  readonly dialogs: CrmDialogs;

  constructor(clock: VirtualClock) {
    this.records = new CrmRecords(clock);
    this.dialogs = new CrmDialogs(this.records, clock);
  }
}
