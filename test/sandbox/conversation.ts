import { isDeepStrictEqual } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LineMessage } from '../support/bitrix24-simulator/open-lines.js';
import { httpBuildQuery } from '../support/bitrix24-simulator/php-encoding.js';
import type { MessageContent, SimulatedClient } from '../support/telegram-simulator/simulated.client.js';
import { LINE, OPERATOR, type Sandbox } from './sandbox.js';
import { PHOTO, STICKER, textUpdate, VOICE } from './telegram-updates.js';
import { seenByClient, shorten, Transcript } from './transcript.js';

const WAIT_MS = 15_000;
/** Once something is missing, the rest is only told apart: broken too or not. */
const HURRIED_MS = 1_000;
/** Long enough for a second copy to show up. */
const QUIET_MS = 1_500;

export interface Verdict {
  /** What is missing, repeated, out of order or not ticked; empty: nothing. */
  problems: string[];
  /** One line. */
  summary: string;
}

interface Party {
  client: SimulatedClient;
  name: string;
  /** What the dialog must hold of the client, in order. */
  toOperator: string[];
  /** What the client must have, in order. */
  toClient: string[];
}

/**
 * A scripted conversation of three clients with one operator. Each step waits until its message is there; at the end
 * both sides are compared, word by word, with what was said.
 */
export class Conversation {
  private readonly problems: string[] = [];
  private readonly ticked: { message: LineMessage; parts: number }[] = [];
  private readonly undelivered: LineMessage[] = [];
  private readonly parties: Party[] = [];
  private readonly transcript: Transcript;
  private repeats = 0;
  private patienceMs = WAIT_MS;

  constructor(
    private readonly sandbox: Sandbox,
    print: (line: string) => void,
  ) {
    this.transcript = new Transcript(print);
  }

  async run(): Promise<Verdict> {
    const began = performance.now();
    await this.play().catch((error: unknown) => this.fault(error instanceof Error ? error.message : String(error)));
    await sleep(QUIET_MS);
    await this.compare();
    return { problems: this.problems, summary: this.summary((performance.now() - began) / 1000) };
  }

  // --- the script

  private async play(): Promise<void> {
    const anna = this.party('Anna', 700_100_200);
    const peter = this.party('Пётр', 700_100_300);
    const ivan = this.party('Ivan', 123_456);

    await this.greetings(anna, peter);
    await this.formatting(anna, peter);
    await this.placeholders(peter);
    await this.longTexts(anna);
    await this.interleaved(anna, peter);
    await this.testCalls(ivan);
    await this.capturedEvent(peter);
    await this.whisper(anna);
    await this.outages(anna);
    await this.blocked(anna);
    await this.reading(peter);
  }

  private async greetings(anna: Party, peter: Party): Promise<void> {
    this.transcript.heading('Two clients write, the operator answers');
    await this.says(anna, 'Good evening! Do you ship to Kazan? 🚚');
    await this.says(peter, 'Здравствуйте 👋🏽 Где мой заказ № 1042? 👨‍👩‍👧');
    await this.answers(anna, 'Good evening, Anna! Yes, every day 🙂');
    await this.answers(peter, 'Добрый вечер! Сейчас посмотрю.');
  }

  private async formatting(anna: Party, peter: Party): Promise<void> {
    this.transcript.heading('Formatted text: Telegram entities become BBCode and back');
    await this.says(anna, 'I mean the blue one, code A-17, see catalogue', {
      extra: {
        entities: [
          { type: 'bold', offset: 11, length: 8 },
          { type: 'code', offset: 26, length: 4 },
          { type: 'text_link', offset: 36, length: 9, url: 'https://shop.example/blue?a=1&b=2' },
        ],
      },
      arrives:
        'I mean the [b]blue one[/b], code [code]A-17[/code], see [url=https://shop.example/blue?a=1&b=2]catalogue[/url]',
    });
    await this.says(anna, 'And what does [b]this[/b] mean?', {
      arrives: 'And what does [\u200bb]this[\u200b/b] mean?',
    });
    await this.answers(
      peter,
      '[b]Заказ 1042[/b] уже [i]в пути[/i]:[br][url=https://track.example/1042]отследить[/url]',
      [
        'Заказ 1042 уже в пути:\nотследить  {bold «Заказ 1042», italic «в пути», text_link «отследить» https://track.example/1042}',
      ],
    );
  }

