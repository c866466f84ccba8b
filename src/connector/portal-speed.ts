/** Bitrix24 ends a request after 60 s; messages are chosen so that one is answered within this many. */
const SECONDS_PER_CALL = 12;
const MESSAGES_PER_CHAT = 10;

/** Commands of one batch, and so chats of one request. */
export const CHATS_PER_CALL = 50;

/** How many messages a portal is given in one request, by how long it took for earlier ones. */
export class PortalSpeed {
  /** Smoothed. */
  private secondsPerMessage = 0.1;

  get messagesPerCall(): number {
    return Math.max(1, Math.floor(SECONDS_PER_CALL / this.secondsPerMessage));
  }

  get chatsPerCall(): number {
    return Math.max(1, Math.min(CHATS_PER_CALL, this.messagesPerCall));
  }

  /** Messages of one chat that travel together: fewer where the portal is slow. */
  get messagesPerChat(): number {
    return Math.max(1, Math.min(MESSAGES_PER_CHAT, Math.floor(this.messagesPerCall / CHATS_PER_CALL)));
  }

  /** Slowness is believed quickly, recovery slowly. */
  learn(seconds: number, messages: number): void {
    const latest = seconds / messages;
    const weight = latest > this.secondsPerMessage ? 0.5 : 0.1;
    this.secondsPerMessage += weight * (Math.max(latest, 0.001) - this.secondsPerMessage);
  }
}
