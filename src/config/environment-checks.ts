import { CLOUD_HOST, isLocalAtTelegram } from './bot-api-servers.js';

/** What {@link environmentProblems} looks at. */
interface Variables {
  production: boolean;
  apiRoots: string[];
  TG_API_KIND: string;
  TG_BOT_TOKEN?: string;
  managerBotId?: bigint | undefined;
  ADMIN_API_KEY?: string;
  B24_HANDLER_SECRET?: string;
  DATABASE_URL?: string;
  ENCRYPTION_KEY?: string;
}

type Required = 'DATABASE_URL' | 'ENCRYPTION_KEY' | 'ADMIN_API_KEY';
type Secret = 'ADMIN_API_KEY' | 'B24_HANDLER_SECRET';

/** Fewest characters that a secret has in production: fewer can be guessed by trying. */
const SHORTEST_IN_PRODUCTION: [Secret, number, string][] = [
  ['ADMIN_API_KEY', 24, 'openssl rand -hex 24'],
  ['B24_HANDLER_SECRET', 16, 'openssl rand -hex 16'],
];

const REQUIRED_IN_PRODUCTION: [Required, string][] = [
  ['DATABASE_URL', 'postgresql://user:password@host:5432/database, or set PGHOST, PGUSER, PGPASSWORD and PGDATABASE'],
  ['ENCRYPTION_KEY', 'make one with: openssl rand -base64 32'],
  ['ADMIN_API_KEY', 'make one with: openssl rand -hex 24'],
];

/** What is wrong with variables that are well-formed each, one sentence a problem. */
export function environmentProblems(environment: Variables): string[] {
  return [
    ...encryptionKeyProblems(environment),
    ...apiRootProblems(environment),
    ...managerProblems(environment),
    ...productionProblems(environment),
  ];
}

function encryptionKeyProblems({ ENCRYPTION_KEY: keys = '' }: Variables): string[] {
  const bad = keys.split(',').filter((key) => key !== '' && Buffer.from(key.trim(), 'base64').length !== 32);
  return bad.map(() => 'ENCRYPTION_KEY must be base64 of exactly 32 bytes (openssl rand -base64 32)');
}

function apiRootProblems({ TG_API_KIND, apiRoots }: Variables): string[] {
  if (!isLocalAtTelegram(TG_API_KIND, apiRoots)) return [];
  return [`TG_API_KIND=local needs a TG_API_ROOT that leads to an own Bot API server, not ${CLOUD_HOST}`];
}

/** Of one bot's updates there is one reader. */
function managerProblems({ TG_BOT_TOKEN: token, managerBotId }: Variables): string[] {
  if (token === undefined || managerBotId === undefined || !token.startsWith(`${managerBotId}:`)) return [];
  return ['TG_MANAGER_BOT_TOKEN must be of another bot than TG_BOT_TOKEN: the manager bot serves no line'];
}

function productionProblems(environment: Variables): string[] {
  if (!environment.production) return [];
  const missing = REQUIRED_IN_PRODUCTION.filter(([name]) => environment[name] === undefined);
  const weak = SHORTEST_IN_PRODUCTION.filter(([name, characters]) => {
    const secret = environment[name];
    return secret !== undefined && secret.length < characters;
  });
  return [
    ...missing.map(([name, hint]) => `${name} is missing (required with NODE_ENV=production): ${hint}`),
    ...weak.map(
      ([name, characters, command]) =>
        `${name} is too weak: it needs at least ${characters} characters with NODE_ENV=production; make one with: ${command}`,
    ),
  ];
}
