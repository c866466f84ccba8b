import type { CrmPart } from './crm-tracker.js';
/**
 * The life of a session as the server has it (yuliai/bitrix-modules: imopenlines/lib/session.php, the STATUS
 * constants; session/update.php, modifyOnNotPause and checkVote; connector.php, addMessage).
 */

export const SESSION_STATUS = {
  /** In the queue: nobody has taken it. */
  new: 0,
  /** An operator has taken it. */
  taken: 10,
  clientWaits: 20,
  clientWaitsAgain: 25,
  /** The time until it is closed by itself runs (AUTO_CLOSE_TIME). */
  operatorAnswered: 40,
  /** Being closed: the vote, or the time after the closing text, is waited for (WAIT_ACTION). */
  beingClosed: 50,
  closed: 60,
} as const;

/** Whose words moved it: author 0 is nobody, and counts as the client (addMessage passes the client's id on). */
export type SessionCause = 'client' | 'system' | 'operator';

export interface SessionTouch {
  cause: SessionCause;
  /** The status before. */
  from: number;
  /** Unix ms. */
  at: number;
}

export interface Session {
  id: number;
  /** START_ID: its history begins with this message of the chat (session.php, createSession: LAST_MESSAGE_ID + 1). */
  startId: number;
  /** END_ID: its last message; 0: it has no end, also when it was opened again (session.php, finish, loadSession). */
  endId: number;
  status: number;
  closed: boolean;
  /** It ends by itself soon, unless the client says something. */
  waitAction: boolean;
  waitVote: boolean;
  vote: 'like' | 'dislike' | null;
  /** Until when a rating is taken, Unix ms; null: at any time. */
  voteUntil: number | null;
  /** How often a rating that came after the end opened it again. */
  reopened: number;
  /** `ref.source` of the message that began it: a code of the CRM tracker. */
  source: string | null;
  crm: CrmPart;
  /** `extra` of clients' messages, written into the session field by field. */
  fields: Record<string, unknown>;
  openedBy: SessionCause;
  /** Every time that it was answered or being closed and the client waits again. */
  woken: SessionTouch[];
}

/** @param lastMessageId of the chat; 0: nobody has said anything in it */
export function newSession(id: number, openedBy: SessionCause, lastMessageId: number): Session {
  const status = openedBy === 'operator' ? SESSION_STATUS.taken : SESSION_STATUS.new;
  return {
    id,
    startId: lastMessageId === 0 ? 0 : lastMessageId + 1,
    endId: 0,
    status,
    closed: false,
    waitAction: false,
    waitVote: false,
    vote: null,
    voteUntil: null,
    reopened: 0,
    source: null,
    crm: 'client searched, lead made',
    fields: {},
    openedBy,
    woken: [],
  };
}

/** A message came through the connector, whoever its author is: the client waits, nothing closes, no vote is waited for. */
export function heard(session: Session, cause: SessionCause, at: number): void {
  const { status } = session;
  if (status >= SESSION_STATUS.operatorAnswered) session.woken.push({ cause, from: status, at });
  if (status >= SESSION_STATUS.operatorAnswered) session.status = SESSION_STATUS.clientWaitsAgain;
  else if (status === SESSION_STATUS.taken) session.status = SESSION_STATUS.clientWaits;
  session.waitAction = false;
  session.waitVote = false;
}

/** An operator wrote: while it is being closed, it stays so. */
export function answered(session: Session): void {
  session.status = session.waitAction ? SESSION_STATUS.beingClosed : SESSION_STATUS.operatorAnswered;
}

export function beginsToClose(session: Session): void {
  session.waitAction = true;
  session.status = SESSION_STATUS.beingClosed;
}

/** A rating for a session that is closed opens it again (session.php, 818: the newest one with WAIT_VOTE). */
export function reopened(session: Session): void {
  session.closed = false;
  session.endId = 0;
  session.reopened += 1;
  beginsToClose(session);
}

/** A rating that was asked for is waited for all the same (session.php: WAIT_VOTE stays). */
export function ended(session: Session, lastMessageId: number): void {
  session.closed = true;
  session.endId = lastMessageId;
  session.waitAction = false;
  session.status = SESSION_STATUS.closed;
}

/** Whether the history of the session shows the message of its chat (im_chat.php, GetLastMessageLimit). */
export function holds({ startId, endId }: Session, messageId: number): boolean {
  return messageId >= startId && (endId === 0 || messageId <= endId);
}
