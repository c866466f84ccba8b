import { setTimeout as sleep } from 'node:timers/promises';
import type { Portal } from '../support/bitrix24-simulator/portal.js';
import { failures, isSound, settle } from './account.js';
import { seconds } from './crashes.rows.js';
import { check, type Check, type Row, type RowContext, type RowResult } from './row.js';
import { Stage, until, type Company, type CompanyIds } from './stage.js';
import { noneStuck } from './stuck.js';
import { Traffic, WORDS } from './traffic.js';

const SEND = 'imconnector.send.messages';
const NEIGHBOURS = 4;
const CHATS = 15;
/** Each company's clients have Telegram ids of their own. */
const IDS_APART = 1_000;
const RATES = { clients: 5, operators: 3 };
const WARM_UP_MS = 20_000;
/** At once; what they cost of the machine is no matter of one portal. */
const FLOOD = 60;
const CALM_MS = 4_000;
const TROUBLE_MS = 6_000;

export const neighbourRows: Row[] = [
  {
    id: 'R23',
    fault: 'one portal in every kind of trouble',
    target: 'p99 of the others within 10 % or 20 ms; lost 0, duplicated 0, reordered 0',
    run: onePortalInTrouble,
  },
  {
    id: 'R24',
    fault: 'bots moved between portals and lines under traffic, by polling and webhook',
    target: 'no word crosses, no chat stuck; lost 0, duplicated 0, reordered 0',
    run: botsMoved,
  },
  {
    id: 'R25',
    fault: 'a replica loses half of its endpoints while their sends are under way, and takes new ones slowly',
    target: "the others' leases live, their answers go on, what it takes it drives; lost 0, duplicated 0, reordered 0",
    run: halfLost,
  },
];

/** Begins and returns how it ends. */
type Trouble = (stage: Stage, company: Company, traffic: Traffic) => (() => unknown) | Promise<() => unknown>;

const TROUBLES: Record<string, Trouble> = {
  'pages of 503': (_stage, { portal }) => {
    portal.frontEnd.page = { status: 503, title: 'Service Unavailable' };
    return () => (portal.frontEnd.page = null);
  },
  'answers after 20 s': ({ bitrix24 }, _company, traffic) => {
    bitrix24.faults.next(SEND, { delayMs: 20_000 }, Infinity, isOf(traffic));
    return () => bitrix24.faults.clear();
  },
  'connections that die': ({ bitrix24 }, _company, traffic) => {
    bitrix24.faults.next(SEND, 'dropAfter', Infinity, isOf(traffic));
    return () => bitrix24.faults.clear();
  },
  'refuses every call': (_stage, { portal }) => {
    portal.refusal = 'OVERLOAD_LIMIT';
    return () => (portal.refusal = null);
  },
  'tokens that cannot be refreshed': ({ bitrix24 }, { portal }) => {
    bitrix24.faults.next('oauth', { html: 503, performed: false }, Infinity);
    portal.expireTokens();
    return () => bitrix24.faults.clear();
  },
  // As after an installation that told no application_token: the first event is believed once OAuth confirms it.
  'events that cannot be confirmed': async (stage, { portal }) => {
    const [row] = await stage.query<{ hash: unknown }>(
      `WITH old AS (SELECT id, application_token_hash AS hash FROM portals WHERE member_id = $1)
       UPDATE portals SET application_token_hash = NULL FROM old WHERE portals.id = old.id RETURNING hash`,
      [portal.memberId],
    );
    stage.bitrix24.faults.next('oauth', { html: 503, performed: false }, Infinity);
    portal.events.wrongApplicationToken = true;
    return async () => {
      portal.events.wrongApplicationToken = false;
      stage.bitrix24.faults.clear();
      const values = [portal.memberId, row!.hash];
      await stage.query('UPDATE portals SET application_token_hash = $2 WHERE member_id = $1', values);
    };
  },
  'events of nobody': (_stage, { portal }) => {
    portal.events.foreignMemberId = '0'.repeat(32);
    return () => (portal.events.foreignMemberId = null);
  },
  'its bot is told to wait': ({ telegram }, { bot }) => {
    telegram.faults.next('sendMessage', { tooManyRequests: 5 }, Infinity, (_params, asked) => asked === bot);
    return () => telegram.faults.clear();
  },
  'a flood of its clients': (_stage, _company, traffic) => {
    for (let n = 0; n < FLOOD; n++) traffic.ask(traffic.chats[n % CHATS]!);
    return () => undefined;
  },
};

