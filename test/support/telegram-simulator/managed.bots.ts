import { randomBytes, randomInt } from 'node:crypto';
import type { ManagedBotUpdated, Update } from '@grammyjs/types';
import { badRequest } from './bot-api.error.js';
import type { CallParams } from './call.params.js';
import type { BotProfile, SimulatedBot } from './simulated.bot.js';
import type { ClientProfile } from './simulated.client.js';

/** Bots that one person may own (core.telegram.org/api/config, bots_create_limit_default). */
const OWNED_BOTS = 20;
/** Code points of a bot's name. */
const NAME_LENGTH = 64;
/** `is_allowed_username` (tdlib/td, td/telegram/misc.cpp). */
const RESERVED = /^(?:admin|telegram|support|security|settings|contacts|service|telegraph)/i;

/** What the person sees who opens a link `t.me/newbot/…`: both fields may be changed before "Create". */
export interface NewBotDialog {
  readonly manager: SimulatedBot;
  /** `''`: nothing is suggested. */
  readonly username: string;
  readonly name: string;
}

/** What the server does to its bots. */
interface Bots {
  all(): SimulatedBot[];
  add(profile: BotProfile): SimulatedBot;
  /** The old token is refused from now on. */
  replaceToken(bot: SimulatedBot, token: string): void;
}

interface Managed {
  readonly bot: SimulatedBot;
  readonly manager: SimulatedBot;
  owner: ClientProfile;
}

/** Bots that people make through a manager bot, without BotFather (core.telegram.org/api/bots/managed-bots). */
export class ManagedBots {
  private readonly managed = new Map<number, Managed>();

  constructor(private readonly bots: Bots) {}

  /** A person opens the link. Throws where their app says that the link leads nowhere. */
  open(link: string): NewBotDialog {
    const { protocol, host, pathname, searchParams } = new URL(link);
    const [, path, username, suggested = '', ...more] = pathname.split('/');
    const known = protocol === 'https:' && host === 't.me' && path === 'newbot' && more.length === 0;
    if (!known || !isUsername(username ?? '') || (suggested !== '' && !isUsername(suggested))) {
      throw new Error(`${link} is no link to make a bot`);
    }
    const manager = this.find(username!);
    if (!manager?.user.can_manage_bots) throw new Error(`@${username} does not manage bots`);
    return { manager, username: withSuffix(suggested), name: searchParams.get('name') ?? '' };
  }

  /**
   * The person presses "Create"; their app shows what is refused: the errors of bots.createBot
   * (core.telegram.org/method/bots.createBot). The manager hears of it by `managed_bot`.
   */
  create(
    owner: ClientProfile,
    { manager, ...suggested }: NewBotDialog,
    chosen: Partial<Pick<NewBotDialog, 'name' | 'username'>> = {},
  ): SimulatedBot {
    const { username, name } = { ...suggested, ...chosen };
    if (!manager.user.can_manage_bots) throw new Error('MANAGER_PERMISSION_MISSING');
    if (name.trim() === '' || [...name].length > NAME_LENGTH) throw new Error('NAME_INVALID');
    if (!isUsername(username) || username.length < 5 || RESERVED.test(username)) throw new Error('USERNAME_INVALID');
    if (!/bot$/i.test(username)) throw new Error('USERNAME_SUFFIX_MISSING');
    if (this.find(username)) throw new Error('USERNAME_OCCUPIED');
    const owned = [...this.managed.values()].filter((one) => one.owner.id === owner.id);
    if (owned.length >= OWNED_BOTS) throw new Error('BOT_CREATE_LIMIT_EXCEEDED');
    const bot = this.bots.add({ token: newToken(randomInt(1e9, 9e9)), username, firstName: name.trim() });
    this.managed.set(bot.id, { bot, manager, owner });
    this.tell(bot);
    return bot;
  }

  /** The owner takes another token at BotFather (/revoke). `unheard`: the manager was away for longer than a day. */
  ownerRevokes(bot: SimulatedBot, { unheard = false } = {}): void {
    this.bots.replaceToken(bot, newToken(bot.id));
    if (!unheard) this.tell(bot);
  }

  /** The owner gives the bot away. */
  changesOwner(bot: SimulatedBot, owner: ClientProfile): void {
    this.managedBot(bot.id).owner = owner;
    this.tell(bot);
  }

  /** The manager hears of the bot, or hears of it again. `undefined`: it takes no `managed_bot` updates. */
  tell(bot: SimulatedBot): Update | undefined {
    const { manager, owner } = this.managedBot(bot.id);
    const managed_bot: ManagedBotUpdated = { user: { ...owner, is_bot: false }, bot: userOf(bot) };
    return manager.deliver({ managed_bot });
  }

  /** `getManagedBotToken` */
  token(manager: SimulatedBot, params: CallParams): string {
    return this.asked(manager, params).profile.token;
  }

  /** `replaceManagedBotToken`: whoever has the old token is shut out. */
  newToken(manager: SimulatedBot, params: CallParams): string {
    const bot = this.asked(manager, params);
    this.bots.replaceToken(bot, newToken(bot.id));
    this.tell(bot);
    return bot.profile.token;
  }

  /** `get_user_id`, `check_user` (tdlib/telegram-bot-api, Client.cpp), `get_bot_data` (tdlib/td, UserManager.cpp). */
  private asked(manager: SimulatedBot, params: CallParams): SimulatedBot {
    const id = params.integer('user_id', 0, 0);
    if (id === 0) throw badRequest('invalid user_id specified');
    const bot = this.bots.all().find((one) => one.id === id);
    if (!bot) throw badRequest(manager.findClient(id) ? 'user is not a bot' : 'user not found');
    if (this.managed.get(id)?.manager !== manager) throw badRequest('BOT_INVALID');
    return bot;
  }

  private managedBot(id: number): Managed {
    const managed = this.managed.get(id);
    if (!managed) throw new Error(`bot ${id} is managed by none`);
    return managed;
  }

  /** As the dialog checks while it is typed (core.telegram.org/method/bots.checkUsername). */
  isOccupied(username: string): boolean {
    return this.find(username) !== undefined;
  }

  private find(username: string): SimulatedBot | undefined {
    return this.bots.all().find(({ profile }) => profile.username.toLowerCase() === username.toLowerCase());
  }
}

/** As BotFather makes them. */
const newToken = (botId: number) => `${botId}:${randomBytes(26).toString('base64url').slice(0, 35)}`;

/** `is_valid_username` (tdlib/td, td/telegram/misc.cpp). */
const isUsername = (name: string) => /^[A-Za-z](?!.*__)\w{0,30}[A-Za-z0-9]$/.test(name);

/** The app adds what is missing (tdlib/td, LinkManager.cpp, InternalLinkRequestManagedBot). */
const withSuffix = (username: string) => (/bot$/i.test(username) || username === '' ? username : `${username}bot`);

function userOf({ id, profile: { firstName, username } }: SimulatedBot) {
  return { id, is_bot: true, first_name: firstName, username };
}
