import { HttpService } from '@nestjs/axios';
import { create } from 'axios';
import { HTTP_OPTIONS, post } from '../../src/bitrix/transport.js';
import type { Figure } from './figure.js';
import { FIRST_LINE, Stage, UNLIMITED, type BenchContext } from './stage.js';

const CHATS = 50;
const UNDER_WAY = 1_000;
const BASELINE_SECONDS = 5;

/** P2: clients' messages from Telegram's queue into Bitrix24's dialogs. */
export function clientsToBitrix24(context: BenchContext): Promise<Figure[]> {
  return Stage.use(context, { environment: UNLIMITED }, async (stage) => {
    const baseline = await callInALoop(stage);
    await stage.networks.call('clientsWrite', CHATS, UNDER_WAY);
    const { count, perSecond, cpuMsEach } = await stage.flow(context.seconds);
    return [
      {
        id: 'P2',
        what: `client → Bitrix24, ${CHATS} chats, a Bitrix24 that answers at once`,
        unit: '/s',
        value: perSecond,
        baseline: { what: 'one call after the other with the same HTTP client, no database', value: baseline },
        cpuMsEach,
        count,
      },
    ];
  });
}

/** Calls per second that one loop makes when nothing is stored and nothing goes on at the same time. */
async function callInALoop(stage: Stage): Promise<number> {
  const { url, token, connector } = await stage.networks.call('access');
  const client = new HttpService(create(HTTP_OPTIONS));
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
  const begun = performance.now();
  let sent = 0;
  while (performance.now() < begun + BASELINE_SECONDS * 1_000) {
    const id = `tg:${9_000_000 + (sent % CHATS)}`;
    const message = {
      id: `${id}:${1 + Math.floor(sent / CHATS)}`,
      date: Math.floor(Date.now() / 1_000),
      text: `Message ${sent}`,
    };
    const MESSAGES = [{ user: { id, name: 'Client' }, chat: { id }, message }];
    const body = JSON.stringify({ CONNECTOR: connector, LINE: Number(FIRST_LINE), MESSAGES });
    const answer = await post(client, `${url}imconnector.send.messages`, { headers, body, timeoutMs: 10_000 });
    if (answer.status !== 200 || !answer.text.includes('"SUCCESS":true'))
      throw new Error(`${answer.status} ${answer.text}`);
    sent += 1;
  }
  return sent / ((performance.now() - begun) / 1_000);
}
