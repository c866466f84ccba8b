import { Injectable } from '@nestjs/common';
import { RestClient } from '../bitrix/rest.client.js';
import type { RestTime } from '../bitrix/rest.types.js';
import { UpstreamError } from '../common/upstream-error.js';
import type { DeliveryResult, LaneResult } from '../relay/endpoint-driver.js';
import type { ClaimedDelivery, ClaimedLane } from '../storage/lanes.repository.js';
import type { PortalRecord } from '../storage/portals.repository.js';
import { chatOf, externalIdsOf, messagesOf, noteIdOf, userOf } from './dialog.message.js';
import { DialogReader } from './dialog.reader.js';
import { noteLanguage, repetitionMark, undeliveredNote } from './operator-notes.js';

/** Bitrix24 ends a request after 60 s (apidocs.bitrix24.com, "Limits"): until then the answer may still come. */
const SEND_TIMEOUT_MS = 65_000;
const SEND = 'imconnector.send.messages';

type Elements = Record<string, unknown>[];

/** What a lane's deliveries become in `MESSAGES`; null: it stands in the dialog already. */
interface Prepared {
  delivery: ClaimedDelivery;
  elements: Elements | null;
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
}

/** Told how long the portal took for how many messages, seconds. */
export type Timing = (seconds: number, messages: number) => void;

/**
 * Makes the `imconnector.*` calls that carry messages. Every method settles all of its lanes: what the network says
 * becomes their results; only what is not the network's doing is thrown.
 */
@Injectable()
export class PortalSender {
  constructor(
    private readonly rest: RestClient,
    private readonly dialogs: DialogReader,
  ) {}

  /** Words and notes of one chat, in order, in one request. */
  async sendWords(portal: PortalRecord, lane: ClaimedLane, timing: Timing, permit = true): Promise<LaneResult> {
    const prepared: Prepared[] = [];
    try {
      for (const delivery of lane.deliveries) prepared.push(await this.prepare(portal, lane, delivery));
      const elements = prepared.flatMap((item) => item.elements ?? []);
      if (elements.length === 0) return read(prepared, []);
      const { result, time } = await this.rest.call<SendAnswer>(portal.id, SEND, this.params(portal, lane, elements), {
        permit,
        timeoutMs: SEND_TIMEOUT_MS,
      });
      observe(timing, time, elements.length);
      return read(prepared, elementsOf(result));
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      if (error.kind === 'refused' && lane.deliveries.length > 1) return this.oneByOne(portal, lane, timing);
      return failed(lane, error);
    }
  }

  /** Words of several chats, one command a chat, in one request. The lanes hold nothing but fresh messages. */
  async sendBatch(portal: PortalRecord, lanes: ClaimedLane[], timing: Timing, permit = true): Promise<LaneResult[]> {
    const prepared = lanes.map((lane) =>
      lane.deliveries.map((delivery): Prepared => ({ delivery, elements: messagesOf(lane.chat, delivery, null) })),
    );
    const commands = lanes.map((lane, index) => [
      `c${index}`,
      {
        method: SEND,
        params: this.params(
          portal,
          lane,
          prepared[index]!.flatMap((item) => item.elements ?? []),
        ),
      },
    ]);
    try {
      const { results } = await this.rest.callBatch(portal.id, Object.fromEntries(commands), {
        permit,
        timeoutMs: SEND_TIMEOUT_MS,
      });
      return await Promise.all(
        lanes.map(async (lane, index): Promise<LaneResult> => {
          const outcome = results[`c${index}`]!;
          if (outcome.ok) {
            observe(timing, outcome.time, prepared[index]!.length);
            return read(prepared[index]!, elementsOf(outcome.result));
          }
          if (outcome.error.kind === 'refused' && lane.deliveries.length > 1)
            return this.oneByOne(portal, lane, timing);
          return failed(lane, outcome.error);
        }),
      );
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      return lanes.map((lane) => failed(lane, error));
    }
  }

  /** Reports operators' messages of these lanes (one line, one channel) as delivered or read. */
  async reportStatus(portal: PortalRecord, lanes: ClaimedLane[], permit = true): Promise<LaneResult[]> {
    const reading = lanes[0]!.channel === 'reading';
    const MESSAGES = lanes.flatMap((lane) => lane.deliveries.map((delivery) => statusOf(lane, delivery)));
    try {
      await this.rest.call(
        portal.id,
        reading ? 'imconnector.send.status.reading' : 'imconnector.send.status.delivery',
        { CONNECTOR: portal.connectorId, LINE: lineOf(lanes[0]!), MESSAGES },
        { permit },
      );
      return lanes.map((lane) => ({
        deliveries: lane.deliveries.map(({ seq }) => ({ seq, delivered: true as const })),
      }));
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      return lanes.map((lane) => failed(lane, error));
    }
  }

