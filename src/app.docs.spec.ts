import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface Schema {
  $ref?: string;
  type?: string | string[];
  items?: Schema;
  properties?: Record<string, Schema>;
  [keyword: string]: unknown;
}
interface Operation {
  responses: Record<string, { content?: Record<string, { schema?: Schema }> }>;
}

const { paths, components } = JSON.parse(readFileSync(new URL('../docs/openapi.json', import.meta.url), 'utf8')) as {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
};

const API = /^\/(?:admin|b24\/settings\/api)\//;
const operations = Object.entries(paths)
  .filter(([path]) => API.test(path))
  .flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { responses }]) => ({ name: `${method} ${path}`, responses })),
  );

it('sees the operations of the admin API and of the settings page', () => {
  expect(operations.length).toBeGreaterThan(45);
});

it.each(operations)('$name says what it answers', ({ responses }) => {
  const successes = Object.entries(responses).filter(([status]) => status.startsWith('2'));
  expect(successes).not.toEqual([]);
  for (const [status, { content }] of successes) {
    if (status === '204') expect(content).toBeUndefined();
    else expect(Object.values(content ?? {}).filter(({ schema }) => saysSomething(schema)).length).toBeGreaterThan(0);
  }
});

it('every answer names the type of each of its properties', () => {
  const vague = Object.entries(components.schemas).flatMap(([name, { properties }]) =>
    Object.entries(properties ?? {}).flatMap(([property, schema]) =>
      saysSomething(schema) ? [] : `${name}.${property}`,
    ),
  );
  expect(vague).toEqual([]);
});

/** An object without properties says nothing, unless it is said that it has any. */
function saysSomething(schema: Schema | undefined): boolean {
  if (!schema) return false;
  if (schema.type === 'array') return saysSomething(schema.items);
  if (schema.type !== 'object') return ['$ref', 'type', 'allOf', 'anyOf', 'oneOf'].some((keyword) => keyword in schema);
  return Object.keys(schema.properties ?? {}).length > 0 || schema['additionalProperties'] !== undefined;
}
