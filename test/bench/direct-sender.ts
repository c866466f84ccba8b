import { bitrixConnections } from '../support/bitrix-connections.js';
import type { Access } from './networks.process.js';
import { FIRST_LINE } from './stage.js';

/**
 * Sends the n-th message with a call of its own, `imconnector.send.messages` by the program's HTTP client: portals in
 * turn, `chats` chats of each in turn. Throws unless Bitrix24 takes it.
 */
export function directSender(portals: Access[], chats: number): (n: number) => Promise<void> {
  const connections = bitrixConnections();
  return async (n) => {
    const { url, token, connector } = portals[n % portals.length]!;
    const turn = Math.floor(n / portals.length);
    const id = `tg:${9_000_000 + (turn % chats)}`;
    const message = {
      id: `${id}:${1 + Math.floor(turn / chats)}`,
      date: Math.floor(Date.now() / 1_000),
      text: `Message ${n}`,
    };
    const MESSAGES = [{ user: { id, name: 'Client' }, chat: { id }, message }];
    const body = JSON.stringify({ CONNECTOR: connector, LINE: Number(FIRST_LINE), MESSAGES });
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
    const request = { url: new URL(`${url}imconnector.send.messages`), headers, body, timeoutMs: 10_000 };
    const answer = await connections.post(request, null);
    if (answer.status !== 200 || !answer.text.includes('"SUCCESS":true'))
      throw new Error(`${answer.status} ${answer.text}`);
  };
}

/** Messages per second, one call after the other. */
export async function sendInALoop(portals: Access[], chats: number, seconds: number): Promise<number> {
  const send = directSender(portals, chats);
  const begun = performance.now();
  let sent = 0;
  while (performance.now() < begun + seconds * 1_000) await send(sent++);
  return sent / ((performance.now() - begun) / 1_000);
}
