import type { BusinessBotRights, Chat, Update, UserFromGetMe, WebhookInfo } from '@grammyjs/types';
import { badRequest, BotApiError, forbidden, tooManyRequests } from './bot-api.error.js';
import { BotFiles } from './bot.files.js';
import { BusinessAccount } from './business.account.js';
import { CALLBACK_LIFETIME, CallbackQueries } from './callback.queries.js';
import type { CallParams } from './call.params.js';
import type { DeliveryJournal } from './delivery.journal.js';
import type { FileStore } from './file.store.js';
import type { FetchUrl } from './input.media.js';
import { LONG_POLL_LIMIT, LongPolling, type LongPollingConditions } from './long.polling.js';
import type { ManagedBots } from './managed.bots.js';
import { FloodControl, type SendLimits } from './send.limits.js';
import { SimulatedChat, type Membership } from './simulated.chat.js';
import { SimulatedClient, type ClientProfile } from './simulated.client.js';
import { SimulatedGroup, type GroupChat } from './simulated.group.js';
import {
  DEFAULT_UPDATE_TYPES,
  typeOfUpdate,
  UPDATE_TYPES,
  UpdateQueue,
  type QueuedUpdate,
  type UpdateType,
} from './update.queue.js';
import { WebhookActor } from './webhook.actor.js';
import {
  absoluteUrl,
  isSameWebhook,
  NO_WEBHOOK,
  readWebhookSettings,
  type HttpWebhooks,
  type WebhookSettings,
} from './webhook.settings.js';

/** Updates are kept for a day after the message's date. */
const UPDATE_LIFETIME = 86_400;

export interface BotProfile {
  /** `<bot id>:<secret>`, as BotFather hands it out. */
  readonly token: string;
  readonly username: string;
  readonly firstName: string;
  /** Privacy mode is off: the bot hears everything that is said in its groups. */
  readonly readsAllGroupMessages?: boolean;
  /** People may make bots through it: BotFather's "bot management mode". */
  readonly managesBots?: boolean;
}

export interface BotConditions extends LongPollingConditions {
  readonly limits: SendLimits | undefined;
  readonly webhookRetryScale: number;
  readonly httpWebhooks: HttpWebhooks;
  /** As a local Bot API server (`--local`). */
  readonly local: boolean;
  readonly store: FileStore;
  readonly fetchUrl: FetchUrl;
  readonly journal: DeliveryJournal;
  readonly managedBots: ManagedBots;
  /** Performs the method call a webhook's answer carried. */
  readonly perform: (bot: SimulatedBot, method: string, params: Record<string, unknown>) => void;
}

/** A result with the `description` that some methods add to it. */
export class Described {
  constructor(
    readonly result: unknown,
    readonly description: string,
  ) {}
}

/** One bot as the server sees it: its queue of updates, its webhook, its chats. */
export class SimulatedBot {
  readonly id: number;
  readonly files: BotFiles;
  readonly callbackQueries: CallbackQueries;
  commands: unknown[] = [];
  private readonly queue = new UpdateQueue();
  private readonly chatsById = new Map<number, SimulatedChat>();
  private readonly unopened = new Map<number, SimulatedChat>();
  private readonly clients = new Map<number, SimulatedClient>();
  private readonly groups = new Map<number, SimulatedGroup>();
  private readonly accounts = new Map<string, BusinessAccount>();
  private readonly flood: FloodControl | undefined;
  private readonly polling: LongPolling;
  private allowed: ReadonlySet<UpdateType> = new Set(DEFAULT_UPDATE_TYPES);
  private nextSetWebhookAt = -Infinity;
  private webhook: WebhookSettings = NO_WEBHOOK;
  private actor: WebhookActor | undefined;
  private lastError: { date: number; message: string } | undefined;

