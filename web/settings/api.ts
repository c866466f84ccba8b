/** How Telegram's updates reach the service. */
export type BotMode = 'polling' | 'webhook';

export interface LineBot {
  id: string;
  username: string | null;
  name: string | null;
  mode: BotMode;
  state: 'active' | 'conflict' | 'unauthorised' | 'disabled';
}

export interface LineOptions {
  operatorName: 'hidden' | 'name' | 'template';
  operatorNameTemplate: string | null;
  welcomeText: string | null;
  startOpensSession: boolean;
}

/** The line, from the tables of the service. */
export interface LineState {
  lineId: string;
  portal: string;
  connectorName: string;
  on: boolean;
  bot: LineBot | null;
  options: LineOptions;
  traffic: { lastInboundAt: string | null; lastOutboundAt: string | null; waiting: number; failed: number } | null;
  webhookPossible: boolean;
}

/** One thing that must be true for messages to flow; `code` is `ok` or says what is wrong. */
export interface Link {
  id: 'token' | 'updates' | 'portal' | 'installed' | 'events' | 'line';
  ok: boolean;
  code: string;
  /** In the words of the network. */
  detail?: string;
}

export interface CheckedLine extends LineState {
  lineName: string | null;
  links: Link[];
}

/** What the page knows from the start. */
export interface Bootstrap {
  session: string;
  portalOrigin: string;
  state: LineState;
}

/** A refusal (application/problem+json), or no answer at all (`no_answer`). */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    detail: string,
    readonly extra: Record<string, unknown> = {},
  ) {
    super(detail);
  }
}

export function readBootstrap(): Bootstrap | null {
  const text = document.getElementById('bootstrap')?.textContent;
  return text ? (JSON.parse(text) as Bootstrap) : null;
}

/** Calls of the page's own API; each throws {@link ApiError}. */
export class SettingsApi {
  constructor(private readonly session: string) {}

  check = () => this.call<CheckedLine>('POST', 'check');
  repair = () => this.call<CheckedLine>('POST', 'repair');
  connect = (wish: { token: string; mode: BotMode; move?: boolean }) => this.call<LineState>('POST', 'bot', wish);
  receiveBy = (mode: BotMode) => this.call<LineState>('PATCH', 'bot', { mode });
  change = (options: Partial<LineOptions>) => this.call<LineState>('PATCH', 'options', options);
  disconnect = () => this.call<LineState>('POST', 'disconnect');

  /** Address of the bot's picture inside the page; null: it has none, or it cannot be had now. */
  async picture(): Promise<string | null> {
    const answer = await this.send('GET', 'picture').catch(() => null);
    return answer?.status === 200 ? URL.createObjectURL(await answer.blob()) : null;
  }

  private async call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await this.send(method, path, body).catch((error: unknown) => {
      throw new ApiError('no_answer', String(error));
    });
    const json = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
    if (answer.ok) return json as Answer;
    const { code = `http_${answer.status}`, detail = answer.statusText, ...extra } = json;
    throw new ApiError(String(code), String(detail), extra);
  }

  private send(method: string, path: string, body?: unknown): Promise<Response> {
    // Relative to /b24/settings: the service may live below a path of a proxy.
    return fetch(`settings/api/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.session}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }
}
