import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import fastifyStatic from '@fastify/static';
import type { NestApplicationOptions } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { parse } from 'qs';
import { serveDocs } from './app.docs.js';
import { takeFileBodies } from './common/file-bodies.js';
import { Problem } from './common/problem.js';
import { ProblemFilter, sendProblem, toProblem } from './common/problem.filter.js';
import { requestValidation } from './common/request-validation.js';
import { WEB_ASSETS_FOLDER, WEB_ASSETS_PATH } from './common/web-page.js';
import { Environment } from './config/environment.js';
import { SETTINGS_API } from './connector/settings/settings-api.controller.js';
import { MetricsService } from './observability/metrics.service.js';
import { logRequest } from './observability/request-log.js';
import { ShutdownState } from './observability/shutdown-state.js';
import { traceRequests } from './observability/tracing.js';

/** Largest body taken: events and updates are far smaller, files have a limit of their own. Bytes. */
const BODY_LIMIT = 2 * 1024 * 1024;
/** The settings page sends a token or a welcome text. Bytes. */
const SETTINGS_BODY_LIMIT = 16 * 1024;

/** Of a body that is too large so much is read and thrown away, bytes, and for so long, milliseconds. */
const DISCARDED = { bytes: 64 * 1024 * 1024, ms: 5_000 };

/** Nothing of ours is to be framed, sniffed or named to others; pages that live in a frame say so themselves. */
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
};

/** Nest registers a form parser of its own unless told not to; errors at start are for main to print. */
export const APP_OPTIONS: NestApplicationOptions = { bodyParser: false, abortOnError: false };

/** The HTTP server under Nest. Believes X-Forwarded-* from these proxies only. */
export function createAdapter({ trustedProxies }: Pick<Environment, 'trustedProxies'>): FastifyAdapter {
  return new FastifyAdapter({
    bodyLimit: BODY_LIMIT,
    trustProxy: trustedProxies.length > 0 && trustedProxies,
    genReqId: ({ headers }: { headers: IncomingHttpHeaders }) => askedId(headers['x-request-id']) ?? randomUUID(),
    // A request that comes while the server closes is served like any other.
    return503OnClosing: false,
    // What Fastify refuses before any route, filter or hook is asked: an address that is none.
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      void reply.headers(HEADERS).header('x-request-id', request.id);
      sendProblem(reply, toProblem(error, request.id));
    },
    routerOptions: { maxParamLength: 2_000 },
  });
}

/** Everything that applies to every request: parsers, headers, validation, errors, log, metrics, pages' files, /docs. */
export function configureApp(app: NestFastifyApplication): NestFastifyApplication {
  const server = app.getHttpAdapter().getInstance();
  parseBodies(server);
  letRefusedBodiesEnd(server);
  protectAnswers(server);
  endConnections(server, app.get(ShutdownState));
  traceRequests(server);
  observe(server, app.get(MetricsService));
  serveAssets(server);
  app.useGlobalPipes(requestValidation());
  app.useGlobalFilters(new ProblemFilter());
  if (app.get(Environment).DOCS_ENABLED) serveDocs(app);
  return app;
}

/** The id that a proxy, or whoever asks, gave the request, where it can stand in a log and in a header as it is. */
function askedId(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && /^[\w.=-]{1,128}$/.test(header) ? header : undefined;
}

function parseBodies(server: FastifyInstance): void {
  server.addHook('onRoute', (route) => {
    if (route.url.startsWith(SETTINGS_API)) route.bodyLimit = SETTINGS_BODY_LIMIT;
  });
  server.removeAllContentTypeParsers();
  const parseJson = server.getDefaultJsonParser('remove', 'remove');
  server.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    // "Nothing" is said in many ways: `Content-Type: application/json` without a body is one of them.
    if (body === '') return done(null, undefined);
    void parseJson(request, body, (error, value) =>
      error ? done(new Problem(400, 'broken_json', 'The body is not valid JSON.')) : done(null, value),
    );
  });
  server.addContentTypeParser<string>('application/x-www-form-urlencoded', { parseAs: 'string' }, (_, body, done) => {
    try {
      // Bitrix24 writes nested events the PHP way; cutting one off silently would lose a message.
      done(null, parse(body, { depth: 20, arrayLimit: 1_000, parameterLimit: 10_000, throwOnLimitExceeded: true }));
    } catch {
      done(new Problem(400, 'broken_form', 'The body is not a readable form.'));
    }
  });
  takeFileBodies(server);
}

/**
 * A client that is still writing when its connection ends sees a broken pipe and not why it was refused: the rest of a
 * body that is too large is read first.
 */
function letRefusedBodiesEnd(server: FastifyInstance): void {
  server.addHook('onSend', (request, reply, payload, done) => {
    const body = request.raw;
    if (reply.statusCode !== 413 || body.complete) return done(null, payload);
    let read = 0;
    const answer = (): void => {
      clearTimeout(patience);
      body.off('data', discard).off('end', answer).off('close', answer);
      done(null, payload);
    };
    const discard = (chunk: Buffer): void => {
      read += chunk.length;
      if (read > DISCARDED.bytes) answer();
    };
    const patience = setTimeout(answer, DISCARDED.ms);
    body.on('data', discard).once('end', answer).once('close', answer);
    body.resume();
  });
}

function protectAnswers(server: FastifyInstance): void {
  server.addHook('onRequest', (request, reply, done) => {
    void reply.headers(HEADERS).header('x-request-id', request.id);
    done();
  });
}

/** Whoever keeps a connection to a process that is leaving makes the next one elsewhere. */
function endConnections(server: FastifyInstance, shutdown: ShutdownState): void {
  server.addHook('onSend', (_request, reply, payload, done) => {
    if (shutdown.isShuttingDown) void reply.header('connection', 'close');
    done(null, payload);
  });
}

function observe(server: FastifyInstance, metrics: MetricsService): void {
  server.addHook('onResponse', (request, reply, done) => {
    metrics.observeRequest(request, reply);
    logRequest(request, reply);
    done();
  });
}

/** Scripts and styles of the pages. Their names change with their content, so browsers keep them. */
function serveAssets(server: FastifyInstance): void {
  void server.register(fastifyStatic, {
    root: WEB_ASSETS_FOLDER,
    prefix: WEB_ASSETS_PATH,
    decorateReply: false,
    index: false,
    immutable: true,
    maxAge: '365d',
    // Made at build time.
    preCompressed: true,
  });
}
