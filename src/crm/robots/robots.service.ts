import { createHash } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { bitrixError } from '../../bitrix/bitrix-problems.js';
import { elementsOf, isYes } from '../../bitrix/php-values.reader.js';
import { RestClient } from '../../bitrix/rest.client.js';
import { languageOf } from '../../common/language.js';
import { Problem } from '../../common/problem.js';
import { DeliveryProblems } from '../../relay/delivery-problems.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { ClaimedRequest, RequestOutcome } from '../../storage/crm/send-requests.repository.js';
import type { Keyboard } from '../../storage/work/keyboard.js';
import { insteadOf, unlessGone, type Feature } from '../features/feature.js';
import { PortalFeatures } from '../features/portal-features.service.js';
import { Addressees } from '../requests/addressees.service.js';
import { PortalPosts } from '../requests/portal-posts.js';
import type { RequestSource, RequestStep } from '../requests/request-sources.js';
import { SendRequests } from '../requests/send-requests.service.js';
import { linkItem, LinksService } from '../links/links.service.js';
import { ANSWER_MINUTES, INVITATION, robotFields, ROBOTS, SEND_MESSAGE, WAIT_ANSWER } from './robot-definitions.js';
import { writtenMessage } from '../requests/written-message.js';
import { parseRobotPost, type RobotPost } from './robot-post.parser.js';
import { logLine, robotResults } from './robot-results.js';

/** Where portals post. */
export const ROBOTS_PATH = '/b24/robots';

const MINUTE_MS = 60_000;
const YEAR_MINUTES = 525_600;

/** What is kept of a post until it is done. */
type Asked = Pick<RobotPost, 'code' | 'document' | 'properties' | 'timeoutSeconds'>;

/**
 * Robots of the CRM and activities of business processes. A post of theirs comes once: it is kept, and only then answered;
 * the process that waits gets a result whatever became of it.
 */
@Injectable()
export class Robots implements RequestSource, Feature, OnModuleInit {
  readonly source = 'robot';
  readonly name = 'robots';
  readonly scopes = ['bizproc'];

  constructor(
    private readonly rest: RestClient,
    private readonly posts: PortalPosts,
    private readonly requests: SendRequests,
    private readonly features: PortalFeatures,
    private readonly addressees: Addressees,
    private readonly links: LinksService,
    private readonly problems: DeliveryProblems,
  ) {}

  onModuleInit(): void {
    this.requests.register(this);
    this.features.register(this);
  }

  /** Resolves once the post is committed; the second one with its token is no error. Throws {@link Problem} 400, 403. */
  async accept(secret: string, body: unknown): Promise<void> {
    const portal = await this.posts.sender(secret, ROBOTS_PATH, body);
    const post = parseRobotPost(body);
    if (!post) throw new Problem(400, 'event_malformed', 'This address takes posts of robots only.');
    const { eventToken, workflowId, waits, ...asked } = post;
    await this.requests.receive({
      portalId: portal.id,
      source: this.source,
      key: digest(eventToken),
      process: digest(workflowId),
      payload: asked satisfies Asked,
      // Nobody listens to what comes after a robot that nobody waits for.
      report: waits ? { eventToken } : {},
    });
  }

  async carryOut(portal: PortalRecord, { payload, createdAt }: ClaimedRequest): Promise<RequestStep> {
    const asked = payload as unknown as Asked;
    if (!(await this.features.isWanted(portal.id, this.name))) return failed('off');
    if (asked.code === SEND_MESSAGE) return this.sendMessage(portal, asked);
    if (asked.code === WAIT_ANSWER) return this.waitForAnswer(portal, asked, createdAt);
    if (asked.code === INVITATION) return this.makeInvitation(portal, asked);
    return failed('unknown_robot');
  }

  private async sendMessage(portal: PortalRecord, asked: Asked): Promise<RequestStep> {
    const message = writtenMessage(asked.properties, new URL(portal.clientEndpoint).origin);
    if (!message) return failed('no_text');
    const asksPhone = isYes(asked.properties['ask_phone']);
    if (asksPhone && message.keyboard) return failed('phone_and_buttons');
    const found = await this.chatOf(portal, asked);
    if (typeof found !== 'bigint') return found;
    const { words, files } = message;
    const keyboard: Keyboard | null = asksPhone ? { type: 'phone' } : message.keyboard;
    const attachments = files.map(({ name, url }) => ({ kind: 'document', name, label: name, url }));
    const bulk = isYes(asked.properties['advertising']);
    return { send: { chatId: found, words: { ...words, attachments, ...(keyboard ? { keyboard } : {}) }, bulk } };
  }

