import { Injectable } from '@nestjs/common';
import { Environment } from '../../config/environment.js';
import { RelayEvents } from '../../relay/relay-events.js';
import {
  BotRequestsRepository,
  type PlacedRequest,
  type SpareBot,
  type StartOutcome,
} from '../../storage/accounts/bot-requests.repository.js';
import type { BotCalls } from '../api/bot-api.js';
import { choiceData, type ManagerEvent, type NamedBot, type Person } from './manager-update.parser.js';
import { place, say } from './manager.words.js';

/** Calls that answer a person. */
export type Replies = ((calls: BotCalls) => Promise<unknown>)[];

type Keyboard = ({ text: string; url: string } | { text: string; callback_data: string })[][];

/**
 * Decides what becomes of what the manager bot hears: whose request a press of Start is, and for which request a new bot
 * was made. All of it is kept when {@link handle} resolves; hearing the same once more does no harm.
 */
@Injectable()
export class ManagerDesk {
  constructor(
    private readonly requests: BotRequestsRepository,
    private readonly events: RelayEvents,
    private readonly environment: Environment,
  ) {}

  /** @param manager user name of the bot that heard it */
  async handle(event: ManagerEvent, manager: string): Promise<Replies> {
    const { person } = event;
    switch (event.kind) {
      case 'start':
        return event.code === null
          ? [message(person, say(person.language, 'hello'))]
          : this.start(person, event.code, manager);
      case 'made':
        return this.made(person, event.bot);
      case 'press':
        return [answer(event.queryId, await this.choose(event))];
      case 'words':
        return [message(person, say(person.language, 'hello'))];
    }
  }

  private async start(person: Person, code: string, manager: string): Promise<Replies> {
    const started = await this.requests.start(code, { ...person, managerId: this.managerId });
    return [startReply(person, started, manager)];
  }

  private async made(person: Person, bot: NamedBot): Promise<Replies> {
    const result = await this.requests.made({ ...bot, ownerId: person.id, managerId: this.managerId });
    const { language } = person;
    const name = nameOf(bot, person);
    if (result.outcome === 'taken' || result.outcome === 'known') this.events.emit('managedBots');
    if (result.outcome === 'spare') return [message(person, say(language, 'spare', { bot: name }))];
    if (result.outcome !== 'unclear') return [];
    const keyboard = result.requests.map((request) => [
      { text: place(language, request), callback_data: choiceData(request.id, bot.telegramId) },
    ]);
    return [message(person, say(language, 'whichLine', { bot: name }), keyboard)];
  }

  private async choose({ person, choice }: Extract<ManagerEvent, { kind: 'press' }>): Promise<string> {
    const { requestId, botTelegramId } = choice ?? {};
    const chosen =
      requestId !== undefined &&
      botTelegramId !== undefined &&
      (await this.requests.choose({ id: person.id, managerId: this.managerId }, requestId, botTelegramId));
    if (chosen) this.events.emit('managedBots');
    return say(person.language, chosen ? 'connecting' : 'tooLate');
  }

  private get managerId(): bigint {
    return this.environment.managerBotId!;
  }
}

function startReply(person: Person, started: StartOutcome, manager: string): Replies[number] {
  const { language } = person;
  if (started.outcome !== 'started') return message(person, say(language, started.outcome));
  const { request, spares } = started;
  const words = say(language, 'makeIt', { place: place(language, request) });
  const keyboard: Keyboard = [
    [{ text: say(language, 'make'), url: newBotLink(manager, request) }],
    ...spares.map((spare) => [
      {
        text: say(language, 'take', { bot: nameOf(spare, person) }),
        callback_data: choiceData(request.id, spare.telegramId),
      },
    ]),
  ];
  const text = spares.length === 0 ? words : `${words}\n\n${say(language, 'orTake')}`;
  return message(person, text, keyboard);
}

/** Opens the dialog that makes a bot, filled in (tdlib/td, td/telegram/LinkManager.cpp, parse_t_me_link_query). */
function newBotLink(manager: string, { name, username }: PlacedRequest): string {
  return `https://t.me/newbot/${manager}/${username}?name=${encodeURIComponent(name)}`;
}

const nameOf = ({ username }: Pick<SpareBot, 'username'>, { language }: Person) =>
  username === null ? say(language, 'thisBot') : `@${username}`;

function message({ id }: Person, text: string, keyboard?: Keyboard): Replies[number] {
  const markup = keyboard && { reply_markup: { inline_keyboard: keyboard } };
  return (calls) => calls.sendMessage({ chat_id: Number(id), text, ...markup });
}

function answer(queryId: string, text: string): Replies[number] {
  return (calls) => calls.answerCallbackQuery({ callback_query_id: queryId, text });
}