  private async placeholders(peter: Party): Promise<void> {
    this.transcript.heading('What is not text');
    await this.says(peter, '(sticker 👋)', { content: STICKER, arrives: '👋 Sticker' });
    await this.says(peter, '(photo) Вот такая коробка', {
      content: { ...PHOTO, caption: 'Вот такая коробка' },
      arrives: '📷 Photo\nВот такая коробка',
    });
    await this.says(peter, '(voice, 7 s)', { content: VOICE, arrives: '🎤 Voice message (0:07)' });
  }

  private async longTexts(anna: Party): Promise<void> {
    this.transcript.heading('As long as it gets: 4096 characters from Telegram, 9000 from Bitrix24');
    await this.says(anna, sentences('I would like to know everything about the delivery. ', 4096));
    const long = sentences('Delivery takes two days. ', 9000);
    await this.answers(anna, long, null);
  }

  private async interleaved(anna: Party, peter: Party): Promise<void> {
    this.transcript.heading('Everybody at once');
    const lines = [1, 2, 3, 4, 5];
    await Promise.all([
      ...lines.flatMap((line) => [this.says(anna, `Anna, line ${line}`), this.says(peter, `Пётр, строка ${line}`)]),
      ...lines.flatMap((line) => [this.answers(anna, `To Anna, ${line}`), this.answers(peter, `Петру, ${line}`)]),
    ]);
  }

  /** The two calls by which the program's users try it out, and the first one once more. */
  private async testCalls(ivan: Party): Promise<void> {
    this.transcript.heading('Two test calls with curl, and an update and an event that come twice');
    const chat = this.sandbox.bot.startChat(ivan.client);
    const update = textUpdate(1_000_001, chat.nextMessageId(), { id: 123_456, first_name: 'Ivan' }, 'Hello!');
    ivan.toOperator.push('Hello!');
    await this.post('/tg/webhook', update, 'update 1000001: Hello!');
    await this.post('/tg/webhook', update, 'the same once more');
    await this.arrivesInDialog(ivan, 'Hello!', performance.now());

    const text = 'Hello from Bitrix24!';
    const event = {
      event: 'ONIMCONNECTORMESSAGEADD',
      data: { chat: { id: 'tg:123456' }, message: { id: 'b24:1', text } },
    };
    ivan.toClient.push(text);
    await this.post(this.handlerPath, event, `message b24:1: ${text}`);
    await this.post(this.handlerPath, event, 'the same once more');
    await this.arrivesAtClient(ivan, [text], performance.now());
    this.repeats += 2;
  }

  /** An event as a portal really sent it in 2023, prefix of that time included, with the ids of this portal. */
  private async capturedEvent(peter: Party): Promise<void> {
    this.transcript.heading('An event captured from a real portal, form-encoded, twice');
    const { portal } = this.sandbox;
    const chat = portal.chat(dialogOf(peter));
    const message = portal.lines.store(chat, { author: 'operator', authorId: 1, text: 'фывыфв', sending: true });
    const form = httpBuildQuery({
      event: 'ONIMCONNECTORMESSAGEADD',
      data: {
        CONNECTOR: this.sandbox.connectorId,
        LINE,
        MESSAGES: [
          {
            im: { chat_id: chat.id, message_id: message.id },
            message: { user_id: 1, text: '[b]Эдди Ким:[/b][br] фывыфв' },
            chat: { id: chat.externalId },
          },
        ],
      },
      ts: Math.floor(message.at / 1000),
      auth: {
        domain: portal.domain,
        client_endpoint: portal.clientEndpoint,
        server_endpoint: portal.serverEndpoint,
        member_id: portal.memberId,
        application_token: this.sandbox.app.applicationToken,
      },
    });
    peter.toClient.push('фывыфв');
    this.ticked.push({ message, parts: 1 });
    await this.post(this.handlerPath, form, '[b]Эдди Ким:[/b][br] фывыфв');
    await this.post(this.handlerPath, form, 'the same once more');
    await this.arrivesAtClient(peter, ['фывыфв'], performance.now(), message);
    this.repeats += 1;
  }

