import { createHash } from 'node:crypto';
import { plainToInstance, Transform } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsNumber,
  IsOptional,
  IsPositive,
  Matches,
  Max,
  Min,
  validateSync,
} from 'class-validator';
import { type ApiKind, apiRootsOf } from './bot-api-servers.js';
import { environmentProblems } from './environment-checks.js';
import { postgresUrlFrom } from './postgres-variables.js';
import {
  apiRoots,
  elements,
  flag,
  number,
  PROXY_RANGES,
  proxyCandidates,
  text,
  trustedProxies,
  url,
} from './variable-types.js';

/** How a portal's host is written: `acme.bitrix24.com`, or with a scheme and port for a box without TLS. */
export const PORTAL_HOST = /^(https?:\/\/)?[A-Za-z0-9.-]+(:\d+)?\/?$/;

/** Origin of a portal whose host is written like {@link PORTAL_HOST}: https unless it carries a scheme itself. */
export function portalOriginOf(domain: string): string {
  return new URL(/^https?:\/\//.test(domain) ? domain : `https://${domain}`).origin;
}

/** Id of an application's connector: unique to the application, lower case, no dot. */
export function connectorIdOf(clientId: string): string {
  return `tg_${createHash('sha256').update(clientId).digest('hex').slice(0, 8)}`;
}

/** The official OAuth servers of Bitrix24 (apidocs.bitrix24.com, "Full OAuth 2.0 protocol"). */
export const OFFICIAL_OAUTH_ORIGINS = ['https://oauth.bitrix24.tech', 'https://oauth.bitrix.info'] as const;

/**
 * Everything the program is told from outside. Each property is one environment variable; every missing or bad
 * one is reported at once, by name, by {@link readEnvironment}.
 */
export class Environment {
  @text()
  @IsOptional()
  @IsIn(['production', 'development', 'test'], { message: 'must be production, development or test' })
  NODE_ENV?: 'production' | 'development' | 'test';

  @number()
  @IsOptional()
  @IsInt({ message: 'must be a port number' })
  @Min(0, { message: 'must be a port number' })
  @Max(65535, { message: 'must be a port number' })
  PORT: number = 8000;

  @text()
  @IsOptional()
  HOST: string = '0.0.0.0';

  @number()
  @IsOptional()
  @IsInt({ message: 'must be a port number' })
  @Min(1, { message: 'must be a port number' })
  @Max(65535, { message: 'must be a port number' })
  METRICS_PORT?: number;

  @number()
  @IsOptional()
  @IsNumber({}, { message: 'must be a number of seconds' })
  @Min(0, { message: 'must be from 0 to 60' })
  @Max(60, { message: 'must be from 0 to 60' })
  SHUTDOWN_DELAY?: number;

  @text()
  @IsOptional()
  @trustedProxies()
  TRUSTED_PROXIES: string = PROXY_RANGES.join(',');

  @text()
  @IsOptional()
  @url(['http', 'https'], 'must be an absolute URL such as https://bridge.example.com')
  PUBLIC_URL?: string;

  @text()
  @IsOptional()
  @Matches(/^postgres(ql)?:\/\//, { message: 'must start with postgresql://' })
  DATABASE_URL?: string;

  @number()
  @IsOptional()
  @IsInt({ message: 'must be a whole number' })
  @Min(4, { message: 'must be at least 4' })
  DATABASE_POOL: number = 12;

  @flag()
  @IsOptional()
  @IsBoolean({ message: 'must be 1 or 0' })
  DATABASE_PREPARED?: boolean;

  @text()
  @IsOptional()
  DATA_DIR: string = './.data';

  @text()
  @IsOptional()
  @Transform(({ value }) => value)
  @Matches(/^[A-Za-z0-9+/=_-]+(\s*,\s*[A-Za-z0-9+/=_-]+)*$/, {
    message: 'must be base64 of 32 bytes (openssl rand -base64 32), several separated by commas',
  })
  ENCRYPTION_KEY?: string;

  @text()
  @IsOptional()
  @Matches(/^\S+$/, { message: 'must not contain spaces' })
  ADMIN_API_KEY?: string;

  @text()
  @IsOptional()
  @Matches(PORTAL_HOST, {
    message: 'must be a portal host such as acme.bitrix24.com (a scheme and port may be given)',
  })
  B24_DOMAIN?: string;

  @text()
  @IsOptional()
  B24_CLIENT_ID?: string;

  @text()
  @IsOptional()
  B24_CLIENT_SECRET?: string;

  @text()
  @IsOptional()
  @url(['http', 'https'], 'must be an absolute URL ending in /b24/oauth/callback')
  B24_REDIRECT_URI?: string;

  @text()
  @IsOptional()
  @Matches(/^\d+$/, { message: 'must be the number of an open line' })
  B24_LINE_ID?: string;

  @text()
  @IsOptional()
  @Matches(/^\S+$/, { message: 'must not contain spaces' })
  B24_HANDLER_SECRET?: string;

  @text()
  @IsOptional()
  @Matches(/^[a-z0-9_]{1,50}$/, { message: 'must be lower-case letters, digits and _ only' })
  B24_CONNECTOR_ID?: string;

  @text()
  @IsOptional()
  B24_CONNECTOR_NAME: string = 'Telegram';

  @text()
  @IsOptional()
  @url(['http', 'https'], 'must be an origin such as https://oauth.bitrix24.tech')
  B24_OAUTH_URL?: string;

  @text()
  @IsOptional()
  @proxyCandidates()
  B24_PROXY_URL?: string;

  @text()
  @IsOptional()
  B24_CA_FILE?: string;

  @number()
  @IsOptional()
  @IsNumber({}, { message: 'must be a number' })
  @IsPositive({ message: 'must be above 0' })
  B24_REQUESTS_PER_SECOND: number = 2;

  @number()
  @IsOptional()
  @IsInt({ message: 'must be a whole number' })
  @Min(1, { message: 'must be at least 1' })
  B24_BURST: number = 50;

  @text()
  @IsOptional()
  @Matches(/^\d+:[A-Za-z0-9_-]+$/, { message: 'must look like 123456:AA…, as @BotFather gave it' })
  TG_BOT_TOKEN?: string;

  @text()
  @IsOptional()
  @Matches(/^\d{3,18}:[A-Za-z0-9_-]{30,}$/, {
    message: 'must be a whole token, 123456:AA… with 35 characters after the colon, as @BotFather gave it',
  })
  TG_MANAGER_BOT_TOKEN?: string;

  @flag()
  @IsOptional()
  @IsBoolean({ message: 'must be 1 (polling) or 0 (webhook)' })
  TG_USE_POLLING: boolean = true;

  @text()
  @IsOptional()
  @Matches(/^[A-Za-z0-9_-]{1,256}$/, { message: 'must be 1-256 of A-Z a-z 0-9 _ -' })
  TG_WEBHOOK_SECRET?: string;

  @text()
  @IsOptional()
  @url(['http', 'https'], 'must be an absolute URL such as https://relay.example.com/path')
  TG_WEBHOOK_URL?: string;

  @text()
  @IsOptional()
  @apiRoots('must be addresses such as https://api.telegram.org, several separated by commas')
  TG_API_ROOT: string = 'https://api.telegram.org';

  @text()
  @IsOptional()
  @IsIn(['telegram', 'local'], { message: 'must be telegram (also by relays) or local (an own Bot API server)' })
  TG_API_KIND: ApiKind = 'telegram';

  @text()
  @IsOptional()
  @proxyCandidates()
  TG_PROXY_URL?: string;

  @text()
  @IsOptional()
  @IsIn(['hold', 'resend'], { message: 'must be hold or resend' })
  UNCERTAIN_POLICY: 'hold' | 'resend' = 'hold';

  @text()
  @IsOptional()
  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    message: 'must be a pino level: fatal, error, warn, info, debug, trace or silent',
  })
  LOG_LEVEL: string = 'info';

  @flag()
  @IsOptional()
  @IsBoolean({ message: 'must be 1 or 0' })
  DOCS_ENABLED: boolean = true;

  get production(): boolean {
    return this.NODE_ENV === 'production';
  }

  /** Whose X-Forwarded-For is believed: addresses, ranges and names of ranges; empty: nobody's. */
  get trustedProxies(): string[] {
    return this.TRUSTED_PROXIES === 'none' ? [] : elements(this.TRUSTED_PROXIES);
  }

  /** For how long requests are still taken after a signal, in milliseconds: as long as load balancers take to notice. */
  get shutdownDelayMs(): number {
    return (this.SHUTDOWN_DELAY ?? (this.production ? 2 : 0.5)) * 1_000;
  }

  /** Base of every URL handed to Bitrix24, Telegram or a browser, without a trailing slash; undefined when unknown. */
  get publicUrl(): string | undefined {
    if (this.PUBLIC_URL) return this.PUBLIC_URL.replace(/\/+$/, '');
    return this.B24_REDIRECT_URI ? new URL(this.B24_REDIRECT_URI).origin : undefined;
  }

  /** Base of the addresses to which Telegram sends updates, without a trailing slash; undefined when unknown. */
  get webhookBase(): string | undefined {
    return this.TG_WEBHOOK_URL?.replace(/\/+$/, '') ?? this.publicUrl;
  }

  /** Routes to Telegram in order of preference: URLs of proxies, or `direct`; empty: no proxy. */
  get telegramProxies(): string[] {
    return this.TG_PROXY_URL ? elements(this.TG_PROXY_URL) : [];
  }

  /** Routes to Bitrix24, likewise. */
  get bitrixProxies(): string[] {
    return this.B24_PROXY_URL ? elements(this.B24_PROXY_URL) : [];
  }

  /** Telegram's id of the bot of TG_MANAGER_BOT_TOKEN; undefined: there is none. */
  get managerBotId(): bigint | undefined {
    const { TG_MANAGER_BOT_TOKEN: token } = this;
    const [id] = /^\d+(?=:)/.exec(token ?? '') ?? [];
    return id === undefined ? undefined : BigInt(id);
  }

  /** Roots of the Bot API in order of preference; each leads to the same server. */
  get apiRoots(): string[] {
    return apiRootsOf(this.TG_API_ROOT);
  }

  /** Origin of the default portal: https unless B24_DOMAIN itself carries a scheme. */
  get portalOrigin(): string | undefined {
    return this.B24_DOMAIN && portalOriginOf(this.B24_DOMAIN);
  }

  /** Frozen in Bitrix24 once registered. */
  get connectorId(): string {
    return this.B24_CONNECTOR_ID ?? connectorIdOf(this.B24_CLIENT_ID ?? '');
  }

  /** With B24_OAUTH_URL set (a box, a test) portals on loopback and without TLS may install. */
  get oauthOrigin(): string | undefined {
    return this.B24_OAUTH_URL ? new URL(this.B24_OAUTH_URL).origin : undefined;
  }
}

/** Thrown at start: one line per variable that is missing or bad. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
  constructor(readonly problems: string[]) {
    super(
      `The environment is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}\nSee .env.example for what each variable means.`,
    );
  }
}

/** Reads and checks every variable; throws {@link EnvironmentError} that names all problems at once. */
export function readEnvironment(variables: Record<string, unknown>): Environment {
  const known: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(variables)) {
    if (!(typeof value === 'string' && value.trim() === '')) known[name] = value;
  }
  if (known['NODE_ENV'] === 'production') known['DATABASE_URL'] ??= postgresUrlFrom(known);
  const environment = plainToInstance(Environment, known, { exposeDefaultValues: true });
  const problems = validateSync(environment, { skipMissingProperties: false, whitelist: false }).flatMap((error) =>
    Object.values(error.constraints ?? {})
      .slice(0, 1)
      .map((message) => `${error.property} ${message}`),
  );
  problems.push(...environmentProblems(environment));
  if (problems.length > 0) throw new EnvironmentError(problems);
  return environment;
}