const isOf = (traffic: Traffic) => (params: object) =>
  traffic.chats.some((chat) => JSON.stringify(params).includes(`"tg:${chat}"`));

/** From when to when nothing was wrong, or something was. */
interface Phase {
  trouble: string | null;
  from: number;
  to: number;
}

function onePortalInTrouble(context: RowContext): Promise<RowResult> {
  return Stage.use(context, {}, async (stage) => {
    const rounds = context.full ? 10 : 1;
    const troubled = await Traffic.begin(stage, CHATS);
    const neighbours: Traffic[] = [];
    for (let n = 1; n <= NEIGHBOURS; n++) {
      const company = await stage.addBot(await stage.addPortal(['1']), '1');
      neighbours.push(await Traffic.begin(company, CHATS, (n + 1) * IDS_APART));
    }
    const all = [troubled, ...neighbours];
    for (const traffic of all) traffic.flow(RATES);
    // The first seconds belong to what compiles and connects, and to answers that wait for a new bot.
    await sleep(WARM_UP_MS);
    await settle(stage, all);
    for (const traffic of all) traffic.flow(RATES);
    const phases: Phase[] = [];
    const phase = async (trouble: string | null, ms: number) => {
      const from = Date.now();
      await sleep(ms);
      phases.push({ trouble, from, to: Date.now() });
    };
    for (let n = 0; n < rounds; n++) {
      for (const [name, begin] of Object.entries(TROUBLES)) {
        await phase(null, CALM_MS);
        const end = await begin(stage, stage, troubled);
        await phase(name, TROUBLE_MS);
        await end();
      }
    }
    const account = await settle(stage, all, 240_000);
    const stuck = await noneStuck(stage);
    return {
      done:
        `${Object.keys(TROUBLES).length} kinds of trouble for ${TROUBLE_MS / 1000} s each × ${rounds}, ` +
        `${NEIGHBOURS} other portals, ${sumOf(all)} messages both ways`,
      account,
      checks: [
        check('nothing lost, repeated or out of order', isSound(account)),
        stuck,
        ...delays(stage, neighbours, phases),
      ],
    };
  });
}

/** p99 of the neighbours in trouble against that in between, both ways: all kinds together, and the slowest of each. */
function delays(stage: Stage, neighbours: Traffic[], phases: Phase[]): Check[] {
  const arrived = arrivalTimes(stage, neighbours);
  const taken = (side: 'Question' | 'Answer', among: Phase[]) =>
    neighbours.flatMap(({ said }) =>
      [...said].flatMap(([words, { at }]) =>
        words.startsWith(side) && among.some(({ from, to }) => at >= from && at < to)
          ? [(arrived.get(words) ?? Infinity) - at]
          : [],
      ),
    );
  const calm = phases.filter(({ trouble }) => trouble === null);
  return (['Question', 'Answer'] as const).flatMap((side) => {
    const way = side === 'Question' ? 'client → operator' : 'operator → client';
    const without = p99(taken(side, calm));
    const allowed = Math.max(without * 1.1, without + 20);
    const inTrouble = phases.filter(({ trouble }) => trouble !== null);
    const kinds = [...new Set(inTrouble.map(({ trouble }) => trouble!))];
    const each = kinds.map((kind) => {
      const slowest = Math.max(
        ...taken(
          side,
          phases.filter(({ trouble }) => trouble === kind),
        ),
      );
      return `${kind} ${milliseconds(slowest)}`;
    });
    const within = p99(taken(side, inTrouble));
    return [
      check(
        `${way}: p99 of the others ${milliseconds(without)} without, ${milliseconds(within)} with; slowest: ${each.join(', ')}`,
        within <= allowed,
      ),
    ];
  });
}

