import { readdirSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { load } from 'js-yaml';
import { describe, expect, it } from 'vitest';

const CHART = new URL('../../deploy/helm/telegram-openlines/', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, CHART), 'utf8');
const templates = readdirSync(new URL('templates/', CHART)).map((name) => ({ name, text: read(`templates/${name}`) }));
const values = load(read('values.yaml')) as Record<string, unknown>;
const schema = JSON.parse(read('values.schema.json')) as { properties: Record<string, unknown> };
const actions = (text: string) => [...text.matchAll(/\{\{-?\s*(.*?)\s*-?\}\}/gs)].map(([, action]) => action!);

/** The value at a path such as `ingress.host`; undefined: there is none. */
const valueAt = (path: string) =>
  path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], values);

/** A template without its template language: what is left must be YAML. Both sides of every condition stay. */
function skeletonOf(text: string): string {
  const lines = text.split('\n').filter((line) => !/^\s*\{\{-?.*\}\}\s*$/.test(line));
  return lines.map((line) => line.replaceAll(/\{\{-?.*?-?\}\}/g, 'x')).join('\n');
}

describe('the Helm chart', () => {
  it('has the version of the program', () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(load(read('Chart.yaml'))).toMatchObject({
      apiVersion: 'v2',
      name: 'telegram-openlines',
      appVersion: version,
    });
  });

  it('has values that its schema takes, and a schema that refuses others', () => {
    const validate = new Ajv({ strict: false }).compile(schema);
    expect(validate(values), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ ...values, replicas: 2 })).toBe(false);
    expect(validate({ ...values, env: { 'not-a-variable': 'x' } })).toBe(false);
    expect(
      Object.keys(schema.properties)
        .filter((name) => name !== 'global')
        .toSorted(),
    ).toEqual(Object.keys(values).toSorted());
  });

  it('names only values that exist, and uses every one', () => {
    const used = templates.flatMap(({ text }) =>
      actions(text).flatMap((action) => [...action.matchAll(/\.Values\.([A-Za-z.]+)/g)].map(([, path]) => path!)),
    );
    expect(used.length).toBeGreaterThan(30);
    expect(used.filter((path) => valueAt(path) === undefined)).toEqual([]);
    const leaves = Object.entries(values).flatMap(([name, value]) =>
      [
        'image',
        'service',
        'ingress',
        'podDisruptionBudget',
        'serviceAccount',
        'serviceMonitor',
        'networkPolicy',
      ].includes(name)
        ? Object.keys(value as object).map((key) => `${name}.${key}`)
        : [name],
    );
    expect(leaves.filter((path) => !used.includes(path))).toEqual([]);
    const readme = read('README.md');
    expect(Object.keys(values).filter((name) => !readme.includes(`\`${name}`))).toEqual([]);
  });

  it.each(templates)('$name opens and closes its blocks, and includes what is defined', ({ text }) => {
    let open = 0;
    for (const action of actions(text)) {
      if (/^(if|with|range|define)\b/.test(action)) open++;
      if (/^end\b/.test(action)) open--;
      expect(open).toBeGreaterThanOrEqual(0);
    }
    expect(open).toBe(0);
    const defined = templates.flatMap((each) => [...each.text.matchAll(/define "([^"]+)"/g)].map(([, name]) => name));
    const included = [...text.matchAll(/include "([^"]+)"/g)].map(([, name]) => name);
    expect(included.filter((name) => !defined.includes(name))).toEqual([]);
  });

  it.each(templates.filter(({ name }) => name.endsWith('.yaml')))('$name is YAML around its templates', ({ text }) => {
    expect(load(skeletonOf(text))).toMatchObject({ apiVersion: expect.any(String), kind: expect.any(String) });
  });

  it('speaks of variables that the program knows', () => {
    const known = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8');
    const named = `${read('values.yaml')}${read('README.md')}`.match(
      /\b(?:TG|B24|PUBLIC|DATABASE|ADMIN|ENCRYPTION)_[A-Z0-9_]+\b/g,
    )!;
    expect(named.filter((name) => !known.includes(name))).toEqual([]);
  });

  it('asks the probes that exist', () => {
    const { paths } = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')) as {
      paths: Record<string, unknown>;
    };
    const deployment = templates.find(({ name }) => name === 'deployment.yaml')!.text;
    for (const [, path] of deployment.matchAll(/^\s+path: (\S+)$/gm)) expect(Object.keys(paths)).toContain(path);
  });

  it('runs an image that starts the program as npm does, within the memory that it grants', () => {
    const file = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
    const { start } = (JSON.parse(file('package.json')) as { scripts: { start: string } }).scripts;
    const dockerfile = file('Dockerfile');
    const [, options] = /NODE_OPTIONS="([^"]*)"/.exec(dockerfile)!;
    const command = JSON.parse(/^CMD (.*)$/m.exec(dockerfile)![1]!) as string[];
    expect([command[0], options, ...command.slice(1)].join(' ')).toBe(start);
    const [, heapMiB] = /--max-old-space-size=(\d+)/.exec(options!)!;
    const { resources } = values as { resources: { limits: { memory: string } } };
    // The rest is code, young objects, buffers: some 100 MiB.
    expect(Number(heapMiB) + 100).toBeLessThan(parseInt(resources.limits.memory, 10));
  });
});
