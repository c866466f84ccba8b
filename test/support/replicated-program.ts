import { DEFAULT_ADMIN_KEY, freePort, Program, ProgramClient, type RunningProgram } from './program.js';
import { RoundRobin } from './round-robin.js';

/** They start at the same time, on a machine that may have two cores. */
const LONGEST_START_MS = 180_000;

/** Several programs on one database behind a load balancer, to be used like the one program. */
export class ReplicatedProgram extends ProgramClient implements RunningProgram {
  private constructor(
    url: string,
    adminKey: string,
    private readonly programs: Program[],
    private readonly front: RoundRobin,
  ) {
    super(url, adminKey);
  }

  /** Starts them; PORT is the load balancer's. */
  static async start(environment: Record<string, string | undefined>, count: number): Promise<ReplicatedProgram> {
    const port = Number(environment.PORT ?? (await freePort()));
    const url = `http://127.0.0.1:${port}`;
    const started = await Promise.allSettled(
      Array.from({ length: count }, () =>
        Program.start({ PUBLIC_URL: url, ...environment, PORT: undefined }, LONGEST_START_MS),
      ),
    );
    const programs = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const failed = started.find((result) => result.status === 'rejected');
    if (failed) {
      await Promise.all(programs.map((program) => program.kill()));
      throw failed.reason;
    }
    const front = await RoundRobin.open(
      port,
      programs.map((program) => Number(new URL(program.url).port)),
    );
    return new ReplicatedProgram(url, environment.ADMIN_API_KEY ?? DEFAULT_ADMIN_KEY, programs, front);
  }

  /** Of one after the other. */
  get log(): string[] {
    return this.programs.flatMap(({ log }) => log);
  }

  /** The first that there is. */
  get exitCode(): number | null {
    return this.programs.find(({ exitCode }) => exitCode !== null)?.exitCode ?? null;
  }

  get pid(): number {
    return this.programs[0]!.pid;
  }

  async ready(waitMs: number): Promise<void> {
    await Promise.all(this.programs.map((program) => program.ready(waitMs)));
  }

  /** The worst of their exit codes. */
  async stop(): Promise<number | null> {
    const codes = await Promise.all([...this.programs.map((program) => program.stop()), this.front.close()]);
    return codes.find((code) => typeof code === 'number' && code !== 0) ?? 0;
  }

  async kill(): Promise<void> {
    await Promise.all([...this.programs.map((program) => program.kill()), this.front.close()]);
  }

  signal(name: NodeJS.Signals): void {
    for (const program of this.programs) program.signal(name);
  }

  warnings(): string[] {
    return [...new Set(this.programs.flatMap((program) => program.warnings()))];
  }

  tail(lines?: number): string {
    return this.programs.map((program) => program.tail(lines)).join('\n\n');
  }
}