/** When the words of these people first arrived, Unix ms. */
function arrivalTimes(stage: Stage, traffics: Traffic[]): Map<string, number> {
  const heard = traffics
    .flatMap(({ portals }) => portals)
    .flatMap(({ lines }) => [...lines.messages.values()].filter(({ author }) => author === 'client'));
  const times = new Map<string, number>();
  for (const { text, at } of [...heard, ...stage.telegram.ledger()]) {
    const words = WORDS.exec(text)?.[0];
    if (words !== undefined && !times.has(words)) times.set(words, at);
  }
  return times;
}

/** One stay of a bot; what is written after `left` is for somebody else. */
interface Stay {
  portal: Portal;
  left: number;
}

interface Nomad {
  company: Company & CompanyIds;
  traffic: Traffic;
  stays: Stay[];
  /** Lines by number of the portal and id. */
  line: string;
}

const MOVE_EVERY_MS = 2_500;
/** What Telegram refuses for good, so that the operator is told: notes must stay with who wrote the answer. */
const REFUSED = /Answer \d*5 to/;
const REFUSED_CODE = 'too_long';

function botsMoved(context: RowContext): Promise<RowResult> {
  return Stage.use(context, {}, async (stage) => {
    const ms = context.full ? 600_000 : 60_000;
    const portals = [await stage.addPortal(['1', '2']), await stage.addPortal(['1', '2'])];
    const ids = await Promise.all(portals.map((portal) => stage.portalId(portal)));
    for (const portalId of ids) for (const lineId of ['1', '2']) await stage.activate(portalId, lineId);
    const nomads: Nomad[] = [];
    for (const [n, mode] of (['polling', 'webhook'] as const).entries()) {
      const company = await stage.addBot(portals[n]!, '1', mode);
      const traffic = await Traffic.begin(company, 10, (n + 1) * IDS_APART);
      nomads.push({ company, traffic, stays: [{ portal: portals[n]!, left: Infinity }], line: `${n}:1` });
    }
    const description = 'Bad Request: message is too long';
    const refusal = { status: 400, body: { ok: false, error_code: 400, description } };
    stage.telegram.faults.next('sendMessage', refusal, Infinity, ({ text }) => REFUSED.test(String(text)));
    for (const { traffic } of nomads) traffic.flow({ clients: 12, operators: 4 });
    const refused: string[] = [];
    const took: number[] = [];
    let moves = 0;
    for (const end = Date.now() + ms; Date.now() < end; moves++) {
      await sleep(Math.random() * MOVE_EVERY_MS);
      const nomad = nomads[moves % nomads.length]!;
      const taken = new Set(nomads.map(({ line }) => line));
      const free = ['0:1', '0:2', '1:1', '1:2'].filter((line) => !taken.has(line));
      const line = free[Math.floor(Math.random() * free.length)]!;
      const [portal, lineId] = [Number(line[0]), line.slice(2)];
      const move = { portalId: ids[portal], lineId };
      const begun = performance.now();
      const { status, text } = await stage.program.admin('PATCH', `/bots/${nomad.company.botId}`, move);
      took.push(performance.now() - begun);
      if (status !== 200) {
        refused.push(`${status} ${text.slice(0, 200)}`);
        continue;
      }
      nomad.line = line;
      nomad.traffic.movesTo(portals[portal]!);
      nomad.stays.at(-1)!.left = Date.now();
      nomad.stays.push({ portal: portals[portal]!, left: Infinity });
    }
    const traffics = nomads.map(({ traffic }) => traffic);
    const account = await settle(stage, traffics, 180_000);
    const stuck = await noneStuck(stage);
    const crossed = nomads.flatMap(crossedWords);
    const failed = [...(await failures(stage))].filter(([code]) => code !== REFUSED_CODE);
    const notes = portals.flatMap((portal) => strangeNotes(portal, traffics));
    return {
      done: `${moves} moves of 2 bots among 4 lines of 2 portals in ${ms / 1000} s, ${sumOf(traffics)} messages both ways`,
      account,
      checks: [
        check('nothing lost, repeated or out of order', isSound(account)),
        stuck,
        check(`words of clients in a portal that the bot had left: ${crossed.length}`, crossed.length === 0),
        check(`notes about answers of the other portal: ${notes.length}`, notes.length === 0),
        check(
          `answers that failed although Telegram took them: ${failed.map(([code, count]) => `${count} × ${code}`).join(', ') || 'none'}`,
          failed.length === 0,
        ),
        check(`moves that were refused: ${refused.length}${refused[0] ? `, ${refused[0]}` : ''}`, refused.length === 0),
      ],
      notes: [`A move took ${milliseconds(Math.max(...took))} at most.`],
    };
  });
}

