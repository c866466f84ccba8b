import { Get, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { AuditRepository } from '../../storage/accounts/audit.repository.js';
import type { AuditOutcome } from '../../storage/postgres/audit-entries.js';
import { AuditPage, AuditQuery, Me } from '../access/access.dto.js';
import { AdminController } from '../access/admin.decorator.js';
import { CalledBy, portalFor, type Caller } from '../access/caller.js';
import { decodeCursor, pageOf } from '../../common/cursor.js';
import { Overview } from '../numbers/overview.dto.js';
import { OverviewService } from '../numbers/overview.service.js';
import { Diagnosis } from './doctor.dto.js';
import { DoctorService } from './doctor.service.js';

/** How things are, who changed them, and who is asking. */
@AdminController('')
export class StatusController {
  constructor(
    private readonly overviews: OverviewService,
    private readonly doctors: DoctorService,
    private readonly audits: AuditRepository,
  ) {}

  @Get('me')
  @ApiOperation({ summary: 'Whose key this is and what it allows; portalId null: every portal' })
  me(@CalledBy() { name, role, portalId }: Caller): Me {
    return { name, role, portalId: portalId?.toString() ?? null };
  }

  @Get('overview')
  @ApiOperation({
    summary: 'Messages by direction and state, in all, per portal and per bot; the oldest one that waits',
  })
  overview(@CalledBy() caller: Caller): Promise<Overview> {
    return this.overviews.overview(caller.portalId ?? undefined);
  }

  @Get('doctor')
  @ApiOperation({ summary: 'Each thing that must be true for messages to flow, and what to do where it is not' })
  doctor(@CalledBy() caller: Caller): Promise<Diagnosis> {
    return this.doctors.diagnose(caller.portalId ?? undefined);
  }

  @Get('audit')
  @ApiOperation({ summary: 'Changes, newest first: through this API, in portals, and by the program itself' })
  async audit(
    @Query() { limit, cursor, portal, action, from, to }: AuditQuery,
    @CalledBy() caller: Caller,
  ): Promise<AuditPage> {
    const filter = {
      portalId: portalFor(caller, portal === undefined ? undefined : BigInt(portal)),
      action,
      from: from === undefined ? undefined : new Date(from),
      to: to === undefined ? undefined : new Date(to),
      before: decodeCursor(cursor),
    };
    const rows = await this.audits.list(filter, limit + 1);
    return pageOf(rows, limit, (entry) => ({
      ...entry,
      id: entry.id.toString(),
      portalId: entry.portalId?.toString() ?? null,
      outcome: entry.outcome as AuditOutcome,
    }));
  }
}
