import { Injectable, type OnModuleInit } from '@nestjs/common';
import { bitrixError } from '../../bitrix/bitrix-problems.js';
import { elementsOf } from '../../bitrix/php-values.reader.js';
import { RestClient } from '../../bitrix/rest.client.js';
import { Problem } from '../../common/problem.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { ClaimedRequest, RequestOutcome } from '../../storage/crm/send-requests.repository.js';
import { insteadOf, unlessGone, type Feature } from '../features/feature.js';
import { PortalFeatures } from '../features/portal-features.service.js';
import { Addressees } from '../requests/addressees.service.js';
import { PortalPosts } from '../requests/portal-posts.js';
import type { RequestSource, RequestStep } from '../requests/request-sources.js';
import { SendRequests } from '../requests/send-requests.service.js';
import { parseSmsPost, type SmsPost } from './sms-post.parser.js';

/** Where portals post. */
export const SMS_PATH = '/b24/sms';

/** The row of an SMS that was sent past the queue is made after the post, within moments; milliseconds. */
const ROW_COMES_MS = [1_000, 5_000, 30_000];

/** Of our senders: one a bot. */
const CODE = /^tg_bot_(\d{1,18})$/;
const codeOf = (botId: bigint) => `tg_bot_${botId}`;

/** What is kept of a post until it is done. */
type Asked = Omit<SmsPost, 'messageId'>;

interface Sender {
  code: string;
  name: string;
  handler: string;
}

/**
 * Bots as senders of the portal's message service: whatever sends an SMS in the CRM reaches clients in Telegram who are
 * known by their dialog or their number. Of the others the portal hears at once that nothing was delivered.
 */
@Injectable()
export class MessageService implements RequestSource, Feature, OnModuleInit {
  readonly source = 'sms';
  readonly name = 'sms';
  readonly scopes = ['messageservice'];

  constructor(
    private readonly rest: RestClient,
    private readonly bots: BotsRepository,
    private readonly posts: PortalPosts,
    private readonly requests: SendRequests,
    private readonly features: PortalFeatures,
    private readonly addressees: Addressees,
  ) {}

  onModuleInit(): void {
    this.requests.register(this);
    this.features.register(this);
  }

  /** Resolves once the post is committed; a stuck row comes again with its id. Throws {@link Problem} 400, 403. */
  async accept(secret: string, body: unknown): Promise<void> {
    const portal = await this.posts.sender(secret, SMS_PATH, body);
    const post = parseSmsPost(body);
    if (!post) throw new Problem(400, 'event_malformed', 'This address takes posts of the message service only.');
    const { messageId, ...asked } = post;
    await this.requests.receive({
      portalId: portal.id,
      source: this.source,
      key: `${post.code}/${messageId}`,
      payload: asked satisfies Asked,
      report: { code: post.code, messageId },
    });
  }

  async carryOut(portal: PortalRecord, { payload }: ClaimedRequest): Promise<RequestStep> {
    const { code, text, phone, entities, isMailing } = payload as unknown as Asked;
    const botId = CODE.exec(code)?.[1];
    if (!botId || text.trim() === '' || !(await this.features.isWanted(portal.id, this.name))) {
      return { outcome: { status: 'failed' } };
    }
    const chatId = await this.addressees.findByNumber(portal, phone, entities, BigInt(botId));
    if (chatId === null) return { outcome: { status: 'no_chat' } };
    return { send: { chatId, words: { text, marks: [] }, bulk: isMailing } };
  }

  async report(portal: PortalRecord, { report, attempt }: ClaimedRequest, outcome: RequestOutcome): Promise<void> {
    const params = { CODE: report['code'], MESSAGE_ID: report['messageId'], STATUS: statusOf(outcome) };
    try {
      await this.rest.call(portal.id, 'messageservice.message.status.update', params);
    } catch (error) {
      const delayMs = ROW_COMES_MS[attempt - 1];
      const isEarly = error instanceof UpstreamError && error.code === 'ERROR_MESSAGE_NOT_FOUND';
      if (!isEarly || delayMs === undefined) throw error;
      throw bitrixError('not_sent', error.code, error.detail, 'message', delayMs);
    }
  }

  wish(portal: PortalRecord): Promise<unknown> {
    return this.sendersOf(portal);
  }

  async register(portal: PortalRecord, changed: boolean): Promise<void> {
    const senders = await this.sendersOf(portal);
    const known = await this.registered(portal);
    for (const sender of senders) {
      const isKnown = known.includes(sender.code);
      if (isKnown && !changed) continue;
      if (isKnown) await this.update(portal, sender);
      else await this.add(portal, sender);
    }
    // Bots that serve another portal by now.
    await this.delete(
      portal,
      known.filter((code) => !senders.some((sender) => sender.code === code)),
    );
  }

  async withdraw(portal: PortalRecord): Promise<void> {
    await this.delete(portal, await this.registered(portal));
  }

  private async sendersOf(portal: PortalRecord): Promise<Sender[]> {
    const bots = await this.bots.listByPortal(portal.id);
    const handler = this.posts.address(portal, SMS_PATH);
    return bots.map(({ id, username, name }) => {
      const called = username ? `@${username}` : (name ?? '');
      return { code: codeOf(id), name: `Telegram ${called}`.trim(), handler };
    });
  }

  /** Ours alone. */
  private async registered(portal: PortalRecord): Promise<string[]> {
    const { result } = await this.rest.call<unknown>(portal.id, 'messageservice.sender.list');
    return elementsOf(result).filter((code): code is string => typeof code === 'string' && CODE.test(code));
  }

  /** Another process may have been faster. */
  private async add(portal: PortalRecord, sender: Sender): Promise<void> {
    const addition = this.rest.call(portal.id, 'messageservice.sender.add', { ...fieldsOf(sender), TYPE: 'SMS' });
    await insteadOf('ERROR_SENDER_ALREADY_INSTALLED', addition, () =>
      this.rest.call(portal.id, 'messageservice.sender.update', fieldsOf(sender)),
    );
  }

  /** Somebody may have taken it away since it was listed. */
  private async update(portal: PortalRecord, sender: Sender): Promise<void> {
    const update = this.rest.call(portal.id, 'messageservice.sender.update', fieldsOf(sender));
    await insteadOf('ERROR_SENDER_NOT_FOUND', update, () =>
      this.rest.call(portal.id, 'messageservice.sender.add', { ...fieldsOf(sender), TYPE: 'SMS' }),
    );
  }

  private async delete(portal: PortalRecord, codes: string[]): Promise<void> {
    for (const code of codes) {
      const deletion = this.rest.call(portal.id, 'messageservice.sender.delete', { CODE: code });
      await unlessGone(deletion, (refusal) => refusal.code === 'ERROR_SENDER_NOT_FOUND');
    }
  }
}

const fieldsOf = ({ code, name, handler }: Sender) => ({ CODE: code, NAME: name, HANDLER: handler });

/** Nobody to write to is `undelivered`, so that another way can follow; what nobody knows stays sent. */
function statusOf({ status }: RequestOutcome): string {
  if (status === 'delivered') return 'delivered';
  if (status === 'uncertain') return 'sent';
  return status === 'no_chat' ? 'undelivered' : 'failed';
}
