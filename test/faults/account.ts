import { setTimeout as sleep } from 'node:timers/promises';
import { until, type Stage } from './stage.js';
import { answer, question, WORDS, type Traffic } from './traffic.js';

/** What became of everything that was written in one direction. */
export interface Side {
  written: number;
  arrived: number;
  /** Neither arrived nor shown by the history as failed or uncertain: nobody could know. */
  lost: number;
  /** Arrivals beyond the first. */
  duplicated: number;
  /** Arrived after a later one of its chat. */
  reordered: number;
  /** The same, of operators' messages whose event no program could take and which were found later in the dialog. */
  foundLate: number;
  uncertain: number;
  failed: number;
}

export interface Account {
  /** Client → operator. */
  inbound: Side;
  /** Operator → client. */
  outbound: Side;
}

/** What an item of GET /admin/messages is read for. */
interface Item {
  text: string;
  state: string;
  direction: string;
  error: { code: string } | null;
}

const PAGE = 200;
/** In which nothing may arrive any more. */
const STILLNESS_MS = 2_000;

/** Waits until nothing is on its way any more, then holds both networks and the history against what was written. */
export async function settle(stage: Stage, traffic: Traffic | Traffic[], timeoutMs = 90_000): Promise<Account> {
  const all = [traffic].flat();
  for (const each of all) each.pause();
  await Promise.all(all.flatMap(({ portals }) => portals.map(({ events }) => events.idle())));
  for (const each of all) each.noteLostEvents();
  await until(
    () => underWay(stage, traffic),
    (count) => count === 0,
    timeoutMs,
  );
  await sleep(STILLNESS_MS);
  return takeAccount(stage, traffic);
}

/** Messages that neither arrived nor have a final state. */
export async function underWay(stage: Stage, traffic: Traffic | Traffic[]): Promise<number> {
  const waiting = await Promise.all([countOf(stage, 'queued'), countOf(stage, 'sending')]);
  if (waiting.some((count) => count > 0)) return 1;
  const { inbound, outbound } = await takeAccount(stage, traffic);
  return inbound.lost + outbound.lost;
}

export async function takeAccount(stage: Stage, traffic: Traffic | Traffic[]): Promise<Account> {
  const history = new Map((await readHistory(stage)).map(({ text, state }) => [WORDS.exec(text)?.[0] ?? text, state]));
  const account = { inbound: emptySide(), outbound: emptySide() };
  for (const each of [traffic].flat()) addTraffic(account, stage, each, history);
  return account;
}

function addTraffic(
  { inbound, outbound }: Account,
  stage: Stage,
  traffic: Traffic,
  history: Map<string, string>,
): void {
  for (const [chat, count] of traffic.questions) {
    const seen = clientWords(traffic, chat);
    addChat(
      inbound,
      numbered(count, (n) => question(chat, n)),
      seen,
      history,
      traffic,
    );
  }
  const sent = new Map<number, string[]>();
  for (const { chatId, text } of stage.telegram.ledger()) {
    const texts = sent.get(chatId);
    if (texts) texts.push(wordsOf(text));
    else sent.set(chatId, [wordsOf(text)]);
  }
  for (const [chat, count] of traffic.answers) {
    addChat(
      outbound,
      numbered(count, (n) => answer(chat, n)),
      sent.get(chat) ?? [],
      history,
      traffic,
    );
  }
}

/** What operators read of this client, in the order in which it came. */
function clientWords(traffic: Traffic, chat: number): string[] {
  return traffic
    .dialogs(chat)
    .flatMap(({ messages }) => messages.filter(({ author }) => author === 'client'))
    .sort((a, b) => a.at - b.at)
    .map(({ text }) => wordsOf(text));
}

/** Nothing lost and nothing repeated or out of order in either direction. */
export function isSound({ inbound, outbound }: Account): boolean {
  return [inbound, outbound].every(({ lost, duplicated, reordered }) => lost + duplicated + reordered === 0);
}

/** Every message of the history, newest first. */
export async function readHistory(stage: Stage, query = ''): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const path: string = `/messages?limit=${PAGE}${query}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
    const { status, json, text } = await stage.program.admin('GET', path);
    if (status === 429 || status === 503) {
      await sleep(1_000);
      continue;
    }
    if (status !== 200) throw new Error(`GET /admin/messages: ${status} ${text}`);
    items.push(...json.items);
    cursor = json.nextCursor;
  }
  return items;
}

/** Of what failed: how often with which code. */
export async function failures(stage: Stage): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const { error } of await readHistory(stage, '&state=failed')) {
    const code = error?.code ?? 'without a code';
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return counts;
}

async function countOf(stage: Stage, state: string): Promise<number> {
  const { status, json } = await stage.program.admin('GET', `/messages?state=${state}&limit=1`);
  return status === 200 ? json.items.length : 1;
}

function addChat(side: Side, written: string[], seen: string[], history: Map<string, string>, traffic: Traffic): void {
  const places = new Map(written.map((words, place) => [words, place]));
  const arrived = new Set<string>();
  let furthest = -1;
  let furthestPrompt = -1;
  for (const words of seen) {
    const place = places.get(words);
    if (place === undefined) continue;
    if (arrived.has(words)) {
      side.duplicated++;
      continue;
    }
    arrived.add(words);
    const late = traffic.eventsLost.has(words);
    if (late ? place < furthest : place < furthestPrompt) side[late ? 'foundLate' : 'reordered']++;
    furthest = Math.max(furthest, place);
    if (!late) furthestPrompt = Math.max(furthestPrompt, place);
  }
  for (const words of written) {
    const state = history.get(words);
    if (state === 'uncertain' || state === 'failed') side[state]++;
    else if (!arrived.has(words)) side.lost++;
  }
  side.written += written.length;
  side.arrived += arrived.size;
}

function wordsOf(text: string): string {
  return WORDS.exec(text)?.[0] ?? text;
}

function numbered(count: number, words: (n: number) => string): string[] {
  return Array.from({ length: count }, (_, index) => words(index + 1));
}

export function emptySide(): Side {
  return { written: 0, arrived: 0, lost: 0, duplicated: 0, reordered: 0, foundLate: 0, uncertain: 0, failed: 0 };
}
