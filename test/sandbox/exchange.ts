import { isDeepStrictEqual } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dialog } from '../support/bitrix24-simulator/dialog.js';
import type { LineMessage } from '../support/bitrix24-simulator/open-lines.js';
import type { Operator } from '../support/bitrix24-simulator/operator.js';
import type { MessageContent, SimulatedClient } from '../support/telegram-simulator/simulated.client.js';
import { dialogOf, OPERATOR, type Sandbox } from './sandbox.js';
import { seenByClient, seenByOperator, shorten, type Transcript } from './transcript.js';

const WAIT_MS = 15_000;
/** Once something is missing, the rest is only told apart: broken too or not. */
const HURRIED_MS = 1_000;

/** A client with what must be on both sides in the end, as {@link seenByOperator} and {@link seenByClient} put it. */
export interface Party {
  client: SimulatedClient;
  name: string;
  /** What the dialog must hold of the client, in order. */
  toOperator: string[];
  /** What the client must have, in order. */
  toClient: string[];
  /** How many more of the operator's messages were delivered and taken back. */
  takenBack: number;
  /** Ends with the last line about what they got: lines stand in the order of the messages. */
  told: Promise<void>;
}

/** What clients and the operator say to each other, and whether all of it arrived: once, in order, byte for byte. */
export class Exchange {
  readonly problems: string[] = [];
  private readonly ticked: { message: LineMessage; parts: number }[] = [];
  private readonly undelivered: LineMessage[] = [];
  private readonly parties: Party[] = [];
  private repeats = 0;
  private patienceMs = WAIT_MS;

  constructor(
    private readonly sandbox: Sandbox,
    private readonly transcript: Transcript,
  ) {}

  party(name: string, id: number): Party {
    const client = this.sandbox.bot.client({ id, first_name: name, language_code: 'en' });
    const party: Party = { client, name, toOperator: [], toClient: [], takenBack: 0, told: Promise.resolve() };
    this.parties.push(party);
    return party;
  }

  dialog({ client }: Party): Dialog {
    return this.sandbox.portal.dialog(dialogOf(client));
  }

  get operator(): Operator {
    return this.sandbox.portal.operator(OPERATOR);
  }

  // --- what a client does

  /** A client writes; `arrives` is what the dialog must show, the words themselves when absent. */
  async says(
    party: Party,
    words: string,
    { extra, arrives = words }: { extra?: MessageContent; arrives?: string } = {},
  ): Promise<LineMessage | undefined> {
    return this.sends(party, words, arrives, () => party.client.sends(words, extra));
  }

  /** A client sends anything; `what` names it for the transcript. */
  async sends(party: Party, what: string, arrives: string, send: () => unknown): Promise<LineMessage | undefined> {
    this.transcript.line('Telegram', party.name, 'sends', what);
    party.toOperator.push(arrives);
    const began = performance.now();
    send();
    return this.arrivesInDialog(party, arrives, began);
  }

  async arrivesInDialog(party: Party, words: string, began: number): Promise<LineMessage | undefined> {
    const count = party.toOperator.length;
    const messages = await this.dialog(party)
      .receives(count, this.patienceMs)
      .catch(() => null);
    const message = messages?.[count - 1];
    if (message) this.transcript.line('Bitrix24', party.name, 'arrives', seenByOperator(message), `✓ ${since(began)}`);
    else this.fault(`Not in the dialog of ${party.name}: «${shorten(words)}»`);
    return message;
  }

  /** A client changes the words of `message`, which stands in the dialog. */
  async corrects(party: Party, message: LineMessage | undefined, words: string, edit: () => unknown): Promise<void> {
    if (!message) return;
    this.transcript.line('Telegram', party.name, 'edits', words);
    party.toOperator[this.dialog(party).clientMessages.indexOf(message)] = words;
    const began = performance.now();
    edit();
    if (await this.until(() => message.edited && message.text === words))
      this.transcript.line('Bitrix24', party.name, 'changes', seenByOperator(message), `✓ ${since(began)}`);
    else this.fault(`In the dialog «${shorten(message.text)}» did not become «${shorten(words)}».`);
  }

  // --- what the operator does

  /** The operator writes; `arrives` are the client's messages, the words themselves when absent. */
  async answers(party: Party, words: string, arrives = [words]): Promise<LineMessage> {
    return this.operatorSends(party, words, arrives, () => this.operator.sends(dialogOf(party.client), words));
  }

  /** The operator sends anything; `what` names it for the transcript. */
  async operatorSends(
    party: Party,
    what: string,
    arrives: string[],
    send: (dialog: string) => LineMessage,
  ): Promise<LineMessage> {
    const { message, began } = this.operatorBegins(party, what, send);
    party.toClient.push(...arrives);
    this.ticked.push({ message, parts: arrives.length });
    await this.arrivesAtClient(party, arrives, began, message);
    return message;
  }

