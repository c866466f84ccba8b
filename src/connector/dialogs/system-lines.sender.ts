import { isAboutWords, isMethodWithheld } from '../../bitrix/bitrix-problems.js';
import type { RestClient } from '../../bitrix/rest.client.js';
import type { RestCommand } from '../../bitrix/rest.types.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { DeliveryResult } from '../../relay/endpoint-driver.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';
import { untried } from './lane-results.js';
import type { Caller } from './caller.js';
import type { Prepared } from './prepared-messages.js';
import { mayGoAside } from './service-lines.js';
import { mayWriteSystemLines, systemLine } from './system-line.js';

/** How long a refusal is believed: roles and members of a line change. */
const REFUSED_MS = 3_600_000;
const MOST_REFUSALS = 10_000;

/** `untried`: a line before it may have to be sent again. */
type Added = 'there' | 'untried' | UpstreamError;

/** Writes lines into dialogs past the sessions, see {@link systemLine}, where the portal lets us. */
export class SystemLinesSender {
  /** Dialogs and portals that refused, and until when that is believed; milliseconds since 1970. */
  private readonly refused = new Map<string, number>();

  constructor(private readonly rest: RestClient) {}

  canSend(portal: PortalRecord, { chat }: ClaimedLane, delivery: ClaimedDelivery): boolean {
    return (
      mayGoAside(delivery) &&
      chat.bitrixChatId !== null &&
      mayWriteSystemLines(portal) &&
      ![portalKey(portal), chatKey(chat)].some((key) => (this.refused.get(key) ?? 0) > Date.now())
    );
  }

  /** A refusal is remembered, and the line is due again at once, to go another way. */
  async send(
    portal: PortalRecord,
    lane: ClaimedLane,
    prepared: Prepared[],
    caller: Caller,
    permit: boolean,
  ): Promise<DeliveryResult[]> {
    const parts = prepared.flatMap((item) => item.elements.map(({ message }) => ({ item, text: message.text ?? '' })));
    const commands = parts.map(({ text }) => systemLine(lane.chat.bitrixChatId, text));
    // In a batch the portal replaces "$result[…]", whoever wrote it.
    const together = commands.length > 1 && !commands.some(({ params }) => String(params.MESSAGE).includes('$result'));
    const added = together
      ? await this.addTogether(portal, commands, caller, permit)
      : await this.addOneByOne(portal, commands, caller, permit);
    return prepared.map((item) => {
      const own = added.filter((_, index) => parts[index]!.item === item);
      return this.resultOf(portal, lane, item.delivery, own);
    });
  }

  /** `parts`: what became of the parts of one line. */
  private resultOf(portal: PortalRecord, lane: ClaimedLane, delivery: ClaimedDelivery, parts: Added[]): DeliveryResult {
    const error = parts.find((part) => part instanceof UpstreamError);
    if (!error) return parts.includes('untried') ? untried(delivery) : { seq: delivery.seq, delivered: true };
    const isMethod = isMethodWithheld(error);
    if (isAboutWords(error) || (!isMethod && error.kind !== 'refused')) {
      return { seq: delivery.seq, delivered: false, error };
    }
    if (this.refused.size >= MOST_REFUSALS) this.refused.clear();
    this.refused.set(isMethod ? portalKey(portal) : chatKey(lane.chat), Date.now() + REFUSED_MS);
    return untried(delivery);
  }

  private async addOneByOne(
    portal: PortalRecord,
    commands: RestCommand[],
    { lease }: Caller,
    permit: boolean,
  ): Promise<Added[]> {
    const added: Added[] = [];
    for (const { method, params } of commands) {
      if (mustStop(added.at(-1))) {
        added.push('untried');
        continue;
      }
      try {
        await this.rest.call(portal.id, method, params, { lease, permit: permit && added.length === 0 });
        added.push('there');
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        added.push(error);
      }
    }
    return added;
  }

  private async addTogether(
    portal: PortalRecord,
    commands: RestCommand[],
    caller: Caller,
    permit: boolean,
  ): Promise<Added[]> {
    const keyed = Object.fromEntries(commands.map((command, index) => [`c${index}`, command]));
    try {
      const { results } = await this.rest.callBatch(portal.id, keyed, { lease: caller.lease, permit });
      return commands.map((_, index) => {
        const outcome = results[`c${index}`]!;
        return outcome.ok ? 'there' : outcome.error;
      });
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      // One of them may be the cause, and none was performed.
      if (error.kind === 'refused') return this.addOneByOne(portal, commands, caller, false);
      return commands.map(() => error);
    }
  }
}

/** The order of the dialog: behind a line that may have to be sent again nothing is sent. */
function mustStop(before: Added | undefined): boolean {
  return before === 'untried' || (before instanceof UpstreamError && !isAboutWords(before));
}

const portalKey = ({ id }: PortalRecord) => `portal:${id}`;
const chatKey = ({ id }: ClaimedLane['chat']) => `chat:${id}`;
