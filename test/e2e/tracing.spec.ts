import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, BOT_TOKEN, eventually, HANDLER_SECRET } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { OtlpReceiver } from '../support/otlp-receiver.js';

let bridge: Bridge;
let collector: OtlpReceiver;

beforeAll(async () => {
  collector = await OtlpReceiver.start();
  bridge = await Bridge.start({
    environment: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: '200',
      OTEL_SERVICE_NAME: 'bridge-under-test',
    },
  });
});

afterAll(async () => {
  await bridge?.stop();
  collector?.stop();
});

it('shows the way of a message in both directions, and neither its words nor a key', async () => {
  const conversation = await Conversation.begin(bridge, 601);
  conversation.client.sends('private question');
  conversation.answers('private answer');
  const ids = await Promise.all(
    ['private question', 'private answer'].map(async (text) => {
      const { id } = await conversation.becomes(text, 'delivered');
      return String(id);
    }),
  );
  const { spans } = collector;
  const named = (name: string) => spans.filter((span) => span.name === name);
  const deliveries = await eventually(
    () => ids.map((id) => named('delivery').find(({ attributes }) => attributes['openlines.message_id'] === id)),
    (found) => found.every(Boolean),
  );
  for (const delivery of deliveries) {
    expect(delivery!.attributes).toMatchObject({ 'openlines.kind': 'message', 'openlines.outcome': 'delivered' });
    const below = spans.filter(({ parentSpanId }) => parentSpanId === delivery!.spanId).map(({ name }) => name);
    expect(below.toSorted()).toEqual(['send', 'settle']);
    const beside = spans.filter(({ parentSpanId }) => parentSpanId === delivery!.parentSpanId);
    expect(beside.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['claim', expect.stringMatching(/^(telegram sendMessage|bitrix24 (batch|imconn.*))$/)]),
    );
    for (const { name, attributes } of beside) {
      if (/^(telegram|bitrix24) /.test(name)) expect(attributes['openlines.outcome']).toBe('ok');
    }
  }
  // From its delivery one finds where the message came in: the request, or the poll.
  const [question, answer] = await eventually(
    () =>
      deliveries.map((delivery) => {
        const [link, ...others] = delivery!.links ?? [];
        expect(others).toEqual([]);
        return spans.find(({ traceId, spanId }) => traceId === link?.traceId && spanId === link.spanId);
      }),
    // A span is sent in a batch of its own when it ends.
    (found) => found.every((span) => span && spans.some(({ spanId }) => spanId === span.parentSpanId)),
  );
  expect([question, answer]).toMatchObject([
    { name: 'intake', attributes: { 'openlines.direction': 'inbound' } },
    { name: 'intake', attributes: { 'openlines.direction': 'outbound' } },
  ]);
  expect(spans.find(({ spanId }) => spanId === answer!.parentSpanId)?.name).toBe('POST /b24/handler');
  const intakes = named('intake').map(({ attributes }) => attributes['openlines.direction']);
  expect(new Set(intakes)).toEqual(new Set(['inbound', 'outbound']));
  // The event came by HTTP, and its intake belongs to that request.
  const event = named('POST /b24/handler').at(-1)!;
  expect(event.attributes).toMatchObject({ 'http.response.status_code': 200, 'http.route': '/b24/handler' });
  expect(named('intake').some(({ parentSpanId }) => parentSpanId === event.spanId)).toBe(true);

  expect(collector.service).toBe('bridge-under-test');
  expect(collector.spans.some(({ name }) => name.includes('getUpdates') || name.includes('/health'))).toBe(false);
  const secrets = [
    BOT_TOKEN,
    BOT_TOKEN.split(':')[1]!,
    HANDLER_SECRET,
    bridge.app.clientSecret,
    bridge.program.adminKey,
  ];
  for (const hidden of ['private', 'question', ...secrets]) expect(collector.raw).not.toContain(hidden);
});

it('sends the last spans before it ends, and ends without a collector as well', async () => {
  const before = collector.spans.length;
  await bridge.program.get('/b24/install');
  expect(await bridge.program.stop()).toBe(0);
  expect(collector.spans.slice(before).map(({ name }) => name)).toContain('GET /b24/install');
  await bridge.restart({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' });
  await bridge.program.get('/b24/install');
  expect(await bridge.program.stop()).toBe(0);
});