  private async whisper(anna: Party): Promise<void> {
    this.transcript.heading('What the client must not see');
    const words = 'She is a regular, give her 5 %';
    this.transcript.line('Bitrix24', 'Samantha', 'whispers', words);
    this.sandbox.portal.operator(OPERATOR).whispers(dialogOf(anna), words);
    await this.answers(anna, 'You get 5 % off.');
  }

  private async outages(anna: Party): Promise<void> {
    this.transcript.heading('Telegram, then Bitrix24 cannot be reached for two seconds');
    await this.sandbox.breakDown('telegram', 2000);
    const fromPhone = this.says(anna, 'Written while Telegram was down');
    await this.answers(anna, 'Answered while Telegram was down');
    await fromPhone;
    await this.sandbox.breakDown('bitrix24', 2000);
    const answer = this.answers(anna, 'Answered while Bitrix24 was down');
    await this.says(anna, 'Written while Bitrix24 was down');
    await answer;
  }

  private async blocked(anna: Party): Promise<void> {
    this.transcript.heading('The client blocks the bot and comes back');
    this.transcript.line('Telegram', anna.name, 'blocks', 'the bot');
    anna.client.blocks();
    const words = 'Your parcel has arrived';
    this.transcript.line('Bitrix24', 'Samantha', 'writes', words);
    const message = this.sandbox.portal.operator(OPERATOR).sends(dialogOf(anna), words);
    this.undelivered.push(message);
    await this.dialog(anna)
      .waitFor(
        ({ author, text, id }) => author === 'system' && id > message.id && text.includes(words),
        this.patienceMs,
      )
      .then(
        (note) => this.transcript.line('Bitrix24', anna.name, 'note', note.text),
        () => this.fault(`No note tells the operator that «${words}» was not delivered.`),
      );
    this.transcript.line('Telegram', anna.name, 'unblocks', 'the bot');
    anna.client.unblocks();
    await this.says(anna, 'Sorry, wrong button!');
    await this.answers(anna, 'No problem. Your parcel is here.');
  }

  private async reading(peter: Party): Promise<void> {
    this.transcript.heading('Who answers has read');
    await this.answers(peter, 'Всё в порядке?');
    const message = this.dialog(peter).messages.at(-1)!;
    await this.says(peter, 'Да, спасибо!');
    const seen = await this.until(() => this.sandbox.seenMessages.has(message.id));
    if (seen) this.transcript.line('Bitrix24', 'Samantha', 'learns', message.text, '✓✓ seen');
    else this.fault(`Nothing was reported as read after ${peter.name} had answered «${message.text}».`);
  }

  // --- one message

  private party(name: string, id: number): Party {
    const client = this.sandbox.bot.client({ id, first_name: name, language_code: 'en' });
    const party = { client, name, toOperator: [], toClient: [] };
    this.parties.push(party);
    return party;
  }

  /** A client writes; `arrives` is what the dialog must show, the words themselves when absent. */
  private async says(
    party: Party,
    words: string,
    options: { extra?: MessageContent; content?: MessageContent; arrives?: string } = {},
  ): Promise<void> {
    const { extra, content, arrives = words } = options;
    this.transcript.line('Telegram', party.name, 'writes', words);
    party.toOperator.push(arrives);
    const began = performance.now();
    if (content) party.client.sendsMessage(content);
    else party.client.sends(words, extra);
    await this.arrivesInDialog(party, arrives, began);
  }

  private async arrivesInDialog(party: Party, words: string, began: number): Promise<void> {
    const count = party.toOperator.length;
    const messages = await this.dialog(party)
      .receives(count, this.patienceMs)
      .catch(() => null);
    if (!messages) return this.fault(`Not in the dialog of ${party.name}: «${shorten(words)}»`);
    this.transcript.line('Bitrix24', party.name, 'arrives', messages[count - 1]!.text, `✓ ${since(began)}`);
  }

  /** The operator writes; `arrives` are the client's messages, the words themselves when absent, null: as many as it takes. */
  private async answers(party: Party, words: string, arrives: string[] | null = [words]): Promise<void> {
    this.transcript.line('Bitrix24', 'Samantha', `to ${party.name}`, words);
    const began = performance.now();
    const message = this.sandbox.portal.operator(OPERATOR).sends(dialogOf(party), words);
    if (arrives === null) return this.arrivesInParts(party, message, words, began);
    party.toClient.push(...arrives);
    this.ticked.push({ message, parts: arrives.length });
    await this.arrivesAtClient(party, arrives, began, message);
  }

