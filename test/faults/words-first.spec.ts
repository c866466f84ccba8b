import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';

/** A portal at its two requests a second, which used up what it may have at once. */
const SLOW = { B24_REQUESTS_PER_SECOND: '2', B24_BURST: '4' };
const CLIENTS = Array.from({ length: 150 }, (_, index) => 40_001 + index);
const ASKING = 50_001;

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({
    environment: { B24_REQUESTS_PER_SECOND: '1000' },
    bitrix24: { limits: false },
    oneProcess: 'the portal must be driven by the process that was started last',
  });
  for (const id of [ASKING, ...CLIENTS]) bridge.bot.client({ id, first_name: `Client ${id}` }).sends('hello');
  for (const id of [ASKING, ...CLIENTS]) await bridge.portal.dialog(`tg:${id}`).receives(1, 60_000);
}, 120_000);

afterAll(async () => bridge?.stop());

const requests = () => bridge.portal.calls.filter(({ inBatch }) => !inBatch);
const commands = (method: string) => bridge.portal.calls.filter((call) => call.method === method);
const words = (text: string) =>
  commands('imconnector.send.messages').filter(({ params }) => JSON.stringify(params).includes(text));

let said = 0;
/** Lets a client write, and answers how many requests the portal got from then on before it got those words. */
async function requestsBefore(): Promise<number> {
  const text = `words ${++said}`;
  const from = requests().length;
  bridge.bot.client({ id: ASKING, first_name: 'Ann' }).sends(text);
  const [call] = await eventually(
    () => words(text),
    (found) => found.length > 0,
    30_000,
  );
  return requests()
    .slice(from)
    .filter(({ at }) => at < call!.at).length;
}

const LOOK = 'imopenlines.session.history.get';

describe('words of a client go before', () => {
  it('looks for missed messages', { timeout: 60_000 }, async () => {
    const looked = commands(LOOK).length;
    await bridge.restart(SLOW);
    await eventually(
      () => commands(LOOK).length,
      (count) => count > looked,
      20_000,
    );
    const before = [await requestsBefore(), await requestsBefore(), await requestsBefore()];
    expect(Math.max(...before), `looks before: ${before.join(', ')}`).toBeLessThanOrEqual(2);
    // And the looks are not given up for that: twice all dialogs, those alive and all recent ones.
    await eventually(
      () => commands(LOOK).length - looked,
      (count) => count >= 2 * CLIENTS.length,
      30_000,
    );
  });

  it('names of dialogs, which are told all the same', { timeout: 60_000 }, async () => {
    const NAME = 'imconnector.chat.name.set';
    const named = () => commands(NAME).filter(({ params }) => JSON.stringify(params).includes('Renamed')).length;
    const renamed = CLIENTS.slice(0, 60);
    for (const id of renamed) {
      const client = bridge.bot.client({ id, first_name: '' });
      client.renames({ first_name: `Renamed ${id}` });
      client.sends('it is me');
    }
    const before = [await requestsBefore(), await requestsBefore(), await requestsBefore()];
    // The words of the others are in requests of their own.
    expect(Math.max(...before), `requests before: ${before.join(', ')}`).toBeLessThanOrEqual(5);
    await eventually(named, (count) => count === renamed.length, 40_000);
  });
});