  /** A call with several messages was refused as a whole: one of them may be the cause, the others must not suffer. */
  private async oneByOne(portal: PortalRecord, lane: ClaimedLane, timing: Timing): Promise<LaneResult> {
    const deliveries: DeliveryResult[] = [];
    let chat: LaneResult['chat'];
    for (const delivery of lane.deliveries) {
      const result = await this.sendWords(portal, { ...lane, deliveries: [delivery] }, timing, false);
      const [outcome] = result.deliveries;
      deliveries.push(outcome!);
      chat = result.chat ?? chat;
      if ('error' in outcome! && outcome.error.kind !== 'refused') {
        const rest = lane.deliveries.slice(deliveries.length);
        const { error } = outcome;
        // Behind a message that must wait, the order of the chat makes the others wait, unsent.
        const waiting = error.kind === 'unknown' ? behind(error) : error;
        deliveries.push(...rest.map(({ seq }) => ({ seq, delivered: false as const, error: waiting })));
        break;
      }
    }
    return { deliveries, ...(chat ? { chat } : {}) };
  }

  /** After an unknown outcome the dialog is read first: what stands there is not sent again. */
  private async prepare(portal: PortalRecord, lane: ClaimedLane, delivery: ClaimedDelivery): Promise<Prepared> {
    const elements = this.elements(portal, lane, delivery, null);
    if (!delivery.unknown || elements.length === 0) return { delivery, elements };
    const message = elements[0]!.message as { id: string; text: string; user_id?: number };
    const authorId = message.user_id === undefined ? lane.chat.bitrixUserId : String(message.user_id);
    const sought = { externalId: message.id, text: message.text, authorId };
    const found = await this.dialogs.find(portal, lineOf(lane), lane.chat, sought);
    if (found === 'there') return { delivery, elements: null };
    if (found === 'absent') return { delivery, elements };
    // Only what could not be looked up may be a repetition; what is absent never arrived.
    return { delivery, elements: this.elements(portal, lane, delivery, repetitionMark(noteLanguage(portal.language))) };
  }

  private elements(
    portal: PortalRecord,
    lane: ClaimedLane,
    delivery: ClaimedDelivery,
    repeated: string | null,
  ): Elements {
    return delivery.kind === 'note'
      ? [this.note(portal, lane, delivery, repeated)]
      : messagesOf(lane.chat, delivery, repeated);
  }

  private note(
    portal: PortalRecord,
    lane: ClaimedLane,
    delivery: ClaimedDelivery,
    repeated: string | null,
  ): Record<string, unknown> {
    const reason = (delivery.payload ?? {}) as { code?: string; detail?: string };
    const text = undeliveredNote(
      { code: reason.code ?? 'refused', detail: reason.detail ?? '' },
      delivery.message.text,
      noteLanguage(portal.language),
    );
    return {
      user: userOf(lane.chat),
      // Author 0: a system line of the dialog, which never comes back to us as an event.
      message: {
        id: noteIdOf(lane.chat, delivery),
        date: Math.floor(Date.now() / 1000),
        text: repeated ? `${repeated}\n${text}` : text,
        user_id: 0,
      },
      chat: chatOf(lane.chat),
    };
  }

  private params(portal: PortalRecord, lane: ClaimedLane, elements: Elements): Record<string, unknown> {
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
  const deliveries = prepared.map(({ delivery: { seq }, elements }): DeliveryResult => {
    if (elements === null) return { seq, delivered: true };
    const [first] = answers.slice(next, (next += elements.length));
    if (!first) {
      const detail = 'Bitrix24 accepted the call but named no result for the message.';
      return { seq, delivered: false, error: problem('unknown', 'NO_RESULT', detail) };
    }
    if (first.SUCCESS === false) {
      const detail = [first.ERRORS ?? []].flat().map(String).join('; ') || 'Bitrix24 gave no reason.';
      return { seq, delivered: false, error: problem('refused', 'element_error', detail) };
    }
    last = first;
    return { seq, delivered: true };
  });
  const chat = {
    ...(isId(last?.session?.CHAT_ID) ? { bitrixChatId: String(last!.session!.CHAT_ID) } : {}),
    ...(isId(last?.session?.ID) ? { bitrixSessionId: String(last!.session!.ID) } : {}),
    ...(isId(last?.user) ? { bitrixUserId: String(last!.user) } : {}),
  };
  return { deliveries, ...(Object.keys(chat).length > 0 ? { chat } : {}) };
}

function failed(lane: ClaimedLane, error: UpstreamError): LaneResult {
  return { deliveries: lane.deliveries.map(({ seq }) => ({ seq, delivered: false as const, error })) };
}

function behind(error: UpstreamError): UpstreamError {
  return problem('not_sent', 'WAITS', `Waits for the message before it (${error.code}).`);
}

function problem(kind: UpstreamError['kind'], code: string, detail: string): UpstreamError {
  return new UpstreamError({ network: 'bitrix24', kind, scope: 'message', code, detail });
}

function isId(value: unknown): boolean {
  return (typeof value === 'string' && value !== '') || typeof value === 'number';
}

function observe(timing: Timing, time: RestTime | undefined, messages: number): void {
  if (time?.duration !== undefined && messages > 0) timing(time.duration, messages);
}

/** A bot that was taken off its line has nowhere to send: the message waits for the next line. */
function lineOf(lane: ClaimedLane): number {
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

function statusOf(lane: ClaimedLane, { message }: ClaimedDelivery): Record<string, unknown> {
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