  /** One tick, then as many Telegram messages as it reported, which together hold every word. */
  private async arrivesInParts(party: Party, message: LineMessage, words: string, began: number): Promise<void> {
    const before = party.client.inbox.length;
    await this.until(() => !message.sending);
    const parts = party.client.inbox.slice(before).map(seenByClient);
    party.toClient.push(...parts);
    this.ticked.push({ message, parts: parts.length });
    const together = parts.map((part) => part.trim()).join(' ');
    if (parts.length < 2 || together !== words.trim())
      this.fault(`${party.name} did not get all of «${shorten(words)}»`);
    for (const [index, part] of parts.entries()) {
      this.transcript.line('Telegram', party.name, `part ${index + 1}`, part, `✓ ${since(began)}`);
    }
  }

  private async arrivesAtClient(party: Party, words: string[], began: number, message?: LineMessage): Promise<void> {
    const count = party.toClient.length;
    const inbox = await party.client.receives(count, this.patienceMs).catch(() => null);
    if (!inbox) return this.fault(`${party.name} did not get «${shorten(words.join(' '))}»`);
    const reported = message === undefined || (await this.until(() => !message.sending));
    const tick = message && reported ? '✓ delivered ' : '✓ ';
    for (const one of inbox.slice(count - words.length, count)) {
      this.transcript.line('Telegram', party.name, 'arrives', seenByClient(one), `${tick}${since(began)}`);
    }
  }

  /** An object goes as JSON, a string as a form. */
  private async post(path: string, body: unknown, what: string): Promise<void> {
    const { status } = await this.sandbox.program.post(path, body);
    this.transcript.line('HTTP', 'POST', path.split('?', 1)[0]!, what, String(status));
    if (status !== 200) this.fault(`POST ${path.split('?', 1)[0]} (${what}) was answered ${status}`);
  }

  private get handlerPath(): string {
    return `/b24/handler?secret=${this.sandbox.handlerSecret}`;
  }

  private dialog(party: Party) {
    return this.sandbox.portal.dialog(dialogOf(party));
  }

  private async until(done: () => boolean): Promise<boolean> {
    for (const deadline = Date.now() + this.patienceMs; Date.now() < deadline; await sleep(20)) if (done()) return true;
    return done();
  }

  private fault(problem: string): void {
    this.problems.push(problem);
    this.patienceMs = HURRIED_MS;
    this.transcript.fault(problem);
  }

  // --- the verdict

  private async compare(): Promise<void> {
    const delivered = this.sandbox.telegram.ledger();
    for (const party of this.parties) {
      const shown = this.dialog(party).clientMessages.map(({ text }) => text);
      this.compareLists(`the dialog of ${party.name}`, party.toOperator, shown);
      this.compareLists(`${party.name}'s Telegram`, party.toClient, party.client.inbox.map(seenByClient));
      const copies = delivered.filter(({ chatId }) => chatId === party.client.id).length;
      if (copies !== party.toClient.length)
        this.problems.push(
          `Telegram delivered ${copies} messages to ${party.name} instead of ${party.toClient.length}.`,
        );
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

  private summary(seconds: number): string {
    const inbound = this.parties.reduce((sum, { toOperator }) => sum + toOperator.length, 0);
    const outbound = this.parties.reduce((sum, { toClient }) => sum + toClient.length, 0);
    const ticks = this.ticked.filter(({ message }) => !message.sending).length;
    const said = `${inbound} messages to the operator, ${outbound} to the clients, ${ticks} of ${this.ticked.length} ticks, ${this.repeats} repeats recognised, ${seconds.toFixed(1)} s`;
    return this.problems.length === 0
      ? `OK: every message arrived exactly once and in order: ${said}.`
      : `FAILED with ${this.problems.length} problem${this.problems.length > 1 ? 's' : ''}: ${said}.`;
  }
}

const dialogOf = ({ client }: Party) => `tg:${client.id}`;

const since = (began: number) => `${((performance.now() - began) / 1000).toFixed(2)} s`;

const sentences = (sentence: string, length: number) =>
  sentence.repeat(Math.ceil(length / sentence.length)).slice(0, length - 1) + '!';
