import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { RelayModule } from '../relay/relay.module.js';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { MetricsListener } from './metrics.listener.js';
import { MetricsService } from './metrics.service.js';
import { ReadinessIndicator } from './readiness.indicator.js';
import { ShutdownState } from './shutdown-state.js';

/** Probes and metrics. A probe that fails says so in its answer; logging each of them would bury the cause. */
@Module({
  imports: [TerminusModule.forRoot({ logger: false }), RelayModule],
  controllers: [HealthController, MetricsController],
  providers: [MetricsService, MetricsListener, ReadinessIndicator, ShutdownState],
  exports: [MetricsService, ShutdownState],
})
export class ObservabilityModule {}
