import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { typeOfUpdate, type QueuedUpdate } from './update.queue.js';

/** A webhook's answer is awaited this long, then the connection is closed and the update sent again. */
const ANSWER_TIMEOUT_MS = 60_000;
/** Longest `Retry-After` that is honoured. */
const RETRY_AFTER_LIMIT = 3600;
/** Retries double up to here; beyond, they come at random once in 60 to 120 seconds. */
const RETRY_LIMIT = 60;
/** A webhook that has answered 410 for this long is removed. */
const GONE_LIMIT = 23 * 3600;

export interface WebhookTarget {
  readonly url: string;
  readonly secretToken: string;
  readonly maxConnections: number;
}

export interface WebhookEvents {
  delivered(update: QueuedUpdate): void;
  /** The update outlived its 24 hours while it was retried. */
  expired(update: QueuedUpdate): void;
  failed(reason: string): void;
  /** The webhook answered 410 for 23 hours. */
  gone(): void;
  /** A 2xx answer carried a call to a method: it is performed, its result is never told. */
  replied(method: string, params: Record<string, unknown>): void;
  /** Unix seconds. */
  now(): number;
}

interface Lane {
  readonly key: string;
  readonly updates: QueuedUpdate[];
  failures: number;
  /** Seconds before the next retry but one. */
  delay: number;
}

interface WebhookAnswer {
  readonly status: number;
  readonly reason: string;
  readonly retryAfter: number;
  readonly type: string;
  readonly body: string;
}

/**
 * Delivers updates to one webhook the way `WebhookActor` of tdlib/telegram-bot-api does: a lane per chat and kind,
 * the next update of a lane only after a 2xx, lanes in parallel up to `max_connections`, and only twice as many lanes
 * loaded as there are connections, so that enough failing chats hold up all the others.
 */
export class WebhookActor {
  private readonly lanes = new Map<string, Lane>();
  private readonly ready: Lane[] = [];
  private readonly retries = new Set<NodeJS.Timeout>();
  private backlog: QueuedUpdate[];
  private loaded = 0;
  private inFlight = 0;
  private goneSince: number | undefined;
  private closed = false;
  private readonly requests = new Set<ClientRequest>();
  private readonly agent: HttpAgent;

  constructor(
    private readonly target: WebhookTarget,
    pending: QueuedUpdate[],
    private readonly events: WebhookEvents,
    private readonly retryScale: number,
  ) {
    this.backlog = pending;
    const options = { keepAlive: true, maxSockets: target.maxConnections };
    this.agent = target.url.startsWith('https:') ? new HttpsAgent(options) : new HttpAgent(options);
    this.pump();
  }

  offer(update: QueuedUpdate): void {
    this.backlog.push(update);
    this.pump();
  }

  close(): void {
    this.closed = true;
    for (const timer of this.retries) clearTimeout(timer);
    for (const request of this.requests) request.destroy();
    this.agent.destroy();
  }

  private pump(): void {
    if (this.closed) return;
    this.load();
    while (this.inFlight < this.target.maxConnections) {
      const lane = this.ready.shift();
      if (!lane) return;
      this.inFlight += 1;
      void this.attempt(lane);
    }
  }

  private load(): void {
    while (this.loaded < this.backlog.length && this.lanes.size < this.target.maxConnections * 2) {
      const update = this.backlog[this.loaded]!;
      this.loaded += 1;
      const key = laneKey(update);
      const lane = this.lanes.get(key);
      if (lane) lane.updates.push(update);
      else this.open({ key, updates: [update], failures: 0, delay: 1 });
    }
    if (this.loaded > 1024) {
      this.backlog = this.backlog.slice(this.loaded);
      this.loaded = 0;
    }
  }

  private open(lane: Lane): void {
    this.lanes.set(lane.key, lane);
    this.ready.push(lane);
  }

  private async attempt(lane: Lane): Promise<void> {
    const queued = lane.updates[0]!;
    const answer = await this.post(queued).catch((error: unknown) => connectionError(error));
    this.inFlight -= 1;
    if (this.closed) return;

    if (typeof answer !== 'string' && answer.status >= 200 && answer.status < 300) {
      this.goneSince = undefined;
      this.performReply(answer);
      this.events.delivered(queued);
      this.advance(lane);
    } else {
      const reason =
        typeof answer === 'string' ? answer : `Wrong response from the webhook: ${answer.status} ${answer.reason}`;
      this.events.failed(reason);
      this.watchGone(typeof answer === 'string' ? 0 : answer.status);
      this.retry(lane, typeof answer === 'string' ? 0 : answer.retryAfter);
    }
    this.pump();
  }

