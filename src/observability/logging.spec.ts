import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { readEnvironment } from '../config/environment.js';
import { createLogging, type Logging } from './logging.js';
import { loggableUrl } from './request-log.js';
import { startReport } from './start-report.js';

const TOKEN = '123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw';

const lines: string[] = [];
const sink = new Writable({
  write(chunk: Buffer, _encoding, done) {
    lines.push(chunk.toString());
    done();
  },
});
// One for all: nestjs-pino keeps the first logger of a process.
const logging = createLogging('info', sink);

function logged(write: (logging: Logging) => void): Record<string, unknown> {
  lines.length = 0;
  write(logging);
  return JSON.parse(lines.join('')) as Record<string, unknown>;
}

describe('the log', () => {
  it('is one JSON object a line, with level, time and context', () => {
    const line = logged(({ nest }) => nest.log('ready', 'Start'));
    expect(line).toMatchObject({ level: 'info', msg: 'ready', context: 'Start' });
    expect(Date.parse(String(line.time))).not.toBeNaN();
  });

  it('blanks tokens that somebody forgot to leave out', () => {
    expect(JSON.stringify(logged(({ nest }) => nest.warn(`GET /bot${TOKEN}/getMe?secret=abc`, 'X')))).not.toMatch(
      /AAHdq|abc/,
    );
  });

  it('says of an error what and where, not whose words were in it', () => {
    const error = Object.assign(new Error(`failed for ${TOKEN}`), { code: '23505', parameters: ['private words'] });
    error.cause = new Error('inner access_token=topsecret');
    const line = logged(({ nest }) => nest.error({ err: error, requestId: 'r1' }, 'Unexpected error', 'Request'));
    expect(line).toMatchObject({
      level: 'error',
      msg: 'Unexpected error',
      requestId: 'r1',
      err: { code: '23505', type: 'Error' },
    });
    expect((line.err as { stack: string }).stack).toContain('logging.spec');
    expect(JSON.stringify(line)).not.toMatch(/AAHdq|private words|topsecret/);
  });

  it('leaves out the arguments that Prisma prints', () => {
    const error = new Error(
      '\nInvalid `prisma.message.create()` invocation:\n{ text: "private words" }\n\nArgument missing.',
    );
    error.name = 'PrismaClientValidationError';
    const line = logged(({ nest }) => nest.error({ err: error }, 'x', 'Request'));
    expect((line.err as { message: string }).message).toBe('Argument missing.');
    expect(JSON.stringify(line)).not.toContain('private words');
  });
});

describe('loggableUrl', () => {
  it.each([
    ['/b24/handler?secret=s3cret&x=1', '/b24/handler?secret=[secret]&x=1'],
    ['/b24/oauth/callback?code=abc&state=def', '/b24/oauth/callback?code=[secret]&state=[secret]'],
    ['/tg/webhook/AbCdEf123', '/tg/webhook/[key]'],
    ['/files/eyJhbGciOi?x=1', '/files/[key]?x=1'],
    ['/admin/messages?q=my%20words&limit=5', '/admin/messages?q=[text]&limit=5'],
  ])('%s', (url, shown) => expect(loggableUrl(url)).toBe(shown));
});

describe('startReport', () => {
  const complete = {
    PUBLIC_URL: 'https://bridge.example.com',
    B24_CLIENT_ID: 'a',
    B24_CLIENT_SECRET: 'b',
    B24_HANDLER_SECRET: 'c',
  };

  it('lists everything that is missing at once', () => {
    const { missing } = startReport(
      readEnvironment({}),
      { storedApplications: 0, portals: 0, activePortals: 0, bots: 0, botsWithLine: 0 },
      'http://x',
    );
    expect(missing).toHaveLength(5);
  });

  it('has nothing to ask for when messages can flow, and shows no secret', () => {
    const inventory = { storedApplications: 0, portals: 1, activePortals: 1, bots: 2, botsWithLine: 1 };
    const report = startReport(
      readEnvironment({ ...complete, ADMIN_API_KEY: 'k3y' }),
      inventory,
      'http://0.0.0.0:8000',
    );
    expect(report.missing).toEqual([]);
    expect(report.facts.join()).not.toContain('k3y');
  });
});