  constructor(
    public profile: BotProfile,
    private readonly conditions: BotConditions,
  ) {
    this.id = Number(profile.token.split(':')[0]);
    this.files = new BotFiles(this.id, conditions.store, conditions);
    this.callbackQueries = new CallbackQueries(this.id, () => this.unixTime);
    this.polling = new LongPolling(this.queue, conditions);
    this.flood = conditions.limits && new FloodControl(conditions.limits, conditions.now);
  }

  get user(): UserFromGetMe {
    return {
      id: this.id,
      is_bot: true,
      first_name: this.profile.firstName,
      username: this.profile.username,
      can_join_groups: true,
      can_read_all_group_messages: this.profile.readsAllGroupMessages ?? false,
      supports_inline_queries: false,
      can_connect_to_business: true,
      has_main_web_app: false,
      has_topics_enabled: false,
      allows_users_to_create_topics: false,
      can_manage_bots: this.profile.managesBots ?? false,
      supports_join_request_queries: false,
    };
  }

  get store(): FileStore {
    return this.conditions.store;
  }

  get journal(): DeliveryJournal {
    return this.conditions.journal;
  }

  get managedBots(): ManagedBots {
    return this.conditions.managedBots;
  }

  get fetchUrl(): FetchUrl {
    return this.conditions.fetchUrl;
  }

  get unixTime(): number {
    return Math.floor(this.conditions.now() / 1000);
  }

  // --- people and chats

  /** The person with this id; a second call changes the profile. */
  client(profile: ClientProfile): SimulatedClient {
    const known = this.clients.get(profile.id);
    if (known) {
      known.profile = { ...known.profile, ...profile };
      return known;
    }
    const client = new SimulatedClient(this, profile);
    this.clients.set(profile.id, client);
    return client;
  }

  findClient(userId: number): SimulatedClient | undefined {
    return this.clients.get(userId);
  }

  get chats(): SimulatedChat[] {
    return [...this.chatsById.values()];
  }

  findChat(chatId: number): SimulatedChat | undefined {
    return this.chatsById.get(chatId);
  }

  /** Throws when nobody has written there. */
  chat(chatId: number): SimulatedChat {
    const chat = this.chatsById.get(chatId);
    if (!chat) throw new Error(`bot ${this.id} has no chat ${chatId}`);
    return chat;
  }

  /** The client's chat, which the bot cannot use before {@link startChat}. */
  openPrivateChat(client: SimulatedClient): SimulatedChat {
    const known = this.chatsById.get(client.id) ?? this.unopened.get(client.id);
    if (known) return known;
    const { id, first_name, last_name, username } = client.profile;
    const chat = { id, type: 'private', first_name, ...(last_name && { last_name }), ...(username && { username }) };
    const opened = new SimulatedChat(chat as Chat.PrivateChat);
    this.unopened.set(id, opened);
    return opened;
  }

  /** The client's chat, which from now on the bot can write to. */
  startChat(client: SimulatedClient): SimulatedChat {
    const chat = this.openPrivateChat(client);
    this.unopened.delete(client.id);
    this.chatsById.set(client.id, chat);
    return chat;
  }

  /** The chat with this id, new when the bot has not heard of it. */
  openChat(chat: Chat): SimulatedChat {
    const known = this.chatsById.get(chat.id);
    if (known) return known;
    const opened = new SimulatedChat(chat);
    this.chatsById.set(chat.id, opened);
    return opened;
  }

  /** The group, forum or channel with this id; the bot is not in a new one yet. */
  group(chat: GroupChat): SimulatedGroup {
    const group = this.groups.get(chat.id) ?? new SimulatedGroup(this, chat);
    this.groups.set(chat.id, group);
    return group;
  }

  findGroup(chatId: number): SimulatedGroup | undefined {
    return this.groups.get(chatId);
  }