  /** The operator writes what becomes several messages: one tick, and together they hold every word. */
  async answersAtLength(party: Party, words: string): Promise<void> {
    const before = party.client.inbox.length;
    const { message, began } = this.operatorBegins(party, words, (dialog) => this.operator.sends(dialog, words));
    await this.until(() => !message.sending);
    const parts = party.client.inbox.slice(before).map(this.seenByClient);
    party.toClient.push(...parts);
    this.ticked.push({ message, parts: parts.length });
    const together = parts.map((part) => part.trim()).join(' ');
    if (parts.length < 2 || together !== words.trim())
      this.fault(`${party.name} did not get all of «${shorten(words)}»`);
    for (const [index, part] of parts.entries()) {
      this.transcript.line('Telegram', party.name, `part ${index + 1}`, part, `✓ ${since(began)}`);
    }
  }

  /** The operator writes to a client who has blocked the bot: a note must say so. */
  async answersInVain(party: Party, words: string): Promise<void> {
    const { message } = this.operatorBegins(party, words, (dialog) => this.operator.sends(dialog, words));
    this.undelivered.push(message);
    await this.noteArrives(party, words, message, `No note tells the operator that «${words}» was not delivered.`);
  }

  /** The operator changes his message, which the client has as one. */
  async operatorEdits(party: Party, message: LineMessage, words: string): Promise<void> {
    this.transcript.line('Bitrix24', OPERATOR.name, 'edits', words);
    const index = party.toClient.indexOf(message.text);
    party.toClient[index] = words;
    const began = performance.now();
    this.operator.edits(message, words);
    if (await this.until(() => party.client.inbox[index]?.text === words))
      this.transcript.line('Telegram', party.name, 'changes', words, `✓ ${since(began)}`);
    else this.fault(`${party.name} does not see the change to «${shorten(words)}».`);
  }

  /** The operator deletes his message, which the client has as one. */
  async operatorDeletes(party: Party, message: LineMessage): Promise<void> {
    this.transcript.line('Bitrix24', OPERATOR.name, 'deletes', message.text);
    party.toClient.splice(party.toClient.indexOf(message.text), 1);
    party.takenBack += 1;
    const began = performance.now();
    this.operator.deletes(message);
    if (await this.until(() => party.client.inbox.length === party.toClient.length))
      this.transcript.line('Telegram', party.name, 'vanishes', message.text, `✓ ${since(began)}`);
    else this.fault(`${party.name} still sees «${shorten(message.text)}».`);
  }

  arrivesAtClient(party: Party, words: string[], began: number, message?: LineMessage): Promise<void> {
    party.told = this.tellsArrival(party, words, began, message);
    return party.told;
  }

  private async tellsArrival(party: Party, words: string[], began: number, message?: LineMessage): Promise<void> {
    const { told: earlier } = party;
    const count = party.toClient.length;
    const inbox = await party.client.receives(count, this.patienceMs).catch(() => null);
    if (!inbox) return this.fault(`${party.name} did not get «${shorten(words.join(' '))}»`);
    const reported = message === undefined || (await this.until(() => !message.sending));
    const result = `${message && reported ? '✓ delivered ' : '✓ '}${since(began)}`;
    await earlier;
    for (const one of inbox.slice(count - words.length, count)) {
      this.transcript.line('Telegram', party.name, 'arrives', this.seenByClient(one), result);
    }
  }

  // --- what neither of them writes

  /** A line of the system that says `words` must come into the dialog, behind `after`. */
  async noteArrives(party: Party, words: string, after: LineMessage | undefined, problem: string): Promise<void> {
    const isNote = ({ author, text, id }: LineMessage) =>
      author === 'system' && id > (after?.id ?? 0) && text.includes(words);
    const note = await this.dialog(party)
      .waitFor(isNote, this.patienceMs)
      .catch(() => null);
    if (note) this.transcript.line('Bitrix24', party.name, 'note', note.text);
    else this.fault(problem);
  }

  /** An object goes as JSON, a string as a form. */
  async post(path: string, body: unknown, what: string): Promise<void> {
    const { status } = await this.sandbox.program.post(path, body);
    this.transcript.line('HTTP', 'POST', path.split('?', 1)[0]!, what, String(status));
    if (status !== 200) this.fault(`POST ${path.split('?', 1)[0]} (${what}) was answered ${status}`);
  }

  /** As {@link post}, of something that came before: nothing more may come of it. */
  async postAgain(path: string, body: unknown): Promise<void> {
    await this.post(path, body, 'the same once more');
    this.repeats += 1;
  }

  /** Its tick must come; one message is what the client gets. */
  expectTick(message: LineMessage): void {
    this.ticked.push({ message, parts: 1 });
  }

