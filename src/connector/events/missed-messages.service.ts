import { Injectable, Logger } from '@nestjs/common';
import { RestClient } from '../../bitrix/rest.client.js';
import { BATCH_LIMIT, type CommandOutcome, type RestCommand } from '../../bitrix/rest.types.js';
import { IntakeService } from '../../relay/intake.service.js';
import type { OperatorMessage } from '../../relay/message.js';
import { ChatsRepository, type ActiveDialog } from '../../storage/history/chats.repository.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { unreported, type DialogHistory, type HistoryMessage, type Unreported } from './dialog-history.parser.js';
import { elementsOf, fieldsOf, scalar } from '../../bitrix/php-values.reader.js';

/** What an operator wrote longer ago is no longer delivered by surprise. */
const OLDEST_MS = 24 * 3_600_000;
/** So long operators may edit (`im` module, 259200 s); bots may delete for 48 hours. */
const CHANGEABLE_MS = 259_200_000;
const MOST_DIALOGS = 2_000;
/** im.dialog.messages.get gives no more at once. */
const PAGE = 50;
/** Messages between two sessions that are read; more in one dialog within a day is no conversation. */
const MOST_PAGES = 20;

/** What the portal lets us read of a dialog. */
interface Look {
  dialog: ActiveDialog;
  sessions: { id: number; history: DialogHistory }[];
  /** False: a part of it could not be read now. */
  isWhole: boolean;
}

/**
 * Finds operators' messages whose event never reached us: Bitrix24 posts every event once and never again
 * (apidocs.bitrix24.com, "Events: how they work"). What is found goes the way of the event, whose key keeps it from
 * being delivered twice.
 */
@Injectable()
export class MissedMessagesService {
  private readonly logger = new Logger(MissedMessagesService.name);

  constructor(
    private readonly rest: RestClient,
    private readonly chats: ChatsRepository,
    private readonly intake: IntakeService,
  ) {}

  /**
   * Reads the dialogs of the portal in which somebody wrote within the last `minutes`. Dialogs that the portal does
   * not let us read are passed over. Throws UpstreamError when the portal cannot be asked.
   */
  async collect(portal: PortalRecord, minutes: number, signal: AbortSignal): Promise<void> {
    await this.lookInto(portal, await this.chats.activeDialogs(portal.id, minutes, MOST_DIALOGS), signal);
  }

  /** The same for these dialogs. False: a part of them could not be read now. */
  async lookInto(portal: PortalRecord, dialogs: ActiveDialog[], signal: AbortSignal): Promise<boolean> {
    let isWhole = true;
    for (let start = 0; start < dialogs.length; start += BATCH_LIMIT) {
      if (signal.aborted) return false;
      isWhole = (await this.read(portal, dialogs.slice(start, start + BATCH_LIMIT))) && isWhole;
    }
    return isWhole;
  }

  /** History is by session: the newest, and where that is another than at the last look, those since then. */
  private async read(portal: PortalRecord, dialogs: ActiveDialog[]): Promise<boolean> {
    const looks = dialogs.map((dialog): Look => ({ dialog, sessions: [], isWhole: true }));
    await this.readSessions(
      portal,
      looks.map((look) => [look, { CHAT_ID: Number(look.dialog.bitrixChatId) }]),
    );
    await this.readSessions(
      portal,
      looks.flatMap((look) => sessionsBefore(look).map((id) => [look, { SESSION_ID: id }] as const)),
    );
    const found: Unreported[] = [];
    for (const look of looks) {
      look.sessions.sort((one, other) => one.id - other.id);
      const between = look.sessions.length > 1 ? await this.readBetween(portal, look) : {};
      const histories = [...look.sessions.map(({ history }) => history), between];
      found.push(...histories.map((history) => unreported(history, look.dialog, portal, limits())));
    }
    await this.keep(portal, found, dialogs[0]!.asOf);
    await this.chats.saveLookedSessions(
      portal.id,
      looks.flatMap(({ dialog, sessions, isWhole }) => {
        const sessionId = sessions.at(-1)?.id.toString();
        if (!isWhole || !sessionId || sessionId === dialog.lookedSessionId) return [];
        return [{ chatId: dialog.chatId, bitrixChatId: dialog.bitrixChatId, sessionId }];
      }),
    );
    return looks.every(({ isWhole }) => isWhole);
  }