  /** The chat a call names, or 400. */
  resolveChat(params: CallParams): SimulatedChat {
    const name = params.text('chat_id').trim();
    if (name === '') throw badRequest('chat_id is empty');
    const chat = name.startsWith('@')
      ? this.chats.find(
          ({ chat }) => chat.type !== 'private' && chat.username?.toLowerCase() === name.slice(1).toLowerCase(),
        )
      : this.chatsById.get(Number(name));
    if (!chat) throw this.strangerError(Number(name));
    if (chat.migratedTo !== undefined) {
      const parameters = { migrate_to_chat_id: chat.migratedTo };
      throw new BotApiError(400, 'Bad Request: group chat was upgraded to a supergroup chat', parameters);
    }
    return chat;
  }

  /** A user whom the bot knows only as a client of a business account is no stranger, but did not write to the bot. */
  private strangerError(chatId: number): BotApiError {
    const known = [...this.accounts.values()].some((account) => account.knows(chatId));
    return known ? forbidden("bot can't initiate conversation with a user") : badRequest('chat not found');
  }

  /** Counts messages that go out together against the limits: 429 when there are too many. */
  admitMessages(chatId: number, count: number): void {
    this.flood?.admit(chatId, count);
  }

  // --- Telegram Business

  /** The owner of an account lets the bot answer in its name, with every right unless told otherwise. */
  connectBusiness(owner: ClientProfile, rights?: BusinessBotRights): BusinessAccount {
    const account = new BusinessAccount(this, this.client(owner), rights, this.findBusinessAccount(owner.id));
    this.accounts.set(account.id, account);
    this.startChat(account.owner);
    account.announce();
    return account;
  }

  findBusinessAccount(ownerId: number): BusinessAccount | undefined {
    return [...this.accounts.values()].findLast(({ owner }) => owner.id === ownerId);
  }

  /** The account whose connection a call names, or 400. */
  businessAccount(params: CallParams): BusinessAccount {
    const account = this.accounts.get(params.text('business_connection_id'));
    if (!account) throw badRequest('business connection not found');
    return account;
  }

  // --- updates

  /** Updates that were neither confirmed by a poll nor delivered to the webhook. */
  get pendingUpdates(): Update[] {
    this.queue.expire(this.unixTime);
    return this.queue.entries().map(({ update }) => update);
  }

  /** The last offset that getUpdates named and the server believed; 0 before the first. */
  get confirmedOffset(): number {
    return this.polling.confirmedOffset;
  }

  get allowedUpdates(): UpdateType[] {
    return [...this.allowed];
  }

  /**
   * Puts an update of any kind into the queue, e.g. of a group. A message in it is kept in its chat, so that the bot
   * can answer there; `my_chat_member` changes what the bot may do. An `update_id` of its own moves the numbering.
   * `undefined`: the bot has not subscribed to this kind.
   */
  pushUpdate(content: Omit<Update, 'update_id'> & { update_id?: number }): Update | undefined {
    const message = content.message ?? content.edited_message ?? content.channel_post ?? content.edited_channel_post;
    if (message) this.openChat(message.chat).keep(message);
    if (content.my_chat_member) {
      const { chat, new_chat_member } = content.my_chat_member;
      this.openChat(chat).membership = membershipOf(new_chat_member.status);
    }
    return this.deliver(content);
  }

  /** Queues an update whose effects on the chats are already there. */
  deliver(content: Omit<Update, 'update_id'> & { update_id?: number }): Update | undefined {
    if (!this.allowed.has(typeOfUpdate(content))) return undefined;
    const queued = this.queue.push(content, this.expiryOf(content));
    this.actor?.offer(queued);
    this.polling.wake();
    return queued.update;
  }

  private expiryOf(content: Omit<Update, 'update_id'>): number {
    if (content.callback_query) return this.unixTime + CALLBACK_LIFETIME;
    const message = content.message ?? content.edited_message ?? content.channel_post ?? content.edited_channel_post;
    return (message?.date ?? this.unixTime) + UPDATE_LIFETIME;
  }

  // --- getUpdates and webhook

