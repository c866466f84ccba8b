import { Controller, Get, NotFoundException, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Environment } from '../config/environment.js';
import { MetricsService } from './metrics.service.js';

/** Where Prometheus scrapes, unless METRICS_PORT names another place. */
@ApiTags('probes')
@Controller('metrics')
export class MetricsController {
  constructor(
    private readonly environment: Environment,
    private readonly metrics: MetricsService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Prometheus text' })
  @ApiProduces('text/plain')
  async scrape(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    if (this.environment.METRICS_PORT !== undefined) throw new NotFoundException('Metrics are at METRICS_PORT.');
    const text = await this.metrics.render();
    void reply.header('content-type', this.metrics.contentType).header('cache-control', 'no-store');
    return text;
  }
}
