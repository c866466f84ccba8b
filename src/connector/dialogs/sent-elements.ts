import { bitrixProblem } from '../../bitrix/bitrix-problems.js';
import { elementsOf, fieldsOf, scalar } from '../../bitrix/php-values.reader.js';
import type { UpstreamError } from '../../common/upstream-error.js';
import type { DeliveryResult, LaneResult } from '../../relay/endpoint-driver.js';
import type { LearnedChat } from '../../storage/work/learned-chats.js';
import { FILES_MISSING } from './operator-notes.js';
import type { Prepared } from './prepared-messages.js';

/** What one element of MESSAGES became, as `imconnector.*.messages` answers. */
export interface SentElement {
  isRefused: boolean;
  /** Why, in the portal's words. */
  errors: string[];
  /** How many of its files the portal fetched. */
  files: number;
  /** The client, the dialog and its session, as the portal numbers them. */
  ids: LearnedChat;
}

/** Reads the answer, in the order of the elements. */
export function readSentElements(answer: unknown): SentElement[] {
  const { RESULT: elements } = fieldsOf(fieldsOf(answer)?.DATA) ?? {};
  return elementsOf(elements).map(readSentElement);
}

function readSentElement(element: unknown): SentElement {
  const { SUCCESS: success, ERRORS: errors, user, session, message } = fieldsOf(element) ?? {};
  const { CHAT_ID: chatId, ID: sessionId } = fieldsOf(session) ?? {};
  const ids = {
    bitrixChatId: scalar(chatId),
    bitrixSessionId: scalar(sessionId),
    bitrixUserId: scalar(user),
  };
  return {
    isRefused: success === false,
    errors: [errors ?? []].flat().map(String),
    files: elementsOf(fieldsOf(message)?.files).length,
    ids: Object.fromEntries(Object.entries(ids).filter(([, id]) => id)),
  };
}

/**
 * What became of each delivery. A refused element stands inside a call that succeeded (HTTP 200), so each is looked at.
 */
export function settledBy(prepared: Prepared[], answers: SentElement[]): LaneResult {
  let next = 0;
  let chat: LearnedChat = {};
  let photoRefused = false;
  const deliveries = prepared.map((item): DeliveryResult => {
    const { delivery, elements, files } = item;
    const { seq } = delivery;
    if (elements.length === 0) {
      chat = { ...chat, ...item.learned };
      return { seq, delivered: true };
    }
    const [first] = answers.slice(next, (next += elements.length));
    if (!first) return { seq, delivered: false, error: unanswered() };
    if (first.isRefused) {
      const detail = first.errors.join('; ') || 'Bitrix24 gave no reason.';
      if (!hasPicture(item)) return { seq, delivered: false, error: bitrixProblem('element_error', detail) };
      // A client whose picture the portal refuses is not made at all (main, CUser::Add → CFile::CheckImageFile), and
      // the words say only that: once more without the picture.
      photoRefused = true;
      return { seq, delivered: false, error: pictureRefused(detail) };
    }
    chat = first.ids;
    // A file that the portal could not fetch is left out without a word.
    if (first.files >= files) return { seq, delivered: true };
    return { seq, delivered: true, note: { code: FILES_MISSING, detail: `${first.files} of ${files} files arrived.` } };
  });
  const learned: LearnedChat = { ...chat, ...(photoRefused ? { photoRefused } : {}) };
  return { deliveries, ...(Object.keys(learned).length > 0 && { chat: learned }) };
}

/** The client's picture goes along with it. */
export function hasPicture({ elements }: Prepared): boolean {
  return elements.some(({ user }) => user.picture !== undefined);
}

function unanswered(): UpstreamError {
  return bitrixProblem('NO_RESULT', 'Bitrix24 accepted the call but named no result for the message.');
}

function pictureRefused(detail: string): UpstreamError {
  return bitrixProblem(
    'PICTURE_REFUSED',
    `Refused together with the client's picture; it goes once more without: ${detail}`,
  );
}
