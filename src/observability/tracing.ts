import { Logger } from '@nestjs/common';
import { diag, DiagLogLevel, SpanKind, SpanStatusCode, type Span } from '@opentelemetry/api';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { tracer, under } from '../common/spans.js';
import { VERSION } from '../common/version.js';
import { within } from '../common/within.js';

/** Ends tracing; what was seen until then is sent. */
export type StopTracing = () => Promise<void>;

/** A collector that is away must not hold up the end of the program; milliseconds. */
const LAST_SPANS_MS = 2_000;
const PROBES = /^\/(health|metrics|docs)\b/;

/**
 * Sends spans to the collector of OTEL_EXPORTER_OTLP_ENDPOINT, as JSON over HTTP, when that variable (or its _TRACES_
 * form) is set. Every standard variable of the SDK holds: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
 * OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, OTEL_BSP_*, OTEL_SDK_DISABLED. Without them nothing of the SDK is
 * loaded.
 */
export async function startTracing(variables: NodeJS.ProcessEnv): Promise<StopTracing> {
  const wanted = variables.OTEL_EXPORTER_OTLP_ENDPOINT || variables.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT;
  if (!wanted || variables.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return () => Promise.resolve();
  const [{ NodeTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, resources] = await Promise.all([
    import('@opentelemetry/sdk-trace-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const named = resources.detectResources({ detectors: [resources.envDetector] });
  const provider = new NodeTracerProvider({
    resource: resources
      .defaultResource()
      .merge(resources.resourceFromAttributes({ 'service.name': 'telegram-openlines', 'service.version': VERSION }))
      .merge(named),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  provider.register();
  complainOnce(wanted);
  return () => within(LAST_SPANS_MS, provider.shutdown());
}

/** The SDK's own words may quote headers, and come with every batch. */
function complainOnce(endpoint: string): void {
  let told = false;
  const tell = () => {
    if (!told)
      new Logger('Tracing').warn(
        `Spans cannot be sent to ${URL.canParse(endpoint) ? new URL(endpoint).host : 'the collector'}; messages are not affected`,
      );
    told = true;
  };
  const silent = () => undefined;
  diag.setLogger({ error: tell, warn: silent, info: silent, debug: silent, verbose: silent }, DiagLogLevel.ERROR);
}

const spans = new WeakMap<FastifyRequest, Span>();

/** A span for every request but probes, scrapes and /docs. It names the route, never the address: that holds keys. */
export function traceRequests(server: FastifyInstance): void {
  server.addHook('onRequest', (request, _reply, done) => {
    if (!PROBES.test(request.url)) {
      const route = request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown');
      const attributes = { 'http.request.method': request.method, 'http.route': route };
      spans.set(
        request,
        tracer.startSpan(`${request.method} ${route}`, { root: true, kind: SpanKind.SERVER, attributes }),
      );
    }
    done();
  });
  // Not sooner: reading the body leaves the context in which it began.
  server.addHook('preValidation', (request, _reply, done) => {
    const span = spans.get(request);
    if (span) under(span, done);
    else done();
  });
  server.addHook('onResponse', (request, reply, done) => {
    const span = spans.get(request);
    span?.setAttributes({ 'http.response.status_code': reply.statusCode, 'openlines.request_id': request.id });
    if (reply.statusCode >= 500) span?.setStatus({ code: SpanStatusCode.ERROR });
    span?.end();
    done();
  });
}
