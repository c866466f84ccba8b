import { Injectable } from '@nestjs/common';
import { Environment } from '../../config/environment.js';
import { RelayEvents } from '../../relay/relay-events.js';
import {
  BotRequestsRepository,
  type PlacedRequest,
  type SpareBot,
  type StartOutcome,
} from '../../storage/accounts/bot-requests.repository.js';
import { ManagerRepliesRepository } from '../../storage/accounts/manager-replies.repository.js';
import { DatabaseService, type Queryable } from '../../storage/postgres/database.service.js';
import { choiceData, type ManagerEvent, type NamedBot, type Person } from './manager-update.parser.js';
import { place, say } from './manager.words.js';

type Keyboard = ({ text: string; url: string } | { text: string; callback_data: string })[][];
/** Parameters of sendMessage. */
interface Words {
  text: string;
  reply_markup?: { inline_keyboard: Keyboard };
}

/** One update of the manager bot. */
export interface Heard {
  updateId: number;
  event: ManagerEvent;
  /** User name of the bot that heard it. */
  manager: string;
}

/**
 * Decides what becomes of what the manager bot hears: whose request a press of Start is, and for which request a new bot
 * was made. That and what is to be said about it are committed together; hearing the same once more does no harm.
 */
@Injectable()
export class ManagerDesk {
  constructor(
    private readonly requests: BotRequestsRepository,
    private readonly replies: ManagerRepliesRepository,
    private readonly db: DatabaseService,
    private readonly events: RelayEvents,
    private readonly environment: Environment,
  ) {}

  /** What the button shows that was pressed; null: none was. */
  async handle({ updateId, event, manager }: Heard): Promise<string | null> {
    const { person } = event;
    const cause = `update:${updateId}`;
    const toast = await this.db.transaction(async (connection) => {
      const say = (message: Words | null, options: { unlessWaiting?: boolean } = {}) =>
        message === null
          ? Promise.resolve()
          : this.replies.keep(
              { managerId: this.managerId, cause, personId: person.id, message },
              { connection, ...options },
            );
      switch (event.kind) {
        case 'words':
          await say(hello(person), { unlessWaiting: true });
          return null;
        case 'start':
          await say(event.code === null ? hello(person) : await this.start(connection, person, event.code, manager));
          return null;
        case 'made':
          await say(await this.made(connection, person, event.bot));
          return null;
        case 'press':
          return this.choose(connection, event);
      }
    });
    // Somebody may wait for any of it: a token, a bot that is to be connected, an answer.
    this.events.emit('managedBots');
    return toast;
  }

  private async start(connection: Queryable, person: Person, code: string, manager: string): Promise<Words> {
    const started = await this.requests.start(connection, code, { ...person, managerId: this.managerId });
    return startReply(person, started, manager);
  }

  private async made(connection: Queryable, person: Person, bot: NamedBot): Promise<Words | null> {
    const made = { ...bot, ownerId: person.id, managerId: this.managerId };
    const result = await this.requests.made(connection, made);
    const { language } = person;
    const name = nameOf(bot, person);
    if (result.outcome === 'spare') return { text: say(language, 'spare', { bot: name }) };
    if (result.outcome !== 'unclear') return null;
    const keyboard = result.requests.map((request) => [
      { text: place(language, request), callback_data: choiceData(request.id, bot.telegramId) },
    ]);
    return withKeyboard(say(language, 'whichLine', { bot: name }), keyboard);
  }

  private async choose(
    connection: Queryable,
    { person, choice }: Extract<ManagerEvent, { kind: 'press' }>,
  ): Promise<string> {
    const { requestId, botTelegramId } = choice ?? {};
    const isChosen =
      requestId !== undefined &&
      botTelegramId !== undefined &&
      (await this.requests.choose(connection, { id: person.id, managerId: this.managerId }, requestId, botTelegramId));
    return say(person.language, isChosen ? 'connecting' : 'tooLate');
  }

  private get managerId(): bigint {
    return this.environment.managerBotId!;
  }
}

function startReply(person: Person, started: StartOutcome, manager: string): Words {
  const { language } = person;
  if (started.outcome !== 'started') return { text: say(language, started.outcome) };
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
  return withKeyboard(text, keyboard);
}

/** Opens the dialog that makes a bot, filled in (tdlib/td, td/telegram/LinkManager.cpp, parse_t_me_link_query). */
function newBotLink(manager: string, { name, username }: PlacedRequest): string {
  return `https://t.me/newbot/${manager}/${username}?name=${encodeURIComponent(name)}`;
}

const nameOf = ({ username }: Pick<SpareBot, 'username'>, { language }: Person) =>
  username === null ? say(language, 'thisBot') : `@${username}`;

const hello = ({ language }: Person): Words => ({ text: say(language, 'hello') });

const withKeyboard = (text: string, inline_keyboard: Keyboard): Words => ({ text, reply_markup: { inline_keyboard } });
