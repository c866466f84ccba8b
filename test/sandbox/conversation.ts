import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { httpBuildQuery } from '../support/bitrix24-simulator/php-encoding.js';
import { contents } from '../support/telegram-simulator/client.contents.js';
import { DealCards } from './deal-card.js';
import { Exchange, type Party, since } from './exchange.js';
import { putFileOver, sendFiles } from './client.uploads.js';
import type { FileShelf, ShelvedFile } from './file.shelf.js';
import { dialogOf, LINE, OPERATOR, type Sandbox } from './sandbox.js';
import { textUpdate } from './telegram-update.js';
import { Transcript, withFiles } from './transcript.js';

/** Long enough for a second copy to show up. */
const QUIET_MS = 1_500;

export interface Verdict {
  /** What is missing, repeated, out of order or not ticked; empty: nothing. */
  problems: string[];
  /** One line. */
  summary: string;
}

/**
 * A scripted conversation of three clients with one operator. Each step waits until its message is there; at the end
 * both sides are compared, word by word, with what was said.
 */
export class Conversation {
  private readonly transcript: Transcript;
  private readonly exchange: Exchange;

  constructor(
    private readonly sandbox: Sandbox,
    private readonly shelf: FileShelf,
    print: (line: string) => void,
  ) {
    this.transcript = new Transcript(print);
    this.exchange = new Exchange(sandbox, this.transcript);
  }

  async run(): Promise<Verdict> {
    const { exchange } = this;
    const began = performance.now();
    await this.play().catch((error: unknown) => exchange.fault(error instanceof Error ? error.message : String(error)));
    await sleep(QUIET_MS);
    await exchange.compare();
    return { problems: exchange.problems, summary: exchange.summary((performance.now() - began) / 1000) };
  }

  // --- the script

  private async play(): Promise<void> {
    const anna = this.exchange.party('Anna', 700_100_200);
    const peter = this.exchange.party('Пётр', 700_100_300);
    const ivan = this.exchange.party('Ivan', 123_456);

    await this.greetings(anna, peter);
    await this.formatting(anna, peter);
    await this.replies(anna);
    await this.files(anna);
    await this.operatorsFiles(anna);
    await this.changes(anna, peter);
    await this.longTexts(anna);
    await this.interleaved(anna, peter);
    await this.testCalls(ivan);
    await this.capturedEvent(peter);
    await this.whisper(anna);
    await this.outages(anna);
    await this.blocked(anna);
    await this.dealOf(this.exchange.party('Olga', 700_100_400));
  }

  private async greetings(anna: Party, peter: Party): Promise<void> {
    this.transcript.heading('Two clients write, the operator answers');
    await this.exchange.says(anna, 'Good evening! Do you ship to Kazan? 🚚');
    await this.exchange.says(peter, 'Здравствуйте 👋🏽 Где мой заказ № 1042? 👨‍👩‍👧');
    await this.exchange.answers(anna, 'Good evening, Anna! Yes, every day 🙂');
    await this.exchange.answers(peter, 'Добрый вечер! Сейчас посмотрю.');
  }

