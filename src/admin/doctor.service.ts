import { Injectable } from '@nestjs/common';
import { RestClient } from '../bitrix/rest.client.js';
import type { RestCommand } from '../bitrix/rest.types.js';
import { redact } from '../common/redact.js';
import { UpstreamError } from '../common/upstream-error.js';
import { within } from '../common/within.js';
import { Environment } from '../config/environment.js';
import { RegistrationService } from '../connector/registration.service.js';
import { OverviewRepository, type BotFacts, type PortalView } from '../storage/overview.repository.js';
import { SchemaService } from '../storage/schema.service.js';
import { BotsService } from '../telegram/bots.service.js';
import { TelegramClient } from '../telegram/telegram.client.js';
import { Cached } from './cached.js';
import {
  botChecks,
  botName,
  check,
  environmentChecks,
  handlerCheck,
  installedCheck,
  inventoryChecks,
  lineCheck,
  portalChecks,
  queueCheck,
  type Check,
} from './doctor.checks.js';
import { attentionCheck, clockCheck, diskCheck, disksOf, portalClockCheck, proxyChecks } from './machine.checks.js';
import { linesOf } from './portals.controller.js';

/** How long a diagnosis is kept: asking must not cost the portals their calls. */
const KEPT_MS = 10_000;
const NETWORK_LIMIT_MS = 3_000;
/** Portals and bots that are asked over the network, each; of further ones our own tables tell. */
const MOST_ASKED = 100;
const MOST_PORTALS = 10_000;

export interface Diagnosis {
  ok: boolean;
  checks: Check[];
}

/** Finds out why messages do not flow. Never throws: what cannot be found out is a check that failed. */
@Injectable()
export class DoctorService {
  private readonly cached = new Cached(() => this.examine(), KEPT_MS);

  constructor(
    private readonly environment: Environment,
    private readonly overview: OverviewRepository,
    private readonly schema: SchemaService,
    private readonly bots: BotsService,
    private readonly telegram: TelegramClient,
    private readonly rest: RestClient,
    private readonly registration: RegistrationService,
  ) {}

  /** At most 10 s old. */
  diagnose(): Promise<Diagnosis> {
    return this.cached.get();
  }

  private async examine(): Promise<Diagnosis> {
    const database = await this.checkDatabase();
    const rest = database.ok ? await this.checkTraffic() : [];
    const checks = [database, ...environmentChecks(this.environment), ...rest];
    return { ok: checks.every(({ ok }) => ok), checks };
  }

  private async checkDatabase(): Promise<Check> {
    const advice =
      'Start PostgreSQL or correct DATABASE_URL. Nothing is lost: both networks keep what we cannot store.';
    const failure = await failureOf(within(NETWORK_LIMIT_MS, this.overview.ping()));
    return check(
      'database',
      !failure,
      failure ? `PostgreSQL does not answer: ${failure}` : 'PostgreSQL answers',
      advice,
    );
  }

  private async checkTraffic(): Promise<Check[]> {
    try {
      const [pending, portals, bots, idle, oldest, attention] = await Promise.all([
        this.schema.pendingMigrations(),
        this.overview.portals(MOST_PORTALS),
        this.overview.bots(),
        this.overview.idleEndpoints(),
        this.overview.oldestWaitingSeconds(),
        this.overview.attention(),
      ]);
      const asked = await Promise.all([
        ...bots.slice(0, MOST_ASKED).map((bot) => this.askTelegram(bot)),
        ...portals.slice(0, MOST_ASKED).map((portal) => this.askPortal(portal)),
      ]);
      return [
        migrationsCheck(pending),
        ...inventoryChecks(portals, bots),
        ...portals.flatMap((portal) => portalChecks(portal, linesOf(portal), !idle.has(`portal:${portal.id}`))),
        ...bots.flatMap((bot) => botChecks(bot, portals, !idle.has(`bot:${bot.id}`))),
        ...asked.flat(),
        // After Telegram was asked: the ways and its clock are as they are now.
        ...proxyChecks(this.telegram.routes),
        ...(await this.checkMachine()),
        queueCheck(oldest),
        attentionCheck(attention),
      ];
    } catch (error) {
      return [
        check(
          'examination',
          false,
          `The examination broke off: ${describe(error)}`,
          'Try again; the log may tell more.',
        ),
      ];
    }
  }

