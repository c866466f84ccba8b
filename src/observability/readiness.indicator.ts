import { Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { VERSION } from '../common/version.js';
import { within } from '../common/within.js';
import { EndpointSupervisor } from '../relay/endpoint-supervisor.js';
import { IntakeService } from '../relay/intake.service.js';
import { ServerRepository } from '../storage/postgres/server.repository.js';
import { SchemaService } from '../storage/postgres/schema.service.js';
import { ShutdownState } from './shutdown-state.js';

/** A database that needs longer than this for `SELECT 1` cannot take messages in; milliseconds. */
const DATABASE_LIMIT_MS = 1_000;

/** What must hold for this replica to take messages in. */
@Injectable()
export class ReadinessIndicator {
  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly server: ServerRepository,
    private readonly schema: SchemaService,
    private readonly supervisor: EndpointSupervisor,
    private readonly shutdown: ShutdownState,
    private readonly intakes: IntakeService,
  ) {}

  /** Which version answers. */
  program(): HealthIndicatorResult {
    return this.indicators.check('program').up({ version: VERSION });
  }

  /** Down from the signal on that ends this process, so that load balancers choose another replica. */
  process(): HealthIndicatorResult {
    const indicator = this.indicators.check('process');
    return this.shutdown.isShuttingDown ? indicator.down({ reason: 'shutting_down' }) : indicator.up();
  }

  async database(): Promise<HealthIndicatorResult> {
    const indicator = this.indicators.check('database');
    return this.upUnlessItFails(indicator, this.server.ping());
  }

  /** Whether what comes in could be stored lately: PostgreSQL may answer, and still have no room for it. */
  intake(): HealthIndicatorResult {
    const indicator = this.indicators.check('intake');
    return this.intakes.trouble === null ? indicator.up() : indicator.down({ reason: 'not_stored' });
  }

  async migrations(): Promise<HealthIndicatorResult> {
    const indicator = this.indicators.check('migrations');
    const work = this.schema.pendingMigrations().then((pending) => {
      if (pending.length > 0) throw new Error(`not applied: ${pending.join(', ')}`);
    });
    return this.upUnlessItFails(indicator, work);
  }

  /**
   * Whether the bots and portals that this replica drives are being driven. A bot with a revoked token, or a Telegram
   * that is away, makes it `degraded` and not `down`: events of Bitrix24 must still find a replica that takes them in.
   * The doctor says why.
   */
  endpoints(): HealthIndicatorResult {
    const owned = this.supervisor.status().filter((endpoint) => endpoint.owned);
    const stuck = owned.filter((endpoint) => !endpoint.healthy).map(({ id }) => id);
    const indicator = this.indicators.check('endpoints');
    return stuck.length === 0
      ? indicator.up({ owned: owned.length })
      : indicator.degraded({ owned: owned.length, stuck });
  }

  /** The probe is open to anyone: it says that PostgreSQL is away, not in which words. */
  private async upUnlessItFails(
    indicator: ReturnType<HealthIndicatorService['check']>,
    work: Promise<void>,
  ): Promise<HealthIndicatorResult> {
    return within(DATABASE_LIMIT_MS, work).then(
      () => indicator.up(),
      (error: Error & { code?: string }) => indicator.down({ reason: error.code ?? error.name }),
    );
  }
}
