import type { IncomingMessage, ServerResponse } from 'node:http';
import { BotApiError } from './bot-api.error.js';
import { readBody } from './call.params.js';
import { businessRoutes } from './control.business.js';
import { groupRoutes } from './control.groups.js';
import {
  at,
  contentOf,
  ControlNotFound,
  decoded,
  listMessages,
  type ControlBody,
  type RoutedControl,
} from './control.routes.js';
import type { SimulatedBot } from './simulated.bot.js';
import type { SimulatedChat } from './simulated.chat.js';
import type { ClientProfile, SimulatedClient } from './simulated.client.js';

/**
 * The client's side of the simulator over HTTP, for a page or a test in another process. JSON both ways; errors are
 * `{error}` with 404 (no such bot, chat or route) or 400 (what a client cannot do).
 *
 * | | |
 * |---|---|
 * | `GET /control/bots` | bots: id, username, first name, webhook |
 * | `GET /control/chats`, `GET /control/bots/:botId/chats` | chats with the number of messages and the chat action |
 * | `GET /control[/bots/:botId]/chats/:chatId/messages?after=<message id>` | both sides of the conversation |
 * | `POST /control/bots/:botId/clients/:userId/messages` | the client sends `{text}` or other fields of Message; `client` in the body sets the profile |
 * | | `{kind, file?: {base64? or bytes?, fileName?, …}, caption?}` sends a file, `{album: [{kind, caption?, …file}]}` an album, `{reply_to, text}` a reply |
 * | `PATCH …/messages/:messageId` | the client edits: `{text}`, `{kind, file}`; an empty body is an edit that shows nothing |
 * | `POST …/clients/:userId/start` | the client opens the bot by a link: `{payload?}` |
 * | `POST …/clients/:userId/photo` | the client sets a profile photo: `{file?}` |
 * | `POST …/messages/:messageId/reaction` | the client reacts: `{emoji?}` |
 * | `POST …/messages/:messageId/press` | the client presses a button: `{data}` |
 * | `POST …/clients/:userId/phone` | the client shares the number that a button asks for |
 * | `POST …/clients/:userId/block`, `…/unblock` | the client blocks the bot and takes it back |
 *
 * Groups: {@link groupRoutes}; Telegram Business: {@link businessRoutes}.
 */
export class ControlApi {
  private readonly routes: readonly RoutedControl[];

  constructor(private readonly bots: () => SimulatedBot[]) {
    const client = '/bots/:botId/clients/:userId';
    this.routes = [
      at('GET', '/bots', () => ({ bots: this.bots().map(describeBot) })),
      at('GET', '/chats', () => ({ chats: this.bots().flatMap(describeChats) })),
      at('GET', '/chats/:chatId/messages', (path, _body, query) => listMessages(this.findChat(path), query)),
      at('GET', '/bots/:botId/chats', (path) => ({ chats: describeChats(this.bot(path)) })),
      at('GET', '/bots/:botId/chats/:chatId/messages', (path, _body, query) =>
        listMessages(this.chatOf(this.bot(path), path), query),
      ),
      at('POST', `${client}/messages`, (path, body) => this.sends(path, body)),
      at('PATCH', `${client}/messages/:messageId`, (path, body) => this.edits(path, body)),
      at('POST', `${client}/start`, (path, { client, payload }) => this.client(path, client ?? {}).starts(payload)),
      at('POST', `${client}/photo`, (path, { file }) =>
        this.client(path).setsProfilePhoto(decoded(file ?? {}).content),
      ),
      at('POST', `${client}/messages/:messageId/reaction`, (path, { emoji }) =>
        this.client(path).reacts(Number(path['messageId']), emoji as Parameters<SimulatedClient['reacts']>[1]),
      ),
      at('POST', `${client}/messages/:messageId/press`, (path, { data = '' }) =>
        this.client(path).presses(Number(path['messageId']), data),
      ),
      at('POST', `${client}/phone`, (path) => this.client(path).sharesPhone()),
      at('POST', `${client}/block`, (path) => this.client(path).blocks()),
      at('POST', `${client}/unblock`, (path) => this.client(path).unblocks()),
      ...groupRoutes((path) => this.bot(path)),
      ...businessRoutes((path) => this.bot(path)),
    ];
  }

