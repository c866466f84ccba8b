import { Get, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { AdminController } from '../access/admin.decorator.js';
import { CalledBy, portalFor, Requires, type Caller } from '../access/caller.js';
import { idOf } from '../id.pipe.js';
import { Statistics, StatisticsParameters } from './statistics.dto.js';
import { StatisticsService } from './statistics.service.js';

/** The traffic over time, for charts. */
@AdminController('statistics')
export class StatisticsController {
  constructor(private readonly statistics: StatisticsService) {}

  @Get()
  @Requires('read_only')
  @ApiOperation({
    summary: 'Messages by the time they were stored, and how long they took to be delivered',
    description:
      'One item per step from `from` to `to` (the last 24 hours; 92 days at most). `inbound` and `outbound` count all ' +
      'messages, `failed` and `uncertain` those of both directions that are so by now. Latencies are milliseconds from ' +
      'stored to delivered, right within 1 %; null where nothing was delivered. At most 10 seconds old. ' +
      '422 `range_too_long`: more messages than can be counted in 10 seconds.',
  })
  over(@Query() query: StatisticsParameters, @CalledBy() caller: Caller): Promise<Statistics> {
    return this.statistics.statistics({
      from: query.from === undefined ? undefined : new Date(query.from),
      to: query.to === undefined ? undefined : new Date(query.to),
      stepSeconds: query.step,
      portalId: portalFor(caller, idOf(query.portal)),
      botId: idOf(query.bot),
    });
  }
}