  private async keep(portal: PortalRecord, found: Unreported[], asOf: Date): Promise<void> {
    const messages = found.flatMap((part) => part.messages).sort(byId);
    const changes = found.flatMap((part) => part.changes);
    const accepted = await this.intake.recover({ messages, changes }, asOf);
    if (accepted > 0) {
      this.logger.log(
        { portalId: String(portal.id), messages: accepted },
        'Found operators’ messages whose events never came',
      );
    }
  }

  private async readSessions(portal: PortalRecord, wanted: (readonly [Look, Record<string, number>])[]): Promise<void> {
    for (let start = 0; start < wanted.length; start += BATCH_LIMIT) {
      const some = wanted.slice(start, start + BATCH_LIMIT);
      const commands = some.map(([, params], index): [string, RestCommand] => [
        `d${index}`,
        { method: 'imopenlines.session.history.get', params },
      ]);
      const { results } = await this.rest.callBatch(portal.id, Object.fromEntries(commands), { yields: true });
      some.forEach(([look], index) => {
        const answer = answerOf(results[`d${index}`], look);
        const id = Number(answer?.sessionId);
        // Numbers of another portal, before the bot moved, may be those of somebody else's dialog here.
        if (!answer || !(id > 0) || scalar(answer.chatId) !== look.dialog.bitrixChatId) return;
        look.sessions.push({ id, history: answer });
      });
    }
  }

  /**
   * No method lists the sessions of a dialog; im.dialog.messages.get reads across them, where the portal lets us (scope
   * `im`, and the chat must be one that we may enter).
   */
  private async readBetween(portal: PortalRecord, look: Look): Promise<DialogHistory> {
    const end = Math.min(...idsOf(look.sessions.at(-1)!.history));
    const messages: HistoryMessage[] = [];
    const files: unknown[] = [];
    let after = Math.max(0, ...idsOf(look.sessions[0]!.history));
    for (let pages = 0; after > 0 && after < end && pages < MOST_PAGES; pages++) {
      const params = { DIALOG_ID: `chat${look.dialog.bitrixChatId}`, FIRST_ID: after, LIMIT: PAGE };
      const commands = { page: { method: 'im.dialog.messages.get', params } };
      const { results } = await this.rest.callBatch(portal.id, commands, { yields: true });
      const answer = answerOf(results.page, look);
      const page = elementsOf(answer?.messages) as HistoryMessage[];
      messages.push(...page.filter(({ id }) => Number(id) < end));
      files.push(...elementsOf(answer?.files));
      after = page.length < PAGE ? end : Math.max(...idsOf({ message: page }));
    }
    return { message: messages, files };
  }
}

function limits(): { since: Date; changedSince: Date } {
  return { since: new Date(Date.now() - OLDEST_MS), changedSince: new Date(Date.now() - CHANGEABLE_MS) };
}

/** Those that are known beside the newest one. */
function sessionsBefore({ dialog, sessions }: Look): number[] {
  const known = [dialog.lookedSessionId, dialog.bitrixSessionId].map(Number);
  return [...new Set(known)].filter((id) => id > 0 && id !== sessions[0]?.id);
}

/** What the portal refuses to show is passed over; what it does not show now is looked at again. */
function answerOf(outcome: CommandOutcome | undefined, look: Look): Record<string, unknown> | undefined {
  if (outcome?.ok) return fieldsOf(outcome.result);
  if (outcome?.error.kind !== 'refused' && outcome?.error.kind !== 'unauthorised') look.isWhole = false;
  return undefined;
}

function idsOf({ message }: DialogHistory): number[] {
  return (elementsOf(message) as HistoryMessage[]).map(({ id }) => Number(id));
}

/** They grow within a portal. */
function byId(one: OperatorMessage, other: OperatorMessage): number {
  return Number(one.bitrixMessageId) - Number(other.bitrixMessageId);
}