/** Words of clients that arrived in a portal although the bot had left it for good before they were written. */
function crossedWords({ traffic, stays }: Nomad): string[] {
  return traffic.portals.flatMap((portal) => {
    const chats = new Set(traffic.chats.map((chat) => `tg:${chat}`));
    const heard = [...portal.lines.chats.values()]
      .filter(({ externalId }) => chats.has(externalId))
      .flatMap(({ messages }) => messages.filter(({ author }) => author === 'client'));
    return heard.flatMap(({ text, at }) => {
      const words = WORDS.exec(text)?.[0];
      const said = words === undefined ? undefined : traffic.said.get(words);
      if (said === undefined) return [];
      const served = stays.some((stay, n) => {
        const came = stays[n - 1]?.left ?? 0;
        return stay.portal === portal && stay.left >= said.at && came <= at + PATCH_MS;
      });
      return served ? [] : [words!];
    });
  });
}

/** A move counts from its commit, which is a little before its answer. */
const PATCH_MS = 5_000;

/** Lines of the service in this portal that quote an answer which was written in another one. */
function strangeNotes(portal: Portal, traffics: Traffic[]): string[] {
  const notes = [...portal.lines.messages.values()].filter(({ author }) => author === 'system');
  return notes.flatMap(({ text }) => {
    const words = WORDS.exec(text)?.[0];
    const said = words === undefined ? undefined : traffics.map((each) => each.said.get(words)).find(Boolean);
    return said && said.in !== portal ? [words!] : [];
  });
}

const BOTS = 20;
/** As long as somebody else has them, by the table. */
const AWAY_SECONDS = 20;
const ANSWER_WITHIN_MS = 2_000;