  async until(done: () => boolean): Promise<boolean> {
    for (const deadline = Date.now() + this.patienceMs; Date.now() < deadline; await sleep(20)) if (done()) return true;
    return done();
  }

  fault(problem: string): void {
    this.problems.push(problem);
    this.patienceMs = HURRIED_MS;
    this.transcript.fault(problem);
  }

  private operatorBegins(party: Party, what: string, send: (dialog: string) => LineMessage) {
    this.transcript.line('Bitrix24', OPERATOR.name, `to ${party.name}`, what);
    const began = performance.now();
    return { began, message: send(dialogOf(party.client)) };
  }

  private readonly seenByClient = (message: Parameters<typeof seenByClient>[0]): string =>
    seenByClient(message, (fileId) => this.sandbox.bot.files.find(fileId)!.content.sha256);

  // --- the verdict

  /** Compares both sides with what was said, word by word; adds to {@link problems}. */
  async compare(): Promise<void> {
    const delivered = this.sandbox.telegram.ledger();
    for (const party of this.parties) {
      const shown = this.dialog(party).clientMessages.map(seenByOperator);
      this.compareLists(`the dialog of ${party.name}`, party.toOperator, shown);
      this.compareLists(`${party.name}'s Telegram`, party.toClient, party.client.inbox.map(this.seenByClient));
      const copies = delivered.filter(({ chatId }) => chatId === party.client.id).length;
      const wanted = party.toClient.length + party.takenBack;
      if (copies !== wanted)
        this.problems.push(`Telegram delivered ${copies} messages to ${party.name} instead of ${wanted}.`);
    }
    this.compareTicks();
    await this.compareHistory();
  }

  private compareLists(where: string, wanted: string[], found: string[]): void {
    if (isDeepStrictEqual(wanted, found)) return;
    const at = wanted.findIndex((text, index) => text !== found[index]);
    const index = at < 0 ? wanted.length : at;
    this.problems.push(
      `In ${where}, message ${index + 1}: expected «${shorten(wanted[index] ?? 'nothing more')}», found «${shorten(found[index] ?? 'nothing')}» (${found.length} of ${wanted.length}).`,
    );
  }

  private compareTicks(): void {
    for (const { message, parts } of this.ticked) {
      if (message.sending) this.problems.push(`No tick for «${shorten(message.text)}».`);
      else if (message.externalIds.length !== parts)
        this.problems.push(
          `«${shorten(message.text)}» was reported with ${message.externalIds.length} ids, not ${parts}.`,
        );
    }
    for (const message of this.undelivered) {
      if (!message.sending) this.problems.push(`«${message.text}» has a tick although it was not delivered.`);
    }
    const { dialogs, eventsLost, rejectedByBucket, rejectedByOperating, tokensInUrl, botTokensInUrls } =
      this.sandbox.portal.ledger();
    const blunders = {
      'events lost': eventsLost,
      'calls above the limits': rejectedByBucket + rejectedByOperating,
      'tokens in addresses': tokensInUrl + botTokensInUrls.length,
      'ids sent twice': dialogs.flatMap(({ duplicates }) => duplicates).length,
      'ids out of order': dialogs.flatMap(({ reordered }) => reordered).length,
    };
    for (const [what, count] of Object.entries(blunders)) if (count > 0) this.problems.push(`${count} ${what}.`);
  }

  /** The program's own books must agree: nothing waits, and failed is only what could not be delivered. */
  private async compareHistory(): Promise<void> {
    for (const [state, wanted] of Object.entries({
      queued: 0,
      sending: 0,
      uncertain: 0,
      failed: this.undelivered.length,
    })) {
      const { json } = await this.sandbox.program.admin('GET', `/messages?state=${state}&limit=100`);
      const found: unknown = json?.items?.length;
      if (found !== wanted)
        this.problems.push(`The history has ${String(found)} messages in state ${state}, not ${wanted}.`);
    }
  }

  /** One line. */
  summary(seconds: number): string {
    const inbound = this.parties.reduce((sum, { toOperator }) => sum + toOperator.length, 0);
    const outbound = this.parties.reduce((sum, { toClient }) => sum + toClient.length, 0);
    const ticks = this.ticked.filter(({ message }) => !message.sending).length;
    const said = `${inbound} messages to the operator, ${outbound} to the clients, ${ticks} of ${this.ticked.length} ticks, ${this.repeats} repeats recognised, ${seconds.toFixed(1)} s`;
    return this.problems.length === 0
      ? `OK: every message arrived exactly once and in order: ${said}.`
      : `FAILED with ${this.problems.length} problem${this.problems.length > 1 ? 's' : ''}: ${said}.`;
  }
}

/** How long ago, for people. */
export const since = (began: number) => `${((performance.now() - began) / 1000).toFixed(2)} s`;
