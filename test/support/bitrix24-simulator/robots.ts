import { createHmac, randomBytes } from 'node:crypto';
import { isArray, text, type Params } from './php-encoding.js';
import type { PortalApp } from './portal-model.js';
import type { Portal } from './portal.js';

/** A robot or an activity of an application: one table, one code for both (bizproc/lib/restservice.php). */
export interface Robot {
  app: PortalApp;
  code: string;
  isRobot: boolean;
  handler: string;
  name: unknown;
  description: unknown;
  authUserId: number;
  /** `Y`, `N`, or '': whoever sets it up chooses. */
  useSubscription: string;
  properties: Record<string, Params>;
  returnProperties: Record<string, Params>;
  filter: unknown;
}

/** One run of a robot, as the process that waits for it (or does not) sees it. */
export interface Run {
  eventToken: string;
  document: [string, string, string];
  robot: Robot;
  startedAt: number;
  /** 0: for ever. */
  timeoutSeconds: number;
  /** It waits for bizproc.event.send. */
  waits: boolean;
  closed: boolean;
  /** What the process goes on with; names as RETURN_PROPERTIES has them. */
  returned: Params | null;
  log: string[];
  /** Every call of bizproc.event.send, heeded or not. */
  sends: Params[];
}

export interface RunOptions {
  document?: [string, string, string];
  properties?: Params;
  /** Whose tokens the post carries; 0: nobody's. */
  author?: number;
  /** false: the process does not wait for the robot. */
  waits?: boolean;
  timeoutSeconds?: number;
}

/** Robots, and the processes that run them. */
export class Robots {
  readonly all = new Map<string, Robot>();
  readonly runs: Run[] = [];
  /** Features of the plan: without them the methods do not exist (restservice.php, onRestServiceBuildDescription). */
  readonly plan = { robots: true, activities: true };
  private readonly signature = randomBytes(16);
  private lastRun = 0;

  constructor(private readonly portal: Portal) {}

  /** A new version of the application, or its end: all of its robots go (restservice.php, onRestAppUpdate). */
  wipe(app: PortalApp): void {
    for (const [key, robot] of this.all) if (robot.app === app) this.all.delete(key);
  }

  /** A process comes to the robot: one post, which nobody repeats (restactivity.php, execute). Throws where there is no such robot. */
  run(app: PortalApp, code: string, options: RunOptions = {}): Run {
    const robot = this.all.get(robotKey(app, code));
    if (robot === undefined) throw new Error(`Robot ${code} is not found.`);
    const { document = ['crm', 'CCrmDocumentDeal', 'DEAL_1'], author = 1, timeoutSeconds = 0 } = options;
    const workflow = `${(this.portal.clock.seconds() + (this.lastRun += 1)).toString(16)}.${randomBytes(4).readUInt32BE()}`;
    const parts = `${workflow}|A51601_82584_96831_81132|${randomBytes(16).toString('hex')}`;
    const run: Run = {
      eventToken: `${parts}.${this.sign(parts)}`,
      document,
      robot,
      startedAt: this.portal.clock.now(),
      timeoutSeconds,
      waits: robot.useSubscription === '' ? (options.waits ?? true) : robot.useSubscription === 'Y',
      closed: false,
      returned: null,
      log: [],
      sends: [],
    };
    run.closed = !run.waits;
    this.runs.push(run);
    const given = options.properties ?? {};
    const properties = Object.fromEntries(Object.keys(robot.properties).map((key) => [key, given[key] ?? '']));
    this.portal.events.postFields(robot.handler, app, robot.code, {
      fields: {
        workflow_id: workflow,
        code: robot.code,
        document_id: document,
        document_type: [document[0], document[1], document[2].replace(/_\d+$/, '')],
        event_token: run.eventToken,
        properties,
        use_subscription: run.waits ? 'Y' : 'N',
        timeout_duration: timeoutSeconds,
      },
      userId: author,
      withRefresh: true,
    });
    return run;
  }

  /** The signature was good: whatever becomes of it, the answer is true (restservice.php, sendEvent: a background job). */
  finish(run: Run, values: unknown, log: string): void {
    run.sends.push(isArray(values) ? values : {});
    this.checkTimeout(run);
    if (run.closed) return;
    const given = isArray(values) ? Object.entries(values) : [];
    run.returned = Object.fromEntries(
      Object.keys(run.robot.returnProperties).flatMap((name) => {
        const value = given.find(([key]) => key.toLowerCase() === name.toLowerCase());
        return value === undefined ? [] : [[name, value[1]]];
      }),
    );
    run.closed = true;
    if (log !== '') run.log.push(log);
  }

  /** The time is over: the process goes on without an answer. */
  checkTimeout(run: Run): void {
    if (run.closed || run.timeoutSeconds === 0) return;
    if (this.portal.clock.now() < run.startedAt + run.timeoutSeconds * 1000) return;
    run.returned = { IsTimeout: 1 };
    run.closed = true;
  }

  /** Null: nobody has signed it. */
  runOf(token: unknown): Run | null {
    const [, parts = '', sign = ''] = /^(.*)\.([0-9a-f]{64})$/s.exec(text(token)) ?? [];
    if (parts === '' || sign !== this.sign(parts)) return null;
    return this.runs.find(({ eventToken }) => eventToken === token) ?? null;
  }

  private sign(parts: string): string {
    return createHmac('sha256', this.signature).update(parts).digest('hex');
  }
}

/** md5 of client_id and code in the real table. */
export const robotKey = (app: PortalApp, code: string): string => `${app.clientId}@${code}`;