function halfLost(context: RowContext): Promise<RowResult> {
  return Stage.use(context, {}, async (stage) => {
    const rounds = context.full ? 5 : 1;
    const lines = Array.from({ length: BOTS }, (_, n) => String(n + 1));
    const portal = await stage.addPortal(lines);
    const companies: (Company & CompanyIds)[] = [];
    for (const line of lines) companies.push(await stage.addBot(portal, line));
    const traffics = await Promise.all(companies.map((company, n) => Traffic.begin(company, 3, (n + 2) * IDS_APART)));
    const [lost, kept] = [companies.slice(0, BOTS / 2), companies.slice(BOTS / 2)];
    for (const traffic of traffics) traffic.flow({ clients: 0.5, operators: 0.5 });
    await sleep(WARM_UP_MS);
    const expired: string[] = [];
    const phases: { from: number; to: number }[] = [];
    let inFlight = 0;
    for (let n = 0; n < rounds; n++) {
      const isLost = (_params: unknown, bot: Company['bot']) => lost.some((each) => each.bot === bot);
      stage.telegram.faults.next('sendMessage', { delayMs: 15_000 }, Infinity, isLost);
      await sleep(3_000);
      inFlight += await inFlightOf(stage, lost);
      const from = Date.now();
      await stage.query(
        `UPDATE endpoints SET owner = 'another-1-000000', fence = fence + 1,
                              expires_at = now() + make_interval(secs => $2) WHERE id = ANY($1)`,
        [endpointsOf(lost), AWAY_SECONDS],
      );
      for (const end = Date.now() + AWAY_SECONDS * 1_000; Date.now() < end;) {
        expired.push(...(await expiredOf(stage, kept)));
        await sleep(200);
      }
      phases.push({ from, to: Date.now() });
      stage.telegram.faults.clear();
      await sleep(5_000);
    }
    const account = await settle(stage, traffics, 180_000);
    const stuck = await noneStuck(stage);
    const driven = await takenSlowly(stage);
    const arrived = arrivalTimes(stage, traffics.slice(BOTS / 2));
    const waits = traffics
      .slice(BOTS / 2)
      .flatMap(({ said }) =>
        [...said].flatMap(([words, { at }]) =>
          phases.some(({ from, to }) => at >= from && at < to) ? [(arrived.get(words) ?? Infinity) - at] : [],
        ),
      );
    return {
      done: `${rounds} × ${lost.length} of ${BOTS} bots taken over for ${AWAY_SECONDS} s, sends of 15 s under way; ${sumOf(traffics)} messages both ways`,
      account,
      checks: [
        check('nothing lost, repeated or out of order', isSound(account)),
        stuck,
        check(`leases of the others seen expired: ${new Set(expired).size}`, expired.length === 0),
        check(
          `messages of the others meanwhile: p99 ${milliseconds(p99(waits))}, slowest ${milliseconds(Math.max(...waits))}`,
          p99(waits) <= ANSWER_WITHIN_MS,
        ),
        check(`a new portal and its bot that were taken slowly: ${driven}`, driven === 'driven'),
        check(
          `uncertain ${account.outbound.uncertain} ≤ ${inFlight} sends under way`,
          account.outbound.uncertain <= inFlight,
        ),
      ],
    };
  });
}

const DRIVEN_MS = 60_000;

/** Taking an endpoint is committed some heartbeats later: are its words delivered all the same? */
async function takenSlowly(stage: Stage): Promise<'driven' | 'never driven'> {
  await stage.query(
    `CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(3); RETURN NEW; END$$`,
  );
  await stage.query(
    `CREATE TRIGGER slowly BEFORE UPDATE ON endpoints FOR EACH ROW WHEN (NEW.fence > OLD.fence) EXECUTE FUNCTION slowly()`,
  );
  const { portal, bot } = await stage.addBot(await stage.addPortal(['1']), '1');
  bot.client({ id: 999_999, first_name: 'Late' }).sends('Is anybody there?');
  const heard = await until(
    () => portal.lines.messages.size,
    (count) => count > 0,
    DRIVEN_MS,
  );
  return heard.ok ? 'driven' : 'never driven';
}

function endpointsOf(companies: CompanyIds[]): string[] {
  return companies.map(({ botId }) => `bot:${botId}`);
}

async function expiredOf(stage: Stage, companies: CompanyIds[]): Promise<string[]> {
  const rows = await stage.query<{ id: string }>(
    'SELECT id FROM endpoints WHERE id = ANY($1) AND expires_at <= now()',
    [endpointsOf(companies)],
  );
  return rows.map(({ id }) => id);
}

/** Answers of these bots that were being sent when the program last wrote anything down. */
async function inFlightOf(stage: Stage, companies: CompanyIds[]): Promise<number> {
  const [row] = await stage.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM deliveries d JOIN lanes l ON l.id = d.lane_id
      WHERE d.state = 'sending' AND l.endpoint = ANY($1)`,
    [endpointsOf(companies)],
  );
  return row!.count;
}

function sumOf(traffics: Traffic[]): number {
  return traffics.reduce((sum, { written }) => sum + written, 0);
}

function p99(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Infinity;
}

function milliseconds(ms: number): string {
  return ms < 10_000 ? `${Math.round(ms)} ms` : seconds(ms);
}
