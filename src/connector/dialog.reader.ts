import { Injectable } from '@nestjs/common';
import { RestClient } from '../bitrix/rest.client.js';
import { UpstreamError } from '../common/upstream-error.js';
import type { ClaimedLane } from '../storage/lanes.repository.js';

/** What reading the dialog says about a message whose sending had an unknown outcome. */
export type Found = 'there' | 'absent' | 'unreadable';

interface DialogMessage {
  /** PHP writes an empty map as a list. Session history writes its keys in camel case. */
  params?: { CONNECTOR_MID?: unknown; connectorMid?: unknown } | unknown[];
  senderid?: unknown;
  author_id?: unknown;
  text?: unknown;
  message?: unknown;
}

/** Looks into an Open Lines dialog for a message by the id that we gave it (kept there as CONNECTOR_MID). */
@Injectable()
export class DialogReader {
  constructor(private readonly rest: RestClient) {}

  /**
   * Whether the dialog of this chat holds the message. `unreadable`: there is no dialog that we know of, or the
   * portal does not let us read it. Transient trouble is thrown as an UpstreamError.
   */
  async find(portalId: bigint, chat: ClaimedLane['chat'], externalId: string, text: string): Promise<Found> {
    // By session is open to whoever installed the application; the two others ask for membership of the chat.
    const reads: [string, Record<string, unknown>, string][] = [];
    if (chat.bitrixSessionId) {
      reads.push(['imopenlines.session.history.get', { SESSION_ID: Number(chat.bitrixSessionId) }, 'message']);
    }
    if (chat.bitrixChatId) {
      const chatId = Number(chat.bitrixChatId);
      reads.push(['imopenlines.session.history.get', { CHAT_ID: chatId }, 'message']);
      reads.push(['im.dialog.messages.get', { DIALOG_ID: `chat${chatId}`, LIMIT: 50 }, 'messages']);
    }
    let readable = false;
    for (const [method, params, field] of reads) {
      try {
        const { result } = await this.rest.call<Record<string, unknown> | null>(portalId, method, params);
        // PHP writes a list with gaps as a map.
        const messages = Object.values((result?.[field] ?? {}) as Record<string, DialogMessage>);
        if (messages.some((message) => isIt(message, chat, externalId, text))) return 'there';
        if (messages.length > 0) readable = true;
      } catch (error) {
        if (!(error instanceof UpstreamError && error.kind === 'refused')) throw error;
      }
    }
    return readable ? 'absent' : 'unreadable';
  }
}

function isIt(message: DialogMessage, chat: ClaimedLane['chat'], externalId: string, text: string): boolean {
  const params = Array.isArray(message.params) ? undefined : message.params;
  const mid = params?.CONNECTOR_MID ?? params?.connectorMid;
  if (mid !== undefined && mid !== null) return [mid].flat().map(String).includes(externalId);
  // Some answers leave the parameters out: then the same words by the same client are the best there is.
  const author = String(message.senderid ?? message.author_id ?? '');
  return (
    chat.bitrixUserId !== null && author === chat.bitrixUserId && String(message.text ?? message.message ?? '') === text
  );
}
