import { channel } from 'node:diagnostics_channel';
import {
  context,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Link,
  type Span,
  type SpanOptions,
} from '@opentelemetry/api';
import { asText } from './json-fields.js';
import { UpstreamError, type UpstreamErrorKind } from './upstream-error.js';

/**
 * What is seen of the program from outside while it works. Spans cost nothing worth naming until tracing is started
 * (see observability/tracing.ts). Attributes hold ids, names and outcomes: never a text, an address or a credential.
 */
export const tracer = trace.getTracer('telegram-openlines');

/** How a request to one of the networks ended: well, as its error's class says, or by a fault of our own. */
export type CallOutcome = 'ok' | UpstreamErrorKind | 'broken';

/** One request to a network, once it is over. */
export interface NetworkCall {
  network: 'telegram' | 'bitrix24';
  method: string;
  outcome: CallOutcome;
  ms: number;
}

/** Every {@link NetworkCall} of the process, for whoever counts. */
export const networkCalls = channel('telegram-openlines:network-call');

/** Calls that wait for something to happen: a span of each would say nothing. */
const LONG_POLLS = new Set(['getUpdates']);

/**
 * Makes one request to a network and lets it be seen.
 *
 * @param outcomeOf for a call that returns what went wrong instead of throwing it
 */
export async function watchCall<Value>(
  network: NetworkCall['network'],
  method: string,
  call: () => Promise<Value>,
  outcomeOf: (value: Value) => CallOutcome = () => 'ok',
): Promise<Value> {
  const began = performance.now();
  const done = (outcome: CallOutcome) => {
    if (networkCalls.hasSubscribers)
      networkCalls.publish({ network, method, outcome, ms: performance.now() - began } satisfies NetworkCall);
    return outcome;
  };
  const watched = async (span?: Span): Promise<Value> => {
    try {
      const value = await call();
      const outcome = done(outcomeOf(value));
      span?.setAttribute('openlines.outcome', outcome);
      return value;
    } catch (error) {
      const outcome = done(outcomeOfError(error));
      span?.setAttribute('openlines.outcome', outcome);
      throw error;
    }
  };
  if (LONG_POLLS.has(method)) return watched();
  const attributes = { 'openlines.network': network, 'openlines.method': method };
  return inSpan(`${network} ${method}`, { kind: SpanKind.CLIENT, attributes }, watched);
}

export function outcomeOfError(error: unknown): CallOutcome {
  return error instanceof UpstreamError ? error.kind : 'broken';
}

/** Does the work in a span of its own. Of an error only its code is kept: its words may be people's. */
export function inSpan<Value>(
  name: string,
  options: SpanOptions,
  work: (span: Span) => Promise<Value>,
): Promise<Value> {
  return tracer.startActiveSpan(name, options, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      endBadly(span, error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Marks the span as failed. */
export function endBadly(span: Span, error: unknown): void {
  const { code, name } = error as { code?: unknown; name?: unknown };
  span.setAttribute('error.type', asText(code) || asText(name) || 'Error');
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** Runs `work` so that spans which begin in it belong to `span`. */
export function under<Value>(span: Span, work: () => Value): Value {
  return context.with(trace.setSpan(context.active(), span), work);
}

/** A span that belongs to `parent`; whoever begins it ends it. */
export function childOf(
  parent: Span,
  name: string,
  attributes: Attributes,
  { startTime, links }: Pick<SpanOptions, 'startTime' | 'links'> = {},
): Span {
  const options = { attributes, ...(startTime !== undefined && { startTime }), ...(links && { links }) };
  return tracer.startSpan(name, options, trace.setSpan(context.active(), parent));
}

/** By what another span can link to this one, as W3C's traceparent; undefined where it is not sent anywhere. */
export function traceOf(span: Span): string | undefined {
  if (!span.isRecording()) return undefined;
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** A link to the span that {@link traceOf} told of; none to what was not kept. */
export function linksTo(kept: string | null): Link[] {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(kept ?? '') ?? [];
  if (!traceId || !spanId) return [];
  const traceFlags = parseInt(flags ?? '', 16) & TraceFlags.SAMPLED;
  return [{ context: { traceId, spanId, traceFlags, isRemote: true } }];
}
