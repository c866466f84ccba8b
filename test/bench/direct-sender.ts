import { HttpService } from '@nestjs/axios';
import { create } from 'axios';
import { HTTP_OPTIONS, post } from '../../src/bitrix/transport.js';
import type { Access } from './networks.process.js';
import { FIRST_LINE } from './stage.js';

/**
 * Sends the n-th message with a call of its own, `imconnector.send.messages` by the program's HTTP client: portals in
 * turn, `chats` chats of each in turn. Throws unless Bitrix24 takes it.
 */
export function directSender(portals: Access[], chats: number): (n: number) => Promise<void> {
  const client = new HttpService(create(HTTP_OPTIONS));
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
    const answer = await post(client, `${url}imconnector.send.messages`, { headers, body, timeoutMs: 10_000 });
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
