import { Injectable } from '@nestjs/common';
import { RestClient } from '../../bitrix/rest.client.js';
import type { RestTime } from '../../bitrix/rest.types.js';
import type { Fence } from '../../common/http-exchange.js';
import { languageOf } from '../../common/language.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { CLIENT_MESSAGE_REFUSED, type DeliveryResult, type LaneResult } from '../../relay/endpoint-driver.js';
import type { ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';
import type { StatusLane } from '../../storage/work/delivery-reports.repository.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { WELCOME } from '../../storage/intake/welcome.js';
import { groupStatuses } from './call-plan.js';
import { ClientFiles } from './client-files.js';
import {
  chatOf,
  correctionsOf,
  type Element,
  externalIdOf,
  externalIdsOf,
  messagesOf,
  NOBODYS,
  noteIdOf,
  timeOfLate,
  playedFiles,
  userOf,
} from './dialog.message.js';
import { DialogReader } from './dialog.reader.js';
import {
  FILES_MISSING,
  missingFilesNote,
  type NoteReason,
  notShownNote,
  repetitionMark,
  tooLargeLabel,
  undeliveredNote,
  welcomeNote,
} from './operator-notes.js';
import { type CarriedLane, RefusedCalls } from './refused-calls.js';
import { nextRun } from './service-lines.js';

/** Bitrix24 ends a request after 60 s (apidocs.bitrix24.com, "Limits"): until then the answer may still come. */
const SEND_TIMEOUT_MS = 65_000;
const SEND = 'imconnector.send.messages';
const REPORT = 'imconnector.send.status.delivery';
/**
 * A request whose end nobody saw is done after so long, milliseconds: sends take 0.3 to 3 s, ten times that when the
 * portal is in trouble. (It ends them at 60 s, but a client's words should not wait so long for what hardly ever is.)
 */
const ARRIVAL_MS = 20_000;

/** What a lane's delivery becomes in `MESSAGES`; no elements: it stands in the dialog already. */
export interface Prepared {
  delivery: ClaimedDelivery;
  elements: Element[];
  /** How many files go along. */
  files: number;
  /** Nobody could say whether it stands there. */
  repeated?: true;
}

interface SendAnswer {
  SUCCESS?: boolean;
  DATA?: { RESULT?: unknown };
}

interface SentElement {
  SUCCESS?: boolean;
  ERRORS?: unknown;
  user?: unknown;
  session?: { ID?: unknown; CHAT_ID?: unknown };
  message?: { files?: unknown };
}

/** On whose behalf calls are made. */
export interface Caller {
  /** Once it is over nothing leaves any more; without: whoever calls needs none. */
  lease?: Fence;
  /** Told how long the portal took for how many messages, seconds. */
  timing: (seconds: number, messages: number) => void;
}

/**
 * Makes the `imconnector.*` calls that carry messages. Every method settles all of its lanes: what the network says
 * becomes their results; only what is not the network's doing is thrown.
 */
@Injectable()
export class PortalSender {
  constructor(
    private readonly rest: RestClient,
    private readonly dialogs: DialogReader,
    private readonly files: ClientFiles,
    private readonly refused: RefusedCalls,
  ) {}

  /** What one chat says, in order, as far as one request carries it; the rest is due at once. */
  async sendWords(portal: PortalRecord, lane: ClaimedLane, caller: Caller, permit = true): Promise<LaneResult> {
    const deliveries = nextRun(lane);
    const waiting = lane.deliveries.filter((delivery) => !deliveries.includes(delivery));
    const sent = deliveries.length > 0;
    const result = sent ? await this.sendTogether(portal, { ...lane, deliveries }, caller, permit) : { deliveries: [] };
    const postponed = waiting.map(({ seq }) => ({ seq, delivered: false as const, postponed: { begun: false } }));
    return { ...result, deliveries: [...result.deliveries, ...postponed] };
  }

  /** All of these in one request; where it is refused as a whole, only what is refused alone fails. */
  async sendTogether(portal: PortalRecord, lane: ClaimedLane, caller: Caller, permit: boolean): Promise<LaneResult> {
    const [result] = await this.refused.settle(
      portal,
      [lane],
      (part, free) => this.request(portal, part, caller, free),
      permit,
    );
    return result!;
  }

  /** One request. Throws UpstreamError when it had no success as a whole. */
  private async request(
    portal: PortalRecord,
    lanes: ClaimedLane[],
    caller: Caller,
    permit: boolean,
  ): Promise<LaneResult[]> {
    return lanes.length > 1
      ? this.batch(portal, lanes, caller, permit)
      : [await this.sendRun(portal, lanes[0]!, caller, permit)];
  }

  private async sendRun(portal: PortalRecord, lane: ClaimedLane, caller: Caller, permit: boolean): Promise<LaneResult> {
    const [first] = lane.deliveries;
    if (first!.kind === 'edit' || first!.kind === 'delete') return this.change(portal, lane, first!, caller, permit);
    const prepared: Prepared[] = [];
    for (const delivery of lane.deliveries) prepared.push(await this.prepare(portal, lane, delivery));
    const elements = prepared.flatMap((item) => item.elements);
    if (elements.length === 0) return read(prepared, []);
    const { result, time } = await this.rest.call<SendAnswer>(portal.id, SEND, this.params(portal, lane, elements), {
      permit,
      lease: caller.lease,
      timeoutMs: SEND_TIMEOUT_MS,
    });
    // Files take the time of their size, which says nothing about the next message.
    if (prepared.every(({ files }) => files === 0)) observe(caller, time, elements.length);
    return this.withoutRefusedFiles(portal, lane, caller, prepared, elementsOf(result));
  }

  /** A message that is nothing but files is refused when the portal could fetch none: then their names go. */
  private async withoutRefusedFiles(
    portal: PortalRecord,
    lane: ClaimedLane,
    caller: Caller,
    prepared: Prepared[],
    answers: SentElement[],
  ): Promise<LaneResult> {
    const last = prepared.at(-1)!;
    const refused = last.files > 0 && answers.at(-last.elements.length)?.SUCCESS === false;
    if (!refused || hasPicture(last)) return read(prepared, answers);
    const before = prepared.slice(0, -1);
    const kept = answers.slice(0, -last.elements.length);
    const labels = last.delivery.message.attachments.map(({ label }) => label);
    const language = languageOf(portal.language);
    const elements = messagesOf(lane.chat, last.delivery, {
      files: [],
      labels,
      named: [],
      photo: null,
      repeated: null,
      language,
    });
    try {
      const { result } = await this.rest.call<SendAnswer>(portal.id, SEND, this.params(portal, lane, elements), {
        lease: caller.lease,
        timeoutMs: SEND_TIMEOUT_MS,
      });
      return read([...before, { ...last, elements }], [...kept, ...elementsOf(result)]);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      const arrived = read(before, kept);
      return { ...arrived, deliveries: [...arrived.deliveries, { seq: last.delivery.seq, delivered: false, error }] };
    }
  }

  /** A newer version of a message, or its end. Both may be said twice: the portal looks for the message by our id. */
  private async change(
    portal: PortalRecord,
    lane: ClaimedLane,
    delivery: ClaimedDelivery,
    caller: Caller,
    permit: boolean,
  ): Promise<LaneResult> {
    const { chat } = lane;
    const gone = delivery.kind === 'delete';
    const elements = gone
      ? [
          {
            user: userOf(chat, this.files.photo(chat)),
            message: { id: externalIdOf(chat, delivery.message) },
            chat: chatOf(chat),
          },
        ]
      : correctionsOf(chat, delivery, { photo: this.files.photo(chat), language: languageOf(portal.language) });
    if (elements.length === 0) return { deliveries: [{ seq: delivery.seq, delivered: true }] };
    const method = gone ? 'imconnector.delete.messages' : 'imconnector.update.messages';
    const { result } = await this.rest.call<SendAnswer>(portal.id, method, this.params(portal, lane, elements), {
      permit,
      lease: caller.lease,
    });
    const { deliveries } = read([{ delivery, elements, files: 0 }], elementsOf(result));
    return { deliveries };
  }

  /** Words of several chats, one command a chat, in one request. The lanes hold nothing but fresh messages. */
  sendBatch(portal: PortalRecord, lanes: ClaimedLane[], caller: Caller, permit = true): Promise<LaneResult[]> {
    return this.refused.settle(portal, lanes, (part, free) => this.request(portal, part, caller, free), permit);
  }

  private async batch(
    portal: PortalRecord,
    lanes: ClaimedLane[],
    caller: Caller,
    permit: boolean,
  ): Promise<LaneResult[]> {
    const prepared = lanes.map((lane) => lane.deliveries.map((delivery) => this.fresh(portal, lane, delivery, null)));
    const commands = lanes.map((lane, index) => [
      `c${index}`,
      {
        method: SEND,
        params: this.params(
          portal,
          lane,
          prepared[index]!.flatMap((item) => item.elements),
        ),
      },
    ]);
    const { results } = await this.rest.callBatch(portal.id, Object.fromEntries(commands), {
      permit,
      lease: caller.lease,
      timeoutMs: SEND_TIMEOUT_MS,
    });
    const settled: LaneResult[] = [];
    for (const [index, lane] of lanes.entries()) {
      const outcome = results[`c${index}`]!;
      if (outcome.ok) {
        observe(caller, outcome.time, prepared[index]!.length);
        settled.push(read(prepared[index]!, elementsOf(outcome.result)));
      } else {
        const again = (part: ClaimedLane[], free: boolean) => this.request(portal, part, caller, free);
        settled.push(...(await this.refused.settleFailed(portal, [lane], again, outcome.error)));
      }
    }
    return settled;
  }

  /** Reports operators' messages of these lanes as delivered, in one request: of several lines as a batch. */
  reportStatus<Lane extends StatusLane>(
    portal: PortalRecord,
    lanes: Lane[],
    caller: Caller,
    permit = true,
  ): Promise<LaneResult[]> {
    return this.refused.settle(portal, lanes, (part, free) => this.report(portal, part, caller, free), permit);
  }

  private async report<Lane extends StatusLane>(
    portal: PortalRecord,
    lanes: Lane[],
    caller: Caller,
    permit: boolean,
  ): Promise<LaneResult[]> {
    const groups = groupStatuses(lanes);
    const commands = groups.map((group) => ({
      method: REPORT,
      params: {
        CONNECTOR: portal.connectorId,
        LINE: lineOf(group[0]!),
        MESSAGES: group.flatMap((lane) => lane.deliveries.map((delivery) => statusOf(lane, delivery))),
      },
    }));
    const options = { permit, lease: caller.lease };
    if (commands.length === 1) {
      await this.rest.call(portal.id, REPORT, commands[0]!.params, options);
      return lanes.map(done);
    }
    const keyed = Object.fromEntries(commands.map((command, index) => [`c${index}`, command]));
    const { results } = await this.rest.callBatch(portal.id, keyed, options);
    const settled = new Map<Lane, LaneResult>();
    for (const [index, group] of groups.entries()) {
      const outcome = results[`c${index}`]!;
      const again = (part: Lane[], free: boolean) => this.report(portal, part, caller, free);
      const made = outcome.ok ? group.map(done) : await this.refused.settleFailed(portal, group, again, outcome.error);
      for (const [place, lane] of group.entries()) settled.set(lane, made[place]!);
    }
    return lanes.map((lane) => settled.get(lane)!);
  }

  /** After an unknown outcome the dialog is read first: what stands there is not sent again. */
  async prepare(portal: PortalRecord, lane: ClaimedLane, delivery: ClaimedDelivery): Promise<Prepared> {
    const prepared = this.elements(portal, lane, delivery, null);
    const [first] = prepared.elements;
    if (!delivery.unknown || !first) return prepared;
    const authorId = first.message.user_id === undefined ? lane.chat.bitrixUserId : String(first.message.user_id);
    const sought = { externalId: first.message.id, text: first.message.text ?? '', authorId };
    const found = await this.dialogs.find(portal, lineOf(lane), lane.chat, sought);
    if (found === 'there') return { delivery, elements: [], files: 0 };
    // What is not there yet may still come: the portal goes on with a request that nobody waits for any more.
    if (delivery.unknownForMs < ARRIVAL_MS) throw notThereYet(ARRIVAL_MS - delivery.unknownForMs);
    if (found === 'absent') return prepared;
    // Only what could not be looked up may be a repetition; what is absent never arrived.
    const repeated = this.elements(portal, lane, delivery, repetitionMark(languageOf(portal.language)));
    return { ...repeated, repeated: true };
  }

  private elements(
    portal: PortalRecord,
    lane: ClaimedLane,
    delivery: ClaimedDelivery,
    repeated: string | null,
  ): Prepared {
    if (delivery.kind !== 'note') return this.fresh(portal, lane, delivery, repeated);
    return { delivery, elements: [this.note(portal, lane, delivery, repeated)], files: 0 };
  }

  private fresh(portal: PortalRecord, lane: ClaimedLane, delivery: ClaimedDelivery, repeated: string | null): Prepared {
    const { files, left } = this.files.sort(delivery.message);
    const language = languageOf(portal.language);
    const labels = left.map((file) => (this.files.isTooLarge(file) ? tooLargeLabel(file.label, language) : file.label));
    const named = playedFiles(delivery.message.attachments.filter((file) => !left.includes(file)));
    const along = { files, labels, named, photo: this.files.photo(lane.chat), repeated, language };
    return { delivery, elements: messagesOf(lane.chat, delivery, along), files: files.length };
  }

  private note(portal: PortalRecord, lane: ClaimedLane, delivery: ClaimedDelivery, repeated: string | null): Element {
    const text = this.noteText(portal, delivery);
    return {
      user: userOf(lane.chat, this.files.photo(lane.chat)),
      message: {
        id: noteIdOf(lane.chat, delivery),
        date: Math.floor(Date.now() / 1000),
        text: [repeated ?? '', timeOfLate(delivery), text].filter((line) => line !== '').join('\n'),
        ...NOBODYS,
      },
      chat: chatOf(lane.chat),
    };
  }

  /** What a delivery of kind note says, in the language of the portal. */
  noteText(portal: PortalRecord, { payload, message }: ClaimedDelivery): string {
    const reason = payload as unknown as NoteReason;
    const language = languageOf(portal.language);
    if (reason.code === WELCOME) return welcomeNote(message.text, language);
    if (reason.code === CLIENT_MESSAGE_REFUSED) return notShownNote(message, reason.detail, language);
    if (reason.code !== FILES_MISSING) return undeliveredNote(reason, message.text, language);
    const files = message.attachments.map((file) => ({ ...file, link: this.files.noteLink(message.id, file) }));
    return missingFilesNote(files, language);
  }

  private params(portal: PortalRecord, lane: ClaimedLane, elements: unknown[]): Record<string, unknown> {
    return { CONNECTOR: portal.connectorId, LINE: lineOf(lane), MESSAGES: elements };
  }
}

/** PHP writes a list with gaps as a map. */
function elementsOf(answer: unknown): SentElement[] {
  return Object.values(((answer as SendAnswer | null)?.DATA?.RESULT ?? {}) as Record<string, SentElement>);
}

/** A refused element stands inside a call that succeeded (HTTP 200), so each is looked at. */
function read(prepared: Prepared[], answers: SentElement[]): LaneResult {
  let next = 0;
  let last: SentElement | undefined;
  let photoRefused = false;
  const deliveries = prepared.map((item): DeliveryResult => {
    const {
      delivery: { seq },
      elements,
      files,
    } = item;
    if (elements.length === 0) return { seq, delivered: true };
    const [first] = answers.slice(next, (next += elements.length));
    if (!first) {
      const detail = 'Bitrix24 accepted the call but named no result for the message.';
      return { seq, delivered: false, error: problem('unknown', 'NO_RESULT', detail) };
    }
    if (first.SUCCESS === false) {
      const detail = [first.ERRORS ?? []].flat().map(String).join('; ') || 'Bitrix24 gave no reason.';
      if (hasPicture(item)) {
        // A client whose picture the portal refuses is not made at all (main, CUser::Add → CFile::CheckImageFile), and
        // the words say only that: once more without the picture.
        photoRefused = true;
        return { seq, delivered: false, error: withoutPicture(detail) };
      }
      return { seq, delivered: false, error: problem('refused', 'element_error', detail) };
    }
    last = first;
    // A file that the portal could not fetch is left out without a word.
    const taken = Object.values(first.message?.files ?? {}).length;
    if (taken >= files) return { seq, delivered: true };
    return { seq, delivered: true, note: { code: FILES_MISSING, detail: `${taken} of ${files} files arrived.` } };
  });
  const chat = {
    ...(isId(last?.session?.CHAT_ID) ? { bitrixChatId: String(last!.session!.CHAT_ID) } : {}),
    ...(isId(last?.session?.ID) ? { bitrixSessionId: String(last!.session!.ID) } : {}),
    ...(isId(last?.user) ? { bitrixUserId: String(last!.user) } : {}),
    ...(photoRefused ? { photoRefused } : {}),
  };
  return { deliveries, ...(Object.keys(chat).length > 0 ? { chat } : {}) };
}

function hasPicture({ elements }: Prepared): boolean {
  return elements.some(({ user }) => user.picture !== undefined);
}

function withoutPicture(detail: string): UpstreamError {
  return new UpstreamError({
    network: 'bitrix24',
    kind: 'not_sent',
    scope: 'message',
    code: 'PICTURE_REFUSED',
    detail: `Refused together with the client's picture; it goes once more without: ${detail}`,
    retryAfterMs: 0,
  });
}

/** Nothing is left to do for it. */
export function done(lane: CarriedLane): LaneResult {
  return { deliveries: lane.deliveries.map(({ seq }) => ({ seq, delivered: true as const })) };
}

function notThereYet(retryAfterMs: number): UpstreamError {
  const detail = 'An earlier try may still arrive in the dialog.';
  return new UpstreamError({
    network: 'bitrix24',
    kind: 'not_sent',
    scope: 'message',
    code: 'SETTLING',
    detail,
    retryAfterMs,
  });
}

function problem(kind: UpstreamError['kind'], code: string, detail: string): UpstreamError {
  return new UpstreamError({ network: 'bitrix24', kind, scope: 'message', code, detail });
}

function isId(value: unknown): boolean {
  return (typeof value === 'string' && value !== '') || typeof value === 'number';
}

function observe({ timing }: Caller, time: RestTime | undefined, messages: number): void {
  if (time?.duration !== undefined && messages > 0) timing(time.duration, messages);
}

/** A bot that was taken off its line has nowhere to send: the message waits for the next line. */
function lineOf(lane: CarriedLane): number {
  if (lane.chat.lineId === null) {
    throw new UpstreamError({
      network: 'bitrix24',
      kind: 'not_sent',
      scope: 'line',
      code: 'NO_LINE',
      detail: 'The bot of this chat serves no open line.',
      retryAfterMs: 30_000,
    });
  }
  return Number(lane.chat.lineId);
}

function statusOf(lane: StatusLane, { message }: StatusLane['deliveries'][number]): Record<string, unknown> {
  return {
    im: {
      chat_id: numeric(message.bitrixChatId ?? lane.chat.bitrixChatId),
      message_id: numeric(message.bitrixMessageId),
    },
    // Ids only count in the first call, and always as an array: without them no edit or deletion ever comes.
    message: { id: externalIdsOf(lane.chat, message), date: Math.floor(Date.now() / 1000) },
    chat: { id: lane.chat.externalId },
  };
}

function numeric(id: string | null): number | string | null {
  return id !== null && /^\d{1,15}$/.test(id) ? Number(id) : id;
}
