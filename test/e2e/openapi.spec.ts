import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, HANDLER_SECRET } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

interface Media {
  schema?: { $ref?: string };
  example?: unknown;
  examples?: Record<string, { value: unknown }>;
}
interface Operation {
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, { content?: Record<string, Media> }>;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
}

const written = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')) as Document;
const operations = Object.entries(written.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
);

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start();
});

afterAll(async () => bridge?.stop());

const examplesOf = ({ requestBody }: Operation): unknown[] =>
  Object.values(requestBody?.content ?? {}).flatMap(({ example, examples }) =>
    examples ? Object.values(examples).map(({ value }) => value) : [example],
  );

it('docs/openapi.json is what the program says', async () => {
  const { json } = await bridge.program.get('/docs-json');
  // Where this fails: npm run openapi
  expect(json, 'docs/openapi.json is old. Write it anew: npm run openapi').toEqual(written);
});

it('the two calls of the README go both ways as /docs shows them', async () => {
  const example = (path: string) => examplesOf(written.paths[path]!['post']!)[0];
  // Telegram knows nobody of this number until he has written.
  const conversation = await Conversation.begin(bridge, 123456);
  expect((await bridge.program.post('/tg/webhook', example('/tg/webhook'))).status).toBe(200);
  await conversation.becomes('Hello!', 'delivered');
  const answer = await bridge.program.post(`/b24/handler?secret=${HANDLER_SECRET}`, example('/b24/handler'));
  expect(answer.status).toBe(200);
  await conversation.becomes('Hello', 'delivered');
  expect(conversation.reached).toEqual(['Hello']);
});

it('every body has an example, and no example is refused for its form', async () => {
  // A file has no form.
  const changes = operations.filter(
    ({ operation: { requestBody } }) => requestBody && !('application/octet-stream' in requestBody.content),
  );
  expect(changes.length).toBeGreaterThan(8);
  for (const { path, method, operation } of changes) {
    const examples = examplesOf(operation);
    expect(examples.length, `${method} ${path}`).toBeGreaterThan(0);
    for (const example of examples) {
      expect(example, `${method} ${path}`).toBeTypeOf('object');
      if (!path.startsWith('/admin')) continue;
      const { status, text } = await bridge.program.admin(method, numbered(path).replace('/admin', ''), example);
      expect(status, `${method} ${path}: ${text}`).not.toBe(400);
    }
  }
});

it('answers look as they are described', async () => {
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema(written, 'openapi');
  const described = operations.flatMap(({ path, method, operation }) => {
    const schema = operation.responses['200']?.content?.['application/json']?.schema?.$ref;
    return method === 'GET' && path.startsWith('/admin') && schema ? [{ path: numbered(path), schema }] : [];
  });
  expect(described.length).toBeGreaterThan(9);
  for (const { path, schema } of described) {
    const { status, json, text } = await bridge.program.admin('GET', path.replace('/admin', ''));
    const problem = status !== 200;
    const validate = ajv.compile({ $ref: `openapi${problem ? '#/components/schemas/Problem' : schema}` });
    expect(validate(json), `${path} ${status} ${ajv.errorsText(validate.errors)}: ${text.slice(0, 300)}`).toBe(true);
  }
});

/** With ids of things that a new installation has. */
function numbered(path: string): string {
  return path.replace('{lineId}', '7').replaceAll(/\{\w+\}/g, '1');
}
