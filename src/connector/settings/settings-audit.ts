import { Injectable, Logger } from '@nestjs/common';
import type { ServedLine } from '../../relay/line-bots.js';
import { AuditRepository } from '../../storage/accounts/audit.repository.js';
import type { NewAuditEntry } from '../../storage/postgres/audit-entries.js';
import type { Prisma } from '../../storage/prisma/client.js';
import { failedSteps, type RegistrationStep } from '../install/registration-steps.js';

/** Who changed something of which line. */
export interface LineActor extends ServedLine {
  /** As the audit log names them. */
  actor: string;
}

/** Records what was changed of a line. */
@Injectable()
export class SettingsAudit {
  private readonly logger = new Logger(SettingsAudit.name);

  constructor(private readonly entries: AuditRepository) {}

  /**
   * The change is made and cannot be taken back: a row that cannot be written goes to the log instead. `follow` is what
   * is done in the portal about it: on record before it is, and what came of it afterwards.
   */
  async record(
    { portalId, lineId, actor }: LineActor,
    action: string,
    subject: string,
    detail: Record<string, unknown>,
    follow?: () => Promise<RegistrationStep[]>,
  ): Promise<void> {
    const said = Object.fromEntries(Object.entries(detail).filter(([, value]) => value !== undefined));
    const about = { lineId, ...said } as Prisma.InputJsonObject;
    const entry: NewAuditEntry = { actor, action, subject, portalId, detail: about };
    const complain = (error: unknown) => {
      this.logger.error({ action, subject, err: error }, 'The audit row could not be written');
    };
    const id = await this.entries.record({ ...entry, outcome: follow ? 'begun' : 'done' }).catch(complain);
    if (!follow) return;
    const failed = failedSteps(await follow());
    if (id === undefined) return;
    const ending: Pick<NewAuditEntry, 'detail' | 'outcome'> =
      failed.length > 0 ? { detail: { ...about, failedSteps: failed }, outcome: 'partial' } : { detail: about };
    await this.entries.complete(id, { ...entry, ...ending }).catch(complain);
  }
}