  /** Rejects with 409 while a webhook is set, or when a newer poll or setWebhook takes over from a waiting one. */
  async getUpdates(params: CallParams): Promise<Update[]> {
    if (this.webhook.url !== '') {
      throw await this.polling.conflictError(
        "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
      );
    }
    this.subscribe(params);
    const limit = params.integer('limit', 100, 1, 100);
    return this.polling.getUpdates(
      params.integer('offset', 0),
      limit,
      params.integer('timeout', 0, 0, LONG_POLL_LIMIT),
    );
  }

  get webhookInfo(): WebhookInfo {
    this.queue.expire(this.unixTime);
    const { url, hasCertificate, ipAddress, maxConnections } = this.webhook;
    const standard =
      this.allowed.size === DEFAULT_UPDATE_TYPES.length && DEFAULT_UPDATE_TYPES.every((type) => this.allowed.has(type));
    return {
      url,
      has_custom_certificate: hasCertificate,
      pending_update_count: this.queue.size,
      ...(url !== '' && { max_connections: maxConnections, ...(ipAddress !== '' && { ip_address: ipAddress }) }),
      ...(this.lastError && { last_error_date: this.lastError.date, last_error_message: this.lastError.message }),
      ...(!standard && { allowed_updates: this.allowedUpdates }),
    };
  }

  setWebhook(params: CallParams): Described {
    if (!params.has('url')) return this.deleteWebhook(params);
    this.brakeSetWebhook();
    const webhook = readWebhookSettings(params, this.conditions.httpWebhooks);
    const drop = params.flag('drop_pending_updates');
    this.subscribe(params);
    if (!drop && isSameWebhook(webhook, this.webhook)) {
      return new Described(true, 'Webhook is already set');
    }
    this.polling.terminate('terminated by setWebhook request');
    this.replaceWebhook(webhook, drop);
    return new Described(true, 'Webhook was set');
  }

  deleteWebhook(params: CallParams): Described {
    const drop = params.flag('drop_pending_updates');
    const wasSet = this.webhook.url !== '';
    this.replaceWebhook(NO_WEBHOOK, drop);
    return new Described(true, wasSet ? 'Webhook was deleted' : 'Webhook is already deleted');
  }

  /** setWebhook may be called once a second. */
  private brakeSetWebhook(): void {
    const now = this.conditions.now();
    if (this.conditions.brakes && now < this.nextSetWebhookAt) throw tooManyRequests(1);
    this.nextSetWebhookAt = now + 1000;
  }

  private replaceWebhook(webhook: WebhookSettings, drop: boolean): void {
    this.actor?.close();
    this.actor = undefined;
    this.webhook = webhook;
    this.lastError = undefined;
    if (drop) this.queue.clear();
    this.queue.expire(this.unixTime);
    if (webhook.url !== '') this.startActor(webhook);
  }

  private startActor(webhook: WebhookSettings): void {
    const forget = ({ update }: QueuedUpdate) => this.queue.forget(update.update_id);
    const events = {
      delivered: forget,
      expired: forget,
      failed: (message: string) => {
        this.lastError = { date: this.unixTime, message };
      },
      gone: () => this.replaceWebhook(NO_WEBHOOK, false),
      replied: (method: string, params: Record<string, unknown>) => this.conditions.perform(this, method, params),
      now: () => this.unixTime,
    };
    const target = { ...webhook, url: absoluteUrl(webhook.url) };
    this.actor = new WebhookActor(target, this.queue.entries(), events, this.conditions.webhookRetryScale);
  }

  /** Sticky: a call that does not name `allowed_updates` leaves them as they are; unknown names are passed over. */
  private subscribe(params: CallParams): void {
    const value = params.json('allowed_updates', 'allowed updates');
    if (!Array.isArray(value)) return;
    const known = UPDATE_TYPES.filter((type) => value.includes(type));
    this.allowed = new Set(known.length > 0 ? known : DEFAULT_UPDATE_TYPES);
  }

  /** Ends every waiting poll and delivery. */
  stop(): void {
    this.polling.stop();
    this.actor?.close();
    this.actor = undefined;
  }
}

function membershipOf(status: string): Membership {
  return status === 'kicked' || status === 'left' ? status : 'member';
}