  private async waitForAnswer(portal: PortalRecord, asked: Asked, since: Date): Promise<RequestStep> {
    const minutes = Number(asked.properties['minutes'] || ANSWER_MINUTES);
    if (!Number.isInteger(minutes) || minutes < 1 || minutes > YEAR_MINUTES) return failed('bad_minutes');
    const found = await this.chatOf(portal, asked);
    if (typeof found !== 'bigint') return found;
    // The process goes on after its own time, whoever answers then: that answer is for the next robot.
    const waitMs = Math.min(minutes * MINUTE_MS, asked.timeoutSeconds * 1_000 || Infinity);
    return { wait: { chatId: found, until: new Date(since.getTime() + waitMs) } };
  }

  /** A link that is made twice, because nobody knew of the first one, is one too many and harms nobody. */
  private async makeInvitation(portal: PortalRecord, { document, properties }: Asked): Promise<RequestStep> {
    if (!document) return failed('no_document');
    const lineId = properties['line']?.trim() || undefined;
    try {
      const link = await this.links.make({ portalId: portal.id, lineId }, { entity: document }, 'robot');
      const { url } = linkItem(link);
      if (url === null) return failed('bot_unnamed');
      return { outcome: { status: 'made', link: url, at: new Date().toISOString() } };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const { code, message } = error;
      if (error.getStatus() >= 500) throw bitrixError('not_sent', code, message, 'message');
      return { outcome: { status: 'failed', code: code === 'entity_not_found' ? 'no_entity' : code, detail: message } };
    }
  }

  /** The chat of the document's client, or the step that says why there is none. */
  private async chatOf(portal: PortalRecord, { document, properties }: Asked): Promise<bigint | RequestStep> {
    const phone = properties['phone'] ?? '';
    if (!document && phone === '') return failed('no_document');
    const found = await this.addressees.find(portal, document ? [document] : [], phone);
    if ('chatId' in found) return found.chatId;
    return found.missing === 'no_chat' ? { outcome: { status: 'no_chat' } } : failed(found.missing);
  }

  async report(portal: PortalRecord, { report }: ClaimedRequest, outcome: RequestOutcome): Promise<void> {
    const { eventToken } = report;
    if (typeof eventToken !== 'string') return;
    const language = languageOf(portal.language);
    const results = robotResults(outcome, language, (code) => this.problems.reason(code, language));
    await this.rest.call(portal.id, 'bizproc.event.send', {
      EVENT_TOKEN: eventToken,
      RETURN_VALUES: results,
      LOG_MESSAGE: logLine(results, language),
    });
  }

  wish(portal: PortalRecord): Promise<unknown> {
    return Promise.resolve(ROBOTS.map((robot) => [robot.code, this.fieldsOf(portal, robot)]));
  }

  async register(portal: PortalRecord, changed: boolean): Promise<void> {
    const known = await this.registered(portal);
    for (const robot of ROBOTS) {
      const isKnown = known.includes(robot.code);
      if (isKnown && !changed) continue;
      const fields = this.fieldsOf(portal, robot);
      if (isKnown) await this.update(portal, robot.code, fields);
      else await this.add(portal, robot.code, fields);
    }
  }

  async withdraw(portal: PortalRecord): Promise<void> {
    const known = await this.registered(portal);
    for (const { code } of ROBOTS) {
      if (!known.includes(code)) continue;
      const deletion = this.rest.call(portal.id, 'bizproc.robot.delete', { CODE: code });
      await unlessGone(deletion, (refusal) => refusal.code === 'ERROR_ACTIVITY_NOT_FOUND');
    }
  }

  private fieldsOf(portal: PortalRecord, robot: (typeof ROBOTS)[number]): Record<string, unknown> {
    return robotFields(robot, this.posts.address(portal, ROBOTS_PATH));
  }

  private async registered(portal: PortalRecord): Promise<unknown[]> {
    return elementsOf((await this.rest.call<unknown>(portal.id, 'bizproc.robot.list')).result);
  }

  /** Somebody may have taken it away since it was listed. */
  private async update(portal: PortalRecord, code: string, fields: Record<string, unknown>): Promise<void> {
    const update = this.rest.call(portal.id, 'bizproc.robot.update', { CODE: code, FIELDS: fields });
    await insteadOf('ERROR_ACTIVITY_NOT_FOUND', update, () =>
      this.rest.call(portal.id, 'bizproc.robot.add', { CODE: code, ...fields }),
    );
  }

  /** Another process may have been faster. */
  private async add(portal: PortalRecord, code: string, fields: Record<string, unknown>): Promise<void> {
    const addition = this.rest.call(portal.id, 'bizproc.robot.add', { CODE: code, ...fields });
    await insteadOf('ERROR_ACTIVITY_ALREADY_INSTALLED', addition, () =>
      this.rest.call(portal.id, 'bizproc.robot.update', { CODE: code, FIELDS: fields }),
    );
  }
}

const digest = (value: string) => createHash('sha256').update(value).digest('hex');
const failed = (code: string): RequestStep => ({ outcome: { status: 'failed', code } });