  private async formatting(anna: Party, peter: Party): Promise<void> {
    this.transcript.heading('Formatted text: Telegram entities become BBCode and back');
    await this.exchange.says(anna, 'I mean the blue one, code A-17, see catalogue', {
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
    await this.exchange.says(anna, 'And what does [b]this[/b] mean?', {
      arrives: 'And what does [\u200bb]this[\u200b/b] mean?',
    });
    await this.exchange.answers(
      peter,
      '[b]Заказ 1042[/b] уже [i]в пути[/i]:[br][url=https://track.example/1042]отследить[/url] посылку',
      [
        'Заказ 1042 уже в пути:\nотследить посылку  {bold «Заказ 1042», italic «в пути», text_link «отследить» https://track.example/1042}',
      ],
    );
  }

  private async replies(anna: Party): Promise<void> {
    this.transcript.heading('Replies, both ways');
    const { exchange } = this;
    const [greeting] = anna.client.inbox;
    await exchange.sends(
      anna,
      '↩ «Good evening, Anna! …» And on Sundays?',
      '↩ «Good evening, Anna! Yes, every day 🙂» And on Sundays?',
      () => anna.client.replies(greeting!.message_id, 'And on Sundays?'),
    );
    const question = this.exchange.dialog(anna).clientMessages[0]!;
    await exchange.operatorSends(
      anna,
      '↩ «Good evening! Do you ship …» Even on Sundays',
      ['↩ «Good evening! Do you ship to Kazan? 🚚» Even on Sundays'],
      () => exchange.operator.quotes(question, 'Even on Sundays'),
    );
  }

  private async files(anna: Party): Promise<void> {
    this.transcript.heading('Photos, voice, albums and more of a client, byte for byte');
    const { exchange } = this;
    const send = async (names: string[], caption?: string, beside = caption ?? '') => {
      const files = names.map((name) => this.shelf.get(name));
      const arrives = withFiles(beside, files.map(sha256));
      await exchange.sends(anna, `(${names.join(', ')}) ${beside}`, arrives, () =>
        sendFiles(anna.client, files, { caption }),
      );
    };
    await send(['parcel.jpg'], 'This is how it came');
    await send(['voice.ogg'], undefined, '🎤 Voice message, 0:04');
    await send(['case-blue.jpg', 'case-both-sides.jpg', 'case-colours.jpg'], 'These three');
    await send(['sticker.webp'], undefined, '👋');
    await exchange.sends(anna, '(location)', '📍 Location\nhttps://maps.google.com/?q=55.796127,49.106414', () =>
      anna.client.sendsMessage(contents.location()),
    );
  }

  private async operatorsFiles(anna: Party): Promise<void> {
    this.transcript.heading('Files of an operator');
    const { exchange } = this;
    const send = async (text: string, names: string[], kinds: string[]) => {
      const files = names.map((name) => this.shelf.get(name));
      const arrives = files.map((file, index) => withFiles(index === 0 ? text : '', [sha256(file)], kinds[index]));
      await exchange.operatorSends(anna, `(${names.join(', ')}) ${text}`, arrives, (dialog) =>
        exchange.operator.sends(dialog, { text, files }),
      );
    };
    await send('Our prices', ['price-list.pdf'], ['document']);
    await send(
      'Two photos and a document',
      ['case-both-sides.jpg', 'case-colours.jpg', 'price-list.pdf'],
      ['photo', 'photo', 'document'],
    );
    const voice = this.shelf.get('voice.mp3');
    await exchange.operatorSends(anna, '(voice)', [withFiles('', [sha256(voice)], 'audio')], (dialog) =>
      exchange.operator.recordsVoice(dialog, voice.content),
    );
  }

  private async changes(anna: Party, peter: Party): Promise<void> {
    this.transcript.heading('Changed and taken back');
    const { exchange } = this;
    const { client } = anna;
    const typo = await exchange.says(anna, 'I take the blue one, sice L');
    await exchange.corrects(anna, typo, 'I take the blue one, size L', () =>
      client.edits(client.chat.messages.at(-1)!.message_id, 'I take the blue one, size L'),
    );
    await exchange.says(anna, 'My order is in this list');
    const list = this.shelf.get('price-list.pdf');
    // Bitrix24 exchanges no files: the document is a message of its own.
    const arrives = withFiles('↩ «My order is in this list» My order', [sha256(list)]);
    await exchange.sends(anna, '(document over that text) My order', arrives, () =>
      putFileOver(client, client.chat.messages.at(-1)!.message_id, list, 'My order'),
    );
    const price = await exchange.answers(anna, 'That makes 19.09');
    await exchange.operatorEdits(anna, price, 'That makes 19.90');
    const secret = await exchange.answers(peter, 'Анна, ваша скидка 5 %');
    await exchange.operatorDeletes(peter, secret);
    this.transcript.line('Telegram', anna.name, 'reacts', '👍');
    client.reacts(client.inbox.at(-1)!.message_id, '👍');
    await exchange.noteArrives(anna, '👍', undefined, 'Nothing tells the operator of the reaction.');
  }

  private async longTexts(anna: Party): Promise<void> {
    this.transcript.heading('As long as it gets: 4096 characters from Telegram, 9000 from Bitrix24');
    await this.exchange.says(anna, sentences('I would like to know everything about the delivery. ', 4096));
    await this.exchange.answersAtLength(anna, sentences('Delivery takes two days. ', 9000));
  }

  private async interleaved(anna: Party, peter: Party): Promise<void> {
    this.transcript.heading('Everybody at once');
    const lines = [1, 2, 3, 4, 5];
    await Promise.all([
      ...lines.flatMap((line) => [
        this.exchange.says(anna, `Anna, line ${line}`),
        this.exchange.says(peter, `Пётр, строка ${line}`),
      ]),
      ...lines.flatMap((line) => [
        this.exchange.answers(anna, `To Anna, ${line}`),
        this.exchange.answers(peter, `Петру, ${line}`),
      ]),
    ]);
  }

  /** The two calls by which the program's users try it out, and the first one once more. */
  private async testCalls(ivan: Party): Promise<void> {
    this.transcript.heading('Two test calls with curl, and an update and an event that come twice');
    const chat = this.sandbox.bot.startChat(ivan.client);
    const update = textUpdate(1_000_001, chat.nextMessageId(), { id: 123_456, first_name: 'Ivan' }, 'Hello!');
    ivan.toOperator.push('Hello!');
    await this.exchange.post('/tg/webhook', update, 'update 1000001: Hello!');
    await this.exchange.postAgain('/tg/webhook', update);
    await this.exchange.arrivesInDialog(ivan, 'Hello!', performance.now());

    const text = 'Hello from Bitrix24!';
    const event = {
      event: 'ONIMCONNECTORMESSAGEADD',
      data: { chat: { id: 'tg:123456' }, message: { id: 'b24:1', text } },
    };
    ivan.toClient.push(text);
    await this.exchange.post(this.handlerPath, event, `message b24:1: ${text}`);
    await this.exchange.postAgain(this.handlerPath, event);
    await this.exchange.arrivesAtClient(ivan, [text], performance.now());
  }

  /** An event as a portal really sent it in 2023, prefix of that time included, with the ids of this portal. */
  private async capturedEvent(peter: Party): Promise<void> {
    this.transcript.heading('An event captured from a real portal, form-encoded, twice');
    const { portal } = this.sandbox;
    const chat = portal.chat(dialogOf(peter.client));
    // Its author, by whose name the program knows what stands before the words.
    portal.operator({ id: 14, name: 'Эдди Ким' });
    const message = portal.lines.store(chat, { author: 'operator', authorId: 14, text: 'фывыфв', sending: true });
    const form = httpBuildQuery({
      event: 'ONIMCONNECTORMESSAGEADD',
      data: {
        CONNECTOR: this.sandbox.connectorId,
        LINE,
        MESSAGES: [
          {
            im: { chat_id: chat.id, message_id: message.id },
            message: { user_id: 14, text: '[b]Эдди Ким:[/b][br] фывыфв' },
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
    this.exchange.expectTick(message);
    await this.exchange.post(this.handlerPath, form, '[b]Эдди Ким:[/b][br] фывыфв');
    await this.exchange.postAgain(this.handlerPath, form);
    await this.exchange.arrivesAtClient(peter, ['фывыфв'], performance.now(), message);
  }

  private async whisper(anna: Party): Promise<void> {
    this.transcript.heading('What the client must not see');
    const words = 'She is a regular, give her 5 %';
    this.transcript.line('Bitrix24', OPERATOR.name, 'whispers', words);
    this.exchange.operator.whispers(dialogOf(anna.client), words);
    await this.exchange.answers(anna, 'You get 5 % off.');
  }

  private async outages(anna: Party): Promise<void> {
    this.transcript.heading('Telegram, then Bitrix24 cannot be reached for two seconds');
    await this.sandbox.breakDown('telegram', 2000);
    const fromPhone = this.exchange.says(anna, 'Written while Telegram was down');
    await this.exchange.answers(anna, 'Answered while Telegram was down');
    await fromPhone;
    await this.sandbox.breakDown('bitrix24', 2000);
    const answer = this.exchange.answers(anna, 'Answered while Bitrix24 was down');
    await this.exchange.says(anna, 'Written while Bitrix24 was down');
    await answer;
  }

  private async blocked(anna: Party): Promise<void> {
    this.transcript.heading('The client blocks the bot and comes back');
    this.transcript.line('Telegram', anna.name, 'blocks', 'the bot');
    anna.client.blocks();
    await this.exchange.answersInVain(anna, 'Your parcel has arrived');
    this.transcript.line('Telegram', anna.name, 'unblocks', 'the bot');
    anna.client.unblocks();
    await this.exchange.says(anna, 'Sorry, wrong button!');
    await this.exchange.answers(anna, 'No problem. Your parcel is here.');
  }

  private async dealOf(olga: Party): Promise<void> {
    this.transcript.heading('A client comes by a link; a robot of the deal writes, and she presses a button');
    const { exchange } = this;
    const deals = new DealCards(this.sandbox);
    const code = await deals.linkCode();
    await exchange.sends(olga, `/start ${code}`, '🔗 The client came by the link: Spring sale', () =>
      olga.client.starts(code),
    );
    await exchange.says(olga, 'Is the sale still on?');
    const known = () => deals.of(olga.client)?.fields.map(({ name, value }) => `${name}=${value}`) ?? [];
    if (!(await exchange.until(() => known().length === 2)))
      exchange.fault(`The deal does not know where ${olga.name} came from: ${known().join(', ')}`);
    else this.transcript.line('Bitrix24', 'CRM', 'deal', known().join(', '));
    const began = performance.now();
    const run = deals.runRobot(olga.client);
    const words = 'Your order is ready. When shall we deliver it?';
    olga.toClient.push(words);
    await exchange.arrivesAtClient(olga, [words], began);
    if (!(await exchange.until(() => run.returned !== null && run.returned['status'] === 'delivered')))
      exchange.fault(`The process of the deal goes on with ${JSON.stringify(run.returned)}`);
    else this.transcript.line('Bitrix24', 'Robot', 'returns', 'delivered', `✓ ${since(began)}`);
    const asked = olga.client.inbox.at(-1)!;
    await exchange.sends(olga, '(presses Today)', '🔘 Pressed button: Today', () =>
      olga.client.pressesText(asked, 'Today'),
    );
  }

  private get handlerPath(): string {
    return `/b24/handler?secret=${this.sandbox.handlerSecret}`;
  }
}

const sentences = (sentence: string, length: number) =>
  sentence.repeat(Math.ceil(length / sentence.length)).slice(0, length - 1) + '!';

const sha256 = ({ content }: ShelvedFile) => createHash('sha256').update(content).digest('hex');