  private async checkMachine(): Promise<Check[]> {
    const [disks, { secondsAhead, bytes }] = await Promise.all([
      disksOf(this.environment),
      within(NETWORK_LIMIT_MS, this.overview.database()),
    ]);
    return [
      clockCheck({ database: secondsAhead, telegram: this.telegram.secondsAhead }),
      diskCheck(disks, this.environment.DATABASE_URL ? bytes : null),
    ];
  }

  private async askTelegram(bot: BotFacts): Promise<Check[]> {
    if (bot.state === 'disabled') return [];
    const answer = await within(NETWORK_LIMIT_MS, this.bots.check(bot.id)).catch((error: unknown) => ({
      ok: false,
      detail: describe(error),
    }));
    const advice = 'Check the token at @BotFather and that this machine reaches TG_API_ROOT (TG_PROXY_URL, if needed).';
    return [check(`bot:${bot.id}:telegram`, answer.ok, `${botName(bot)}: ${answer.detail}`, advice)];
  }

  /** One batch per portal: its bucket of requests belongs to the messages. */
  private async askPortal(portal: PortalView): Promise<Check[]> {
    if (portal.state !== 'active') return [];
    const lines = linesOf(portal).slice(0, 48);
    const commands: Record<string, RestCommand> = {
      installed: { method: 'app.info', params: {} },
      handlers: { method: 'event.get', params: {} },
    };
    for (const line of lines) {
      commands[`line${line}`] = { method: 'imconnector.status', params: { CONNECTOR: portal.connectorId, LINE: line } };
    }
    const id = `portal:${portal.id}:rest`;
    const advice =
      'If the portal is up and the address is right, wait; messages wait too. Otherwise install the application again.';
    try {
      const call = this.rest.callBatch(portal.id, commands, { timeoutMs: NETWORK_LIMIT_MS });
      const { results, time } = await within(NETWORK_LIMIT_MS, call);
      const answered = (key: string, name: string, read: (result: unknown) => Check): Check => {
        const outcome = results[key];
        if (outcome?.ok) return read(outcome.result);
        const detail = outcome ? describe(outcome.error) : 'no answer';
        return check(
          `portal:${portal.id}:${name}`,
          false,
          `${portal.domain}, ${commands[key]?.method}: ${detail}`,
          advice,
        );
      };
      return [
        check(id, true, `${portal.domain} answers`, ''),
        ...portalClockCheck(portal, time?.finish, Date.now()),
        answered('installed', 'installed', (result) => installedCheck(portal, result)),
        answered('handlers', 'handler', (result) => handlerCheck(portal, result, this.registration.handlerUrl)),
        ...lines.map((line) =>
          answered(`line${line}`, `line:${line}:connector`, (result) => lineCheck(portal, line, result)),
        ),
      ];
    } catch (error) {
      return [check(id, false, `${portal.domain}: ${describe(error)}`, advice)];
    }
  }
}

function migrationsCheck(pending: string[]): Check {
  return check(
    'migrations',
    pending.length === 0,
    pending.length === 0 ? 'The tables are up to date' : `Migrations are missing: ${pending.join(', ')}`,
    'Restart this replica: it applies them at its start.',
  );
}

async function failureOf(work: Promise<unknown>): Promise<string | null> {
  return work.then(
    () => null,
    (error: unknown) => describe(error),
  );
}

function describe(error: unknown): string {
  if (error instanceof UpstreamError) return `${error.code}: ${error.detail}`;
  const { message, code } = error as { message?: string; code?: string };
  return redact(message || code || 'unknown error').slice(0, 200);
}
