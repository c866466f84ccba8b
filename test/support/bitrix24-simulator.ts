import { ControlApi } from './bitrix24-simulator/control-api.js';
import { Faults } from './bitrix24-simulator/faults.js';
import { LoopbackServer } from './bitrix24-simulator/http-exchange.js';
import { ENTERPRISE_LIMITS, STANDARD_LIMITS, type LimitSettings } from './bitrix24-simulator/load-limits.js';
import { OAuthServer } from './bitrix24-simulator/oauth-server.js';
import { Portal, type PortalSettings } from './bitrix24-simulator/portal.js';
import { TokenStore } from './bitrix24-simulator/token-store.js';
import { VirtualClock } from './bitrix24-simulator/virtual-clock.js';

export interface SimulatorOptions {
  /** Default: any free port. */
  oauthPort?: number;
  /** Default: any free port. */
  controlPort?: number;
  /** True (default): those of the portal's plan; false: none; or the ones to change. */
  limits?: boolean | Partial<LimitSettings>;
  /** Execution time of every method, ms; in a batch of every command, in `imconnector.send.messages` of every message. */
  latencyMs?: number;
  clock?: VirtualClock;
}

/**
 * Bitrix24 in this process, on loopback: its OAuth server, any number of portals, and a control API for a person or a
 * page that plays the operator. It answers as the real servers do, quirks included, and forgives as little.
 */
export class Bitrix24Simulator {
  readonly portals: Portal[] = [];
  readonly faults = new Faults();
  readonly clock: VirtualClock;
  readonly tokens: TokenStore;
  readonly oauth: OAuthServer;
  latencyMs: number;
  private oauthServer!: LoopbackServer;
  private controlServer!: LoopbackServer;

  private constructor(private readonly options: SimulatorOptions) {
    this.clock = options.clock ?? new VirtualClock();
    this.latencyMs = options.latencyMs ?? 0;
    this.tokens = new TokenStore(this.clock);
    this.oauth = new OAuthServer(
      this.tokens,
      () => this.portals,
      this.faults,
      () => this.latencyMs,
    );
  }

  static async start(options: SimulatorOptions = {}): Promise<Bitrix24Simulator> {
    const simulator = new Bitrix24Simulator(options);
    const control = new ControlApi(() => simulator.portals);
    simulator.oauthServer = await LoopbackServer.listen(
      (exchange) => simulator.oauth.answer(exchange),
      options.oauthPort,
    );
    simulator.controlServer = await LoopbackServer.listen((exchange) => control.answer(exchange), options.controlPort);
    return simulator;
  }

  /** Origin of the OAuth server: `<origin>/oauth/token/`, `<origin>/rest/app.info`. */
  get oauthUrl(): string {
    return this.oauthServer.origin;
  }

  /** Origin of the control API; its routes are listed at `ControlApi`. */
  get controlUrl(): string {
    return this.controlServer.origin;
  }

  /** Adds a portal on an origin of its own. */
  async addPortal(settings: PortalSettings & { plan?: 'standard' | 'enterprise' } = {}): Promise<Portal> {
    const portal = await Portal.start(settings, {
      clock: this.clock,
      tokens: this.tokens,
      faults: this.faults,
      oauth: this.oauth,
      oauthUrl: this.oauthUrl,
      limits: this.limitsOf(settings.plan ?? 'standard'),
      latencyMs: () => this.latencyMs,
    });
    this.portals.push(portal);
    return portal;
  }

  /** Closes every server and connection. */
  async stop(): Promise<void> {
    await Promise.all([
      this.oauthServer.close(),
      this.controlServer.close(),
      ...this.portals.map((portal) => portal.stop()),
    ]);
  }

  private limitsOf(plan: 'standard' | 'enterprise'): LimitSettings | null {
    const { limits = true } = this.options;
    if (limits === false) return null;
    const settings = plan === 'enterprise' ? ENTERPRISE_LIMITS : STANDARD_LIMITS;
    return limits === true ? settings : { ...settings, ...limits };
  }
}
