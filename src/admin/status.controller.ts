import { Get, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { AuditRepository } from '../storage/audit.repository.js';
import { AdminController } from './admin.decorator.js';
import { ListQuery } from './admin.dto.js';
import { decodeCursor, pageOf } from './cursor.js';
import { DoctorService, type Diagnosis } from './doctor.service.js';
import { OverviewService, type Overview } from './overview.service.js';

/** How things are, and who changed them. */
@AdminController('')
export class StatusController {
  constructor(
    private readonly overviews: OverviewService,
    private readonly doctors: DoctorService,
    private readonly audits: AuditRepository,
  ) {}

  @Get('overview')
  @ApiOperation({
    summary: 'Messages by direction and state, in all, per portal and per bot; the oldest one that waits',
  })
  overview(): Promise<Overview> {
    return this.overviews.overview();
  }

  @Get('doctor')
  @ApiOperation({ summary: 'Each thing that must be true for messages to flow, and what to do where it is not' })
  doctor(): Promise<Diagnosis> {
    return this.doctors.diagnose();
  }

  @Get('audit')
  @ApiOperation({ summary: 'Changes made through this API, newest first' })
  async audit(@Query() { limit, cursor }: ListQuery) {
    const rows = await this.audits.list(limit + 1, decodeCursor(cursor));
    return pageOf(rows, limit, (entry) => ({ ...entry, id: entry.id.toString() }));
  }
}
