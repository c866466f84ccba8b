import { setTimeout as sleep } from 'node:timers/promises';
import { isSound, settle } from './account.js';
import { check, type Row, type RowContext, type RowResult } from './row.js';
import { LINE, Stage, until } from './stage.js';
import { Traffic } from './traffic.js';

export const tokenRows: Row[] = [
  {
    id: 'R10',
    fault: 'expired token, 3 processes × 50 calls, the refresh takes 5 s',
    target: 'exactly one refresh',
    run: expired,
  },
  {
    id: 'R11',
    fault: 'the answer to the refresh is lost after the server rotated the token',
    target: 'one more try with the old token, else "re-authorise" with an alert, no tight loop',
    run: refreshAnswerLost,
  },
];

function expired(context: RowContext): Promise<RowResult> {
  return Stage.use(context, { replicas: 3 }, async (stage) => {
    const rounds = context.full ? 10 : 2;
    const traffic = await Traffic.begin(stage, 20);
    const { items } = (await stage.program.admin('GET', '/portals')).json;
    const before = refreshes(stage);
    const statuses: number[] = [];
    for (let n = 0; n < rounds; n++) {
      stage.bitrix24.faults.next('oauth', { delayMs: 5_000 });
      stage.portal.expireTokens();
      for (const chat of traffic.chats) traffic.ask(chat);
      const calls = stage.programs.flatMap((program) =>
        Array.from({ length: 50 }, () =>
          program.admin('GET', `/portals/${items[0].id}/connector/status?lineId=${LINE}`),
        ),
      );
      statuses.push(...(await Promise.all(calls)).map(({ status }) => status));
      // The 50 calls a second that the admin API allows to one address.
      await sleep(3_000);
    }
    const account = await settle(stage, traffic);
    const after = refreshes(stage);
    const made = after.refreshes - before.refreshes;
    const answered = statuses.filter((status) => status === 200).length;
    return {
      done: `${rounds} × 3 × 50 calls of imconnector.status, and ${traffic.written} messages of clients`,
      account,
      checks: [
        check(`${made} refreshes for ${rounds} expiries`, made === rounds),
        check(
          `at the same time: ${after.concurrent}, with a spent token: ${after.reused}`,
          after.concurrent === before.concurrent && after.reused === before.reused,
        ),
        check(`calls answered: ${answered} of ${statuses.length}`, answered === statuses.length),
        check('nothing lost, repeated or out of order', isSound(account)),
      ],
    };
  });
}

function refreshAnswerLost(context: RowContext): Promise<RowResult> {
  return Stage.use(context, {}, async (stage) => {
    const watchMs = context.full ? 300_000 : 40_000;
    const traffic = await Traffic.begin(stage, 10);
    const { bitrix24, portal } = stage;

    // A server that forgives: the old token works once more.
    bitrix24.tokens.refreshGraceMs = 60_000;
    bitrix24.faults.next('oauth', 'dropAfter');
    portal.expireTokens();
    for (const chat of traffic.chats) traffic.ask(chat);
    const forgiven = await settle(stage, traffic, 60_000);
    const afterGrace = refreshes(stage);

    // One that does not.
    bitrix24.tokens.refreshGraceMs = 0;
    bitrix24.faults.next('oauth', 'dropAfter');
    portal.expireTokens();
    for (const chat of traffic.chats) traffic.ask(chat);
    const parked = await until(
      () => portalState(stage),
      (state) => state === 'reauthorise',
      20_000,
    );
    await sleep(watchMs);
    const afterwards = refreshes(stage);
    const { checks } = (await stage.program.admin('GET', '/doctor')).json;
    const alerts = checks.filter(({ ok, id }: { ok: boolean; id: string }) => !ok && id.startsWith('portal:'));
    const logged = stage.program.log.filter((line) => line.includes('has to be authorised again')).length;
    await stage.install();
    const account = await settle(stage, traffic);
    const tries = afterwards.reused - afterGrace.reused;
    return {
      done: `once with a server that forgives, once with one that does not and ${watchMs / 1000} s of waiting messages`,
      account,
      checks: [
        check('with grace: one more try, everything arrived', isSound(forgiven) && afterGrace.reused === 1),
        check(`without: ${parked.value}, tries with the spent token: ${tries}`, parked.ok && tries === 1),
        check(`the doctor says so (${alerts.length}), the log once (${logged})`, alerts.length > 0 && logged === 1),
        check('after a new installation everything arrives', isSound(account)),
      ],
    };
  });
}

async function portalState(stage: Stage): Promise<string> {
  return (await stage.program.admin('GET', '/portals')).json.items[0].state;
}

function refreshes(stage: Stage) {
  const counts = stage.portal.ledger().refreshes[stage.app.clientId];
  return { ...(counts ?? { refreshes: 0, concurrent: 0, reused: 0 }) };
}
