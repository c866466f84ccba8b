import { Injectable } from '@nestjs/common';
import type { Application } from '../../bitrix/applications.service.js';
import { RestClient } from '../../bitrix/rest.client.js';
import { BATCH_LIMIT, type CommandOutcome, type RestCommand } from '../../bitrix/rest.types.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { within } from '../../common/within.js';
import {
  type LineConfig,
  LINES_METHOD,
  lineConfigsQuery,
  MOST_LINES,
  readLineConfigs,
} from '../../connector/dialogs/line-config.parser.js';
import { EventBindings } from '../../connector/install/event-bindings.service.js';
import { PortalLifecycleService } from '../../connector/install/portal-lifecycle.service.js';
import { linesOf, type PortalView } from '../../storage/accounts/portal-views.repository.js';
import type { Trouble } from '../../storage/work/rest-limits.repository.js';
import { describeError } from './describe-error.js';
import { handlerCheck, installedCheck, lineChecks, lineStateOf } from './doctor.checks.js';
import type { Check } from './doctor.dto.js';
import { finding } from './finding.js';
import { portalClockCheck } from './machine.checks.js';
import { portalTroubleCheck } from './portal-trouble.checks.js';

/** How long a portal may take to answer. */
const LIMIT_MS = 3_000;

/** Asks a portal whether it would pass messages on. */
@Injectable()
export class PortalExaminer {
  constructor(
    private readonly rest: RestClient,
    private readonly events: EventBindings,
    private readonly lifecycle: PortalLifecycleService,
  ) {}

  /** Of a portal that is not asked itself, the trouble that its messages met is all that is known. */
  async examine(
    portal: PortalView,
    applications: Application[],
    trouble: Trouble | null,
    ask: boolean,
  ): Promise<Check[]> {
    if (portal.state !== 'active') return [];
    if (ask) return this.askPortal(portal, applications, trouble?.since ?? null);
    return trouble ? [portalTroubleCheck(portal, applicationOf(portal, applications), trouble, trouble.since)] : [];
  }

  /** One batch per portal: its bucket of requests belongs to the messages. `since`: when its trouble began. */
  private async askPortal(portal: PortalView, applications: Application[], since: Date | null): Promise<Check[]> {
    const lines = linesOf(portal).slice(0, BATCH_LIMIT - 3);
    const commands: Record<string, RestCommand> = {
      installed: { method: 'app.info', params: {} },
      handlers: { method: 'event.get', params: {} },
      configs: { method: LINES_METHOD, params: lineConfigsQuery() },
    };
    for (const line of lines) {
      commands[`line${line}`] = { method: 'imconnector.status', params: { CONNECTOR: portal.connectorId, LINE: line } };
    }
    const named = { portal: portal.domain };
    try {
      const call = this.rest.callBatch(portal.id, commands, { timeoutMs: LIMIT_MS });
      const { results, time } = await within(LIMIT_MS, call);
      const answered = (key: string, name: string, read: (result: unknown) => Check[]): Check[] => {
        const outcome = results[key];
        if (outcome?.ok) return read(outcome.result);
        const detail = outcome ? describeError(outcome.error) : 'no answer';
        const told = { ...named, method: commands[key]?.method ?? key, said: detail };
        return [finding(`portal:${portal.id}:${name}`, 'portal.refuses', told)];
      };
      const configOf = lineConfigs(results['configs']);
      await Promise.all(
        lines.map(async (line) => {
          const outcome = results[`line${line}`];
          if (outcome?.ok) await this.lifecycle.lineSeen(portal.id, line, lineStateOf(outcome.result, configOf(line)));
        }),
      );
      return [
        finding(`portal:${portal.id}:rest`, 'portal.answers', named),
        ...portalClockCheck(portal, time?.finish, Date.now()),
        ...answered('installed', 'installed', (result) => [installedCheck(portal, result)]),
        ...answered('handlers', 'handler', (result) => [handlerCheck(portal, result, this.events.handlerUrl)]),
        ...lines.flatMap((line) =>
          answered(`line${line}`, `line:${line}:connector`, (result) =>
            lineChecks(portal, line, result, configOf(line)),
          ),
        ),
      ];
    } catch (error) {
      const said = error instanceof UpstreamError ? error : { code: 'NO_ANSWER', detail: describeError(error) };
      return [portalTroubleCheck(portal, applicationOf(portal, applications), said, since)];
    }
  }
}

/** Finds what the portal says of a line: null when it names all of its lines, and not this one. */
function lineConfigs(outcome: CommandOutcome | undefined): (line: string) => LineConfig | null | undefined {
  if (!outcome?.ok) return () => undefined;
  const configs = readLineConfigs(outcome.result);
  // None at all: more likely the administrator of the tokens may not see them.
  const complete = configs.length > 0 && configs.length < MOST_LINES;
  return (line) => configs.find(({ lineId }) => lineId === line) ?? (complete ? null : undefined);
}

export function applicationOf({ clientId }: PortalView, applications: Application[]): Application | null {
  return applications.find((application) => application.clientId === clientId) ?? null;
}
