import { Logger } from '@nestjs/common';
import { LEASE_LOST, TransportError } from '../../common/http-exchange.js';
import { DIRECT, NO_WAY, ProxyRoutes, type RouteState, routesTo } from '../../common/proxy-routes.js';
import { GatewayAnswer } from './gateway-page.js';
import { TelegramConnections } from './telegram-connections.js';

const TELEGRAM = 'Telegram';
/** How long a root that failed is not asked again while another one works. */
const COOLDOWN_MS = 30_000;
/** Time for all roots together to connect; the rest of a call's 30 s belongs to the answer. */
const ALL_ROOTS_MS = 15_000;
/** Failures that say nothing about the root: our own, or those of one call. */
const OUR_OWN = new Set([LEASE_LOST, 'ABORT_ERR', 'ANSWER_TOO_LARGE']);

/** The state of one root. */
export interface RootState {
  /** Its origin: the path may be a secret. */
  name: string;
  /** Why it last failed; null: it works, or has not been used yet. */
  failure: string | null;
  /** New calls go there. */
  inUse: boolean;
  /** Milliseconds for a harmless call, including a new connection; null: it has not answered one yet. */
  answerMs: number | null;
  /** The proxies that lead to it; empty when it needs none. */
  routes: RouteState[];
}

/** One address of the Bot API: Telegram's, a relay's, or that of an own server. */
export class ApiRoot {
  /** Its origin. */
  readonly name: string;
  readonly connections: TelegramConnections;
  /** It gave an answer of the Bot API, and has not failed since. */
  works = false;
  failure: string | null = null;
  answerMs: number | null = null;
  /** By `performance.now()`. */
  cooldownUntil = 0;
  /** While it is examined. */
  proof: Promise<void> | null = null;

  constructor(
    /** Without a trailing slash. */
    readonly url: string,
    readonly routes: ProxyRoutes | null,
  ) {
    this.name = new URL(url).origin;
    this.connections = new TelegramConnections(url, routes);
  }
}

/** Makes a harmless call by a root; rejects unless the Bot API answers. */
export type Proof = (root: ApiRoot) => Promise<unknown>;

/**
 * The addresses of the Bot API, in order of preference. A call goes to the first one that works. If not a byte of it
 * was written, it goes to the next one; what became of it otherwise is for the caller to decide, and nothing is
 * repeated here. Where there are several, no root gets a message before it answered a harmless call: at the start,
 * and after each failure.
 */
export class ApiRoots {
  private readonly logger = new Logger('ApiRoots');
  private readonly roots: ApiRoot[];
  /** A file was named by a path on a disk: only an own server does so, with `--local`. */
  nameDiskPaths = false;
  /** From the latest caller: any bot will do. */
  private proof: Proof | null = null;

  constructor(
    urls: readonly string[],
    proxyCandidates: readonly string[],
    private readonly cooldownMs = COOLDOWN_MS,
  ) {
    const limits = { allRoutesMs: ALL_ROOTS_MS / urls.length };
    // Several roots need a limit of their own for connecting, with proxies or without.
    const routes = () =>
      urls.length === 1
        ? routesTo(TELEGRAM, proxyCandidates)
        : new ProxyRoutes(TELEGRAM, proxyCandidates.length > 0 ? proxyCandidates : [DIRECT], limits);
    this.roots = urls.map((url) => new ApiRoot(url.replace(/\/+$/, ''), routes()));
  }

  /** In the order of preference. */
  get states(): RootState[] {
    const used = this.roots.find(({ works }) => works);
    return this.roots.map((root) => ({
      name: root.name,
      failure: root.failure,
      inUse: root === used,
      answerMs: root.answerMs,
      routes: root.routes?.states ?? [],
    }));
  }

  /**
   * One call. What is repeatable goes to the next root after any failure.
   *
   * @param proof how a root is examined; it costs the bot nothing
   * @param exchange rejects with what happened to the connection, not with what it means for a message
   */
  async call<Answer>(
    proof: Proof,
    exchange: (root: ApiRoot) => Promise<Answer>,
    { repeatable = false } = {},
  ): Promise<Answer> {
    this.proof = proof;
    const untried = new Set(this.roots);
    for (;;) {
      const root = await this.choose([...untried], proof);
      untried.delete(root);
      try {
        const answer = await exchange(root);
        this.worked(root);
        return answer;
      } catch (error) {
        const fault = faultOf(error);
        if (fault !== null) this.failed(root, fault);
        if (fault === null || untried.size === 0 || (mayHaveArrived(error) && !repeatable)) throw error;
      }
    }
  }

  /** Examines all roots now, and all ways to each of them; for people. */
  async measure(): Promise<void> {
    const proof = this.roots.length > 1 ? this.proof : null;
    await Promise.allSettled([
      ...this.roots.map((root) => root.routes?.measure(root.url)),
      ...(proof ? this.roots.map((root) => this.prove(root, proof)) : []),
    ]);
  }

  private async choose(candidates: ApiRoot[], proof: Proof): Promise<ApiRoot> {
    const [only] = this.roots;
    if (only && this.roots.length === 1) return only;
    const place = candidates.findIndex(({ works }) => works);
    if (place < 0) return this.firstThatProves(candidates, proof);
    const now = performance.now();
    const preferred = candidates.slice(0, place).filter(({ cooldownUntil }) => cooldownUntil <= now);
    // For later calls; this one does not wait for them.
    for (const root of preferred) void this.prove(root, proof).catch(() => undefined);
    return candidates[place]!;
  }

  /** Those that cool down as well: there is nothing better. */
  private firstThatProves(candidates: ApiRoot[], proof: Proof): Promise<ApiRoot> {
    const proofs = candidates.map((root) => this.prove(root, proof).then(() => root));
    return Promise.any(proofs).catch(() => {
      const told = this.roots.map(({ name, failure }) => `${name} (${failure ?? 'not tried'})`).join(', ');
      throw Object.assign(new Error(`No root of the Bot API works: ${told}`), { code: NO_WAY });
    });
  }

  private prove(root: ApiRoot, proof: Proof): Promise<void> {
    const began = performance.now();
    root.proof ??= proof(root)
      .then(
        () => {
          root.answerMs = Math.round(performance.now() - began);
          this.worked(root);
        },
        (error: unknown) => {
          this.failed(root, faultOf(error) ?? reasonOf(error));
          throw error;
        },
      )
      .finally(() => (root.proof = null));
    return root.proof;
  }

  private worked(root: ApiRoot): void {
    if (root.failure !== null) this.logger.log(`The Bot API can be reached at ${root.name} again`);
    root.works = true;
    root.failure = null;
  }

  private failed(root: ApiRoot, reason: string): void {
    if (root.failure === null) this.logger.warn(`The Bot API cannot be reached at ${root.name}: ${reason}`);
    root.works = false;
    root.failure = reason;
    root.cooldownUntil = performance.now() + this.cooldownMs;
  }
}

/** Why the root is at fault; null: it is not. */
function faultOf(error: unknown): string | null {
  if (error instanceof TransportError) return OUR_OWN.has(error.code) ? null : reasonOf(error);
  // The route lets nothing so large through, and everything else.
  if (error instanceof GatewayAnswer) return error.page.status === 413 ? null : reasonOf(error);
  return null;
}

/** A page says that nothing arrived, or not; its sender may have read all of a file by then, which is read once. */
function mayHaveArrived(error: unknown): boolean {
  return !(error instanceof TransportError) || error.written;
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error)).slice(0, 300);