  /** `url` starts with `/control`. */
  async handle(request: IncomingMessage, response: ServerResponse, url: string): Promise<void> {
    const { status, body } = await this.answer(request, url).catch(describeError);
    const text = JSON.stringify(body);
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET, POST, PATCH',
      'access-control-allow-headers': 'content-type',
    });
    response.end(text);
  }

  private async answer(request: IncomingMessage, url: string): Promise<{ status: number; body: unknown }> {
    if (request.method === 'OPTIONS') return { status: 200, body: {} };
    const { pathname, searchParams } = new URL(url, 'http://control');
    for (const { method, pattern, route } of this.routes) {
      const match = pattern.exec(pathname);
      if (!match || method !== request.method) continue;
      const text = (await readBody(request)).toString('utf8');
      const body = text === '' ? {} : (JSON.parse(text) as ControlBody);
      return { status: 200, body: route({ ...match.groups }, body, searchParams) ?? {} };
    }
    throw new ControlNotFound(`${request.method} ${pathname}`);
  }

  private sends(path: Record<string, string>, { client: profile, album, reply_to, ...body }: ControlBody) {
    const client = this.client(path, profile ?? {});
    if (album) return client.sendsAlbum(album.map(decoded), body);
    const sent = contentOf(this.bot(path), body);
    return reply_to === undefined ? client.sendsMessage(sent) : client.replies(reply_to, sent);
  }

  private edits(path: Record<string, string>, { text, kind, file, ...content }: ControlBody) {
    const client = this.client(path);
    const messageId = Number(path['messageId']);
    if (kind) return client.editsFile(messageId, kind, decoded(file ?? {}), content);
    return text === undefined ? client.editsInvisibly(messageId) : client.edits(messageId, text);
  }

  private bot({ botId }: Record<string, string>): SimulatedBot {
    const bot = this.bots().find(({ id }) => id === Number(botId));
    if (!bot) throw new ControlNotFound(`bot ${botId}`);
    return bot;
  }

  private client(path: Record<string, string>, profile?: Partial<ClientProfile>): SimulatedClient {
    const bot = this.bot(path);
    const id = Number(path['userId']);
    const known = bot.findClient(id);
    if (known && !profile) return known;
    const name = known?.profile.first_name ?? `Client ${id}`;
    return bot.client({ first_name: name, ...profile, id });
  }

  private findChat(path: Record<string, string>): SimulatedChat {
    const bot = this.bots().find((one) => one.findChat(Number(path['chatId'])));
    if (!bot) throw new ControlNotFound(`chat ${path['chatId']}`);
    return this.chatOf(bot, path);
  }

  private chatOf(bot: SimulatedBot, { chatId }: Record<string, string>): SimulatedChat {
    const chat = bot.findChat(Number(chatId));
    if (!chat) throw new ControlNotFound(`chat ${chatId}`);
    return chat;
  }
}

const describeBot = (bot: SimulatedBot) => ({
  id: bot.id,
  username: bot.profile.username,
  first_name: bot.profile.firstName,
  webhook: bot.webhookInfo,
});

const describeChats = (bot: SimulatedBot) =>
  bot.chats.map((chat) => ({
    bot_id: bot.id,
    chat: chat.chat,
    membership: chat.membership,
    action: chat.action ?? null,
    message_count: chat.messages.length,
    last_message: chat.messages.at(-1) ?? null,
  }));

function describeError(error: unknown): { status: number; body: { error: string } } {
  const text = error instanceof BotApiError ? error.description : (error as Error).message;
  return { status: error instanceof ControlNotFound ? 404 : 400, body: { error: text } };
}
