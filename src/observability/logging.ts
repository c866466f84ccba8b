import type { LoggerService } from '@nestjs/common';
import { Logger as NestPinoLogger, PinoLogger } from 'nestjs-pino';
import { pino, type DestinationStream, type Logger } from 'pino';
import { redact } from '../common/redact.js';

/** Longest text of an error that is logged, in characters. */
const LONGEST_MESSAGE = 500;

/** Contexts in which Nest lists every module and route at its start: nothing a person wants to read each time. */
const CHATTER = new Set(['InstanceLoader', 'RoutesResolver', 'RouterExplorer', 'NestFactory', 'NestApplication']);

class NestLogger extends NestPinoLogger {
  override log(message: unknown, ...rest: unknown[]): void {
    if (CHATTER.has(String(rest.at(-1)))) this.debug(message, ...rest);
    else super.log(message, ...rest);
  }
}

/** One JSON logger, as Nest wants it and as pino made it. */
export interface Logging {
  nest: LoggerService;
  pino: Logger;
}

/**
 * JSON lines on stdout (or `destination`). Made before Nest starts, so that the lines of a slow start (a PostgreSQL
 * that is still coming up) appear while they are true.
 */
export function createLogging(level: string, destination?: DestinationStream): Logging {
  const options = {
    level,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: loggableError },
    formatters: { level: (label: string) => ({ level: label }) },
    hooks: { logMethod: redactArguments },
  };
  const logger = destination ? pino(options, destination) : pino(options);
  // pino-http puts its own error serializer before ours unless it is given ours again.
  const params = { pinoHttp: { logger, serializers: options.serializers, wrapSerializers: false } };
  return { nest: new NestLogger(new PinoLogger(params), params), pino: logger };
}

/**
 * What a log may say of an error: its kind, code, redacted message and frames. Other properties stay out: drivers
 * put statement parameters and whole rows there, which are people's words.
 */
export function loggableError(error: unknown): Record<string, unknown> | string {
  if (!(error instanceof Error)) return redact(String(error)).slice(0, LONGEST_MESSAGE);
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return {
    type: error.name,
    message: messageOf(error),
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    stack: framesOf(error),
    ...(cause instanceof Error ? { cause: `${cause.name}: ${messageOf(cause)}` } : {}),
  };
}

/** Prisma prints the whole call, arguments included, before its last line, which says what was wrong. */
function messageOf(error: Error): string {
  const text = error.name.startsWith('PrismaClient') ? (error.message.trim().split('\n').pop() ?? '') : error.message;
  return redact(text).slice(0, LONGEST_MESSAGE);
}

function framesOf(error: Error): string {
  return (error.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n');
}

/** The last line of defence: whoever forgets to redact a text is corrected here. */
function redactArguments(this: Logger, args: unknown[], method: (...args: never[]) => void): void {
  method.apply(this, args.map((each) => (typeof each === 'string' ? redact(each) : each)) as never[]);
}
