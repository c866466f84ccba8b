import { Injectable } from '@nestjs/common';
import { RestClient } from '../bitrix/rest.client.js';
import { UpstreamError } from '../common/upstream-error.js';
import type { LaneResult } from '../relay/endpoint-driver.js';
import type { ClaimedDelivery, ClaimedLane } from '../storage/lanes.repository.js';
import type { PortalRecord } from '../storage/portals.repository.js';
import { DialogReader } from './dialog.reader.js';
import { chatOf, externalIdOf, externalIdsOf, messagesOf, userOf } from './dialog.message.js';
import { noteLanguage, repetitionMark, undeliveredNote } from './operator-notes.js';

/** Bitrix24 ends a request after 60 s (apidocs.bitrix24.com, "Limits"): until then the answer may still come. */
const SEND_TIMEOUT_MS = 65_000;

interface SentElement {
  SUCCESS?: boolean;
  ERRORS?: unknown;
  user?: unknown;
  session?: { ID?: unknown; CHAT_ID?: unknown };
}

/** Makes the `imconnector.*` calls that carry messages. Throws UpstreamError; the callers hold a permit per call. */
@Injectable()
export class PortalSender {
  constructor(
    private readonly rest: RestClient,
    private readonly dialogs: DialogReader,
  ) {}

  /** Sends the head of an inbound lane: a client's words, or a note to the operator. */
  async sendWords(portal: PortalRecord, lane: ClaimedLane): Promise<LaneResult> {
    const delivery = lane.deliveries[0]!;
    const line = lineOf(lane);
    if (delivery.kind === 'note') return this.sendNote(portal, lane, line, delivery);
    let repeated: string | null = null;
    if (delivery.unknown) {
      const [first] = messagesOf(lane.chat, delivery, null);
      const text = String((first?.message as { text?: string } | undefined)?.text ?? '');
      const found = await this.dialogs.find(portal.id, lane.chat, externalIdOf(lane.chat, delivery.message), text);
      if (found === 'there') return { deliveries: [{ seq: delivery.seq, delivered: true }] };
      // Only what could not be looked up may be a repetition; what is absent never arrived.
      if (found === 'unreadable') repeated = repetitionMark(noteLanguage(portal.language));
    }
    return this.send(portal, line, delivery, messagesOf(lane.chat, delivery, repeated));
  }

  /** Reports operators' messages of these lanes (one line, one channel) as delivered or read. */
  async reportStatus(portal: PortalRecord, lanes: ClaimedLane[]): Promise<undefined> {
    const reading = lanes[0]!.channel === 'reading';
    const MESSAGES = lanes.flatMap((lane) => lane.deliveries.map((delivery) => statusOf(lane, delivery)));
    await this.rest.call(
      portal.id,
      reading ? 'imconnector.send.status.reading' : 'imconnector.send.status.delivery',
      { CONNECTOR: portal.connectorId, LINE: lineOf(lanes[0]!), MESSAGES },
      { permit: true },
    );
  }

  private async sendNote(
    portal: PortalRecord,
    lane: ClaimedLane,
    line: number,
    delivery: ClaimedDelivery,
  ): Promise<LaneResult> {
    const reason = (delivery.payload ?? {}) as { code?: string; detail?: string };
    const text = undeliveredNote(
      { code: reason.code ?? 'refused', detail: reason.detail ?? '' },
      delivery.message.text,
      noteLanguage(portal.language),
    );
    const element = {
      user: userOf(lane.chat),
      // Author 0: a system line of the dialog, which never comes back to us as an event.
      message: {
        id: `${lane.chat.externalId}:note${delivery.message.id}`,
        date: Math.floor(Date.now() / 1000),
        text,
        user_id: 0,
      },
      chat: chatOf(lane.chat),
    };
    return this.send(portal, line, delivery, [element]);
  }

  private async send(
    portal: PortalRecord,
    line: number,
    delivery: ClaimedDelivery,
    elements: Record<string, unknown>[],
  ): Promise<LaneResult> {
    const { result } = await this.rest.call<{ SUCCESS?: boolean; DATA?: { RESULT?: unknown } }>(
      portal.id,
      'imconnector.send.messages',
      { CONNECTOR: portal.connectorId, LINE: line, MESSAGES: elements },
      { permit: true, timeoutMs: SEND_TIMEOUT_MS },
    );
    const answers = Object.values((result?.DATA?.RESULT ?? {}) as Record<string, SentElement>);
    const [first] = answers;
    if (!first) {
      throw new UpstreamError({
        network: 'bitrix24',
        kind: 'unknown',
        scope: 'message',
        code: 'NO_RESULT',
        detail: 'Bitrix24 accepted the call but named no result for the message.',
      });
    }
    // A refused element stands inside a call that succeeded (HTTP 200).
    if (first.SUCCESS === false) {
      throw new UpstreamError({
        network: 'bitrix24',
        kind: 'refused',
        scope: 'message',
        code: 'element_error',
        detail: [first.ERRORS ?? []].flat().map(String).join('; ') || 'Bitrix24 refused the message without a reason.',
      });
    }
    return {
      deliveries: [{ seq: delivery.seq, delivered: true }],
      chat: {
        ...(known(first.session?.CHAT_ID) ? { bitrixChatId: String(first.session!.CHAT_ID) } : {}),
        ...(known(first.session?.ID) ? { bitrixSessionId: String(first.session!.ID) } : {}),
        ...(known(first.user) ? { bitrixUserId: String(first.user) } : {}),
      },
    };
  }
}

function known(value: unknown): boolean {
  return (typeof value === 'string' && value !== '') || typeof value === 'number';
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