  private advance(lane: Lane): void {
    lane.updates.shift();
    lane.failures = 0;
    lane.delay = 1;
    if (lane.updates.length === 0) this.lanes.delete(lane.key);
    else this.ready.push(lane);
  }

  private retry(lane: Lane, retryAfter: number): void {
    if (this.closed) return;
    let wait = Math.min(Math.max(retryAfter, 0), RETRY_AFTER_LIMIT);
    if (wait === 0 && lane.failures > 0) {
      lane.delay = Math.min(RETRY_LIMIT * (1 + Math.random()), lane.delay * 2);
      wait = lane.delay;
    }
    const queued = lane.updates[0]!;
    if (this.events.now() + wait > queued.expiresAt) {
      this.events.expired(queued);
      this.advance(lane);
      return;
    }
    lane.failures += 1;
    const timer = setTimeout(
      () => {
        this.retries.delete(timer);
        this.ready.push(lane);
        this.pump();
      },
      wait * this.retryScale * 1000,
    );
    this.retries.add(timer);
  }

  private watchGone(status: number): void {
    if (status !== 410) this.goneSince = undefined;
    else if (this.goneSince === undefined) this.goneSince = this.events.now();
    else if (this.events.now() > this.goneSince + GONE_LIMIT) this.events.gone();
  }

  private performReply({ type, body }: WebhookAnswer): void {
    const params = readReply(type, body);
    const method = typeof params['method'] === 'string' ? params['method'] : '';
    const refused = /^(|get.*|setwebhook|deletewebhook|close|logout)$/i.test(method);
    if (!refused) this.events.replied(method, params);
  }

  private post({ update }: QueuedUpdate): Promise<WebhookAnswer> {
    const { url, secretToken } = this.target;
    const body = Buffer.from(JSON.stringify(update));
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const request = send(url, {
        method: 'POST',
        agent: this.agent,
        headers: {
          'content-type': 'application/json',
          'content-length': body.length,
          'accept-encoding': 'gzip, deflate',
          ...(secretToken === '' ? {} : { 'x-telegram-bot-api-secret-token': secretToken }),
        },
      });
      const timer = setTimeout(() => request.destroy(new AnswerTimeout()), ANSWER_TIMEOUT_MS);
      this.requests.add(request);
      request.on('close', () => {
        clearTimeout(timer);
        this.requests.delete(request);
      });
      request.on('error', reject);
      request.on('response', (response) => {
        readAnswer(response).then(resolve, reject);
      });
      request.end(body);
    });
  }
}

class AnswerTimeout extends Error {}

async function readAnswer(response: IncomingMessage): Promise<WebhookAnswer> {
  let body = '';
  response.setEncoding('utf8');
  for await (const chunk of response as AsyncIterable<string>) body += chunk;
  return {
    status: response.statusCode ?? 0,
    reason: response.statusMessage ?? '',
    retryAfter: Number.parseInt(response.headers['retry-after'] ?? '', 10) || 0,
    type: response.headers['content-type'] ?? '',
    body,
  };
}

/** What a webhook answered that is not a call to a method is of no interest to the server, broken JSON included. */
function readReply(type: string, body: string): Record<string, unknown> {
  if (type.startsWith('application/x-www-form-urlencoded')) return Object.fromEntries(new URLSearchParams(body));
  if (!type.startsWith('application/json') || body === '') return {};
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function connectionError(error: unknown): string {
  if (error instanceof AnswerTimeout) return 'Read timeout expired';
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED') return 'Connection refused';
  if (code === 'ETIMEDOUT') return 'Connection timed out';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'Failed to resolve host: Name or service not known';
  return 'Connection reset by peer';
}

/** Messages of a chat and their edits share a lane; every other kind of update has lanes of its own. */
function laneKey({ update }: QueuedUpdate): string {
  const type = typeOfUpdate(update);
  const content = update[type] as { chat?: { id: number }; from?: { id: number }; user?: { id: number } };
  const owner = content.chat?.id ?? content.from?.id ?? content.user?.id;
  if (owner === undefined) return `update:${update.update_id}`;
  const kind = /^(edited_)?(message|channel_post)$/.test(type) ? 'messages' : type;
  return `${kind}:${owner}`;
}
