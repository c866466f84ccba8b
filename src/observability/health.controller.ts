import { Controller, Get, Res, ServiceUnavailableException } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { HealthCheck, HealthCheckService, type HealthCheckResult } from '@nestjs/terminus';
import type { FastifyReply } from 'fastify';
import { ReadinessIndicator } from './readiness.indicator.js';

/** Probes in the form of @nestjs/terminus. */
@ApiTags('probes')
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly readiness: ReadinessIndicator,
  ) {}

  @Get('live')
  @HealthCheck()
  @ApiOperation({ summary: '200 as long as the process answers, whatever else is away' })
  live(@Res({ passthrough: true }) reply: FastifyReply): Promise<unknown> {
    return answer(reply, () => this.health.check([() => this.readiness.program()]));
  }

  @Get('ready')
  @HealthCheck()
  @ApiOperation({
    summary: '200 while messages can be taken in: database, tables, what came last, and what this replica drives',
  })
  ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<unknown> {
    return answer(reply, () =>
      this.health.check([
        () => this.readiness.program(),
        () => this.readiness.process(),
        () => this.readiness.database(),
        () => this.readiness.migrations(),
        () => this.readiness.intake(),
        () => this.readiness.endpoints(),
      ]),
    );
  }
}

/** A failed check is the answer of the probe, in its own form, and no problem of the request. */
async function answer(reply: FastifyReply, check: () => Promise<HealthCheckResult>): Promise<unknown> {
  void reply.header('cache-control', 'no-store');
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof ServiceUnavailableException)) throw error;
    void reply.status(503);
    return error.getResponse();
  }
}
