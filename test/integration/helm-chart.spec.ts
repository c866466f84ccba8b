import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { load, loadAll } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CHART = path.join(ROOT, 'deploy/helm/telegram-openlines');
const textOf = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');
const read = (file: string) => readFileSync(path.join(CHART, file), 'utf8');
const isThere = (program: string, ...args: string[]) => spawnSync(program, args).status === 0;

type Tree = Record<string, any>;
const values = load(read('values.yaml')) as Tree;
const schema = JSON.parse(read('values.schema.json')) as { properties: Tree };

describe('the Helm chart', () => {
  it('has the version of the program', () => {
    const { version } = JSON.parse(textOf('package.json')) as { version: string };
    expect(load(read('Chart.yaml'))).toMatchObject({
      apiVersion: 'v2',
      name: 'telegram-openlines',
      appVersion: version,
    });
  });

  it('has values that its schema takes, a schema that refuses others, and a line about each', () => {
    const validate = new Ajv({ strict: false }).compile(schema);
    expect(validate(values), JSON.stringify(validate.errors)).toBe(true);
    for (const wrong of [
      { replicas: 2 },
      { env: { 'not-a-variable': 'x' } },
      { env: { PORT: '80' } },
      { secretEnv: { HOST: '127.0.0.1' } },
      { extraEnv: [{ name: 'PORT', value: '80' }] },
      { extraEnv: [{ name: 'A', valuesFrom: {} }] },
      { image: { repository: 'r', digest: 'latest' } },
    ])
      expect(validate({ ...values, ...wrong }), JSON.stringify(wrong)).toBe(false);
    const names = Object.keys(schema.properties).filter((name) => name !== 'global');
    expect(names.toSorted()).toEqual(Object.keys(values).toSorted());
    const readme = read('README.md');
    expect(names.filter((name) => !readme.includes(`\`${name}`))).toEqual([]);
  });

  it('speaks of variables that the program knows', () => {
    const known = textOf('.env.example');
    const named = `${read('values.yaml')}${read('README.md')}`.match(
      /\b(?:TG|B24|PUBLIC|DATABASE|ADMIN|ENCRYPTION|METRICS)_[A-Z0-9_]+\b/g,
    )!;
    expect(named.filter((name) => !known.includes(name))).toEqual([]);
  });

  it('names every secret that the program takes, among the values and for a Secret of one’s own', () => {
    const secrets = textOf('.env.example').match(/^#? ?(?:TG|B24|ADMIN|ENCRYPTION)_\w*(?:TOKEN|SECRET|KEY)(?==)/gm)!;
    const names = secrets.map((line) => line.replace(/^# ?/, ''));
    expect(names).toContain('TG_MANAGER_BOT_TOKEN');
    expect(names.filter((name) => !read('values.yaml').includes(`#   ${name}: `))).toEqual([]);
    expect(names.filter((name) => !read('README.md').includes(name))).toEqual([]);
  });

  it('runs an image that starts the program as npm does, within the memory that it grants', () => {
    const { start } = (JSON.parse(textOf('package.json')) as { scripts: { start: string } }).scripts;
    const dockerfile = textOf('Dockerfile');
    const [, options] = /NODE_OPTIONS="([^"]*)"/.exec(dockerfile)!;
    const command = JSON.parse(/^CMD (.*)$/m.exec(dockerfile.slice(dockerfile.lastIndexOf('FROM ')))![1]!) as string[];
    expect([command[0], options, ...command.slice(1)].join(' ')).toBe(start);
    const [, heapMiB] = /--max-old-space-size=(\d+)/.exec(options!)!;
    const { resources } = values as { resources: { limits: { memory: string } } };
    // The rest is code, young objects, buffers: some 100 MiB.
    expect(Number(heapMiB) + 100).toBeLessThan(parseInt(resources.limits.memory, 10));
  });
});

describe.skipIf(!isThere('helm', 'version'))('the rendered chart (needs helm)', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'helm-chart-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const SECRETS: Tree = { existingSecret: 'bridge' };

  interface Said {
    status: number | null;
    stdout: string;
    stderr: string;
  }
  const saidBefore = new Map<string, Said>();

  function helm(command: 'template' | 'lint', given: Tree): Said {
    const asked = `${command} ${JSON.stringify(given)}`;
    if (!saidBefore.has(asked)) saidBefore.set(asked, ask(command, given));
    return saidBefore.get(asked)!;
  }

  function ask(command: 'template' | 'lint', given: Tree): Said {
    const file = path.join(folder, 'values.json');
    writeFileSync(file, JSON.stringify(given));
    const { status, stdout, stderr } = spawnSync(
      'helm',
      // Of itself an old helm renders for the Kubernetes of its own days.
      command === 'template'
        ? ['template', 'acme', CHART, '--namespace=chats', '--kube-version=1.30', `--values=${file}`]
        : [command, CHART, `--values=${file}`],
      { encoding: 'utf8' },
    );
    return { status, stdout, stderr };
  }

  /** Every object that the chart makes, by kind; the Service of metrics is `MetricsService`. */
  function render(given: Tree): Record<string, Tree> {
    const { status, stdout, stderr } = helm('template', given);
    expect(status, stderr).toBe(0);
    const objects = (loadAll(stdout) as (Tree | null)[]).filter((object) => object !== null);
    return Object.fromEntries(
      objects.map((object) => [
        (object['metadata'].name as string).endsWith('-metrics') ? `Metrics${object['kind']}` : object['kind'],
        object,
      ]),
    );
  }

  const podOf = (given: Tree): Tree => render(given)['Deployment']!['spec'].template.spec;
  const containerOf = (given: Tree): Tree => podOf(given)['containers'][0];
  const variablesOf = (given: Tree): Tree =>
    Object.fromEntries((containerOf(given)['env'] as Tree[]).map(({ name, ...source }) => [name, source]));

  it('is liked by helm', () => {
    const { status, stdout } = helm('lint', SECRETS);
    expect(status, stdout).toBe(0);
  });

  it('needs its secrets from somewhere', () => {
    expect(helm('template', {}).stderr).toContain('Set existingSecret, or secretEnv with DATABASE_URL');
  });

  it('makes what it must of nothing but a Secret', () => {
    expect(Object.keys(render(SECRETS)).toSorted()).toEqual([
      'Deployment',
      'MetricsService',
      'PodDisruptionBudget',
      'Service',
      'ServiceAccount',
    ]);
  });

  it('sends Services, monitors and policies to the pods and ports that it makes', () => {
    const made = render({ ...SECRETS, networkPolicy: { enabled: true }, serviceMonitor: { enabled: true } });
    const { Deployment, Service, MetricsService, PodDisruptionBudget, NetworkPolicy, ServiceMonitor } = made;
    const { labels } = Deployment!['spec'].template.metadata;
    for (const selector of [
      Deployment!['spec'].selector.matchLabels,
      Service!['spec'].selector,
      MetricsService!['spec'].selector,
      PodDisruptionBudget!['spec'].selector.matchLabels,
      NetworkPolicy!['spec'].podSelector.matchLabels,
    ])
      expect(labels).toMatchObject(selector);
    const names = (ports: Tree[], key = 'name') => ports.map((port) => port[key]);
    expect(names(containerOf(SECRETS)['ports'])).toEqual(['http', 'metrics']);
    expect(names(Service!['spec'].ports, 'targetPort')).toEqual(['http']);
    expect(names(MetricsService!['spec'].ports, 'targetPort')).toEqual(['metrics']);
    expect(
      names(
        NetworkPolicy!['spec'].ingress.flatMap(({ ports }: Tree) => ports),
        'port',
      ),
    ).toEqual(['http', 'metrics']);
    const monitored = ServiceMonitor!['spec'].selector.matchLabels;
    expect(MetricsService!['metadata'].labels).toMatchObject(monitored);
    expect(Service!['metadata'].labels).not.toMatchObject(monitored);
    expect(names(MetricsService!['spec'].ports)).toEqual(names(ServiceMonitor!['spec'].endpoints, 'port'));
  });

  it('keeps metrics at a port of their own', () => {
    const given = { ...SECRETS, metricsPort: 9999 };
    expect(variablesOf(given)['METRICS_PORT']).toEqual({ value: '9999' });
    expect(containerOf(given)['ports']).toContainEqual({ name: 'metrics', containerPort: 9999 });
    expect(render(given)['MetricsService']!['spec']).toMatchObject({ clusterIP: 'None', ports: [{ port: 9999 }] });
    const metricsFrom = [{ namespaceSelector: {} }];
    const { NetworkPolicy } = render({ ...SECRETS, networkPolicy: { enabled: true, metricsFrom } });
    expect(NetworkPolicy!['spec'].ingress).toEqual([
      { ports: [{ port: 'http' }] },
      { ports: [{ port: 'metrics' }], from: metricsFrom },
    ]);
  });

  it('asks the probes that exist, and waits an hour for a migration', () => {
    const { paths } = JSON.parse(textOf('docs/openapi.json')) as { paths: Tree };
    const { startupProbe, livenessProbe, readinessProbe } = containerOf(SECRETS);
    for (const probe of [startupProbe, livenessProbe, readinessProbe]) {
      expect(Object.keys(paths)).toContain(probe.httpGet.path);
      expect(probe.httpGet.port).toBe('http');
    }
    const seconds = startupProbe.periodSeconds * startupProbe.failureThreshold;
    expect(seconds).toBeGreaterThanOrEqual(3_600);
    expect(render(SECRETS)['Deployment']!['spec'].progressDeadlineSeconds).toBeGreaterThan(seconds);
  });

  it('spreads replicas over nodes and zones, as far as there are any', () => {
    const { topologySpreadConstraints } = podOf(SECRETS);
    expect(topologySpreadConstraints.map(({ topologyKey }: Tree) => topologyKey)).toEqual([
      'kubernetes.io/hostname',
      'topology.kubernetes.io/zone',
    ]);
    const { labels } = render(SECRETS)['Deployment']!['spec'].template.metadata;
    for (const { whenUnsatisfiable, labelSelector } of topologySpreadConstraints) {
      expect(whenUnsatisfiable).toBe('ScheduleAnyway');
      expect(labels).toMatchObject(labelSelector.matchLabels);
    }
    expect(podOf({ ...SECRETS, topologySpreadConstraints: [] })).not.toHaveProperty('topologySpreadConstraints');
    const own = { maxSkew: 2, topologyKey: 'rack', whenUnsatisfiable: 'DoNotSchedule' };
    const labelSelector = { matchLabels: { of: 'others' } };
    expect(
      podOf({ ...SECRETS, topologySpreadConstraints: [{ ...own, labelSelector }] })['topologySpreadConstraints'],
    ).toEqual([{ ...own, labelSelector }]);
  });

  it('gives variables as they were written', () => {
    const env = { B24_LINE_ID: 1000000, B24_REQUESTS_PER_SECOND: 0.5, TG_USE_POLLING: false, B24_DOMAIN: 'a: {{ "b' };
    expect(variablesOf({ ...SECRETS, env })).toMatchObject({
      B24_LINE_ID: { value: '1000000' },
      B24_REQUESTS_PER_SECOND: { value: '0.5' },
      TG_USE_POLLING: { value: 'false' },
      B24_DOMAIN: { value: 'a: {{ "b' },
    });
    expect(render({ secretEnv: { B24_CLIENT_ID: 12345678, ADMIN_API_KEY: '0123' } })['Secret']!['stringData']).toEqual({
      B24_CLIENT_ID: '12345678',
      ADMIN_API_KEY: '0123',
    });
  });

  it.each(['PORT', 'METRICS_PORT', 'HOST', 'NODE_ENV'])('refuses %s, which belongs to the chart', (name) => {
    expect(helm('template', { ...SECRETS, env: { [name]: '1' } }).status).toBe(1);
    expect(helm('template', { ...SECRETS, secretEnv: { [name]: '1' } }).status).toBe(1);
    expect(helm('template', { ...SECRETS, extraEnv: [{ name, value: '1' }] }).status).toBe(1);
  });

  it('takes secrets from a Secret that exists, from values, and from single keys, at the same time', () => {
    const valueFrom = { secretKeyRef: { name: 'db-app', key: 'password' } };
    const given = {
      existingSecret: 'bridge',
      secretEnv: { TG_BOT_TOKEN: '1:a' },
      extraEnv: [{ name: 'PGPASSWORD', valueFrom }],
      envFrom: [{ configMapRef: { name: 'settings' } }],
    };
    expect(containerOf(given)['envFrom']).toEqual([
      { configMapRef: { name: 'settings' } },
      { secretRef: { name: 'bridge' } },
      { secretRef: { name: 'acme-telegram-openlines' } },
    ]);
    expect(render(given)['Secret']).toMatchObject({
      metadata: { name: 'acme-telegram-openlines' },
      stringData: { TG_BOT_TOKEN: '1:a' },
    });
    expect(variablesOf(given)['PGPASSWORD']).toEqual({ valueFrom });
    expect(containerOf({ extraEnv: given.extraEnv })).not.toHaveProperty('envFrom');
  });

  it('pins an image by its digest', () => {
    const digest = `sha256:${'0a'.repeat(32)}`;
    const image = { repository: 'registry.example.com/bridge', tag: '1.2.3' };
    expect(containerOf({ ...SECRETS, image })['image']).toBe('registry.example.com/bridge:1.2.3');
    expect(containerOf({ ...SECRETS, image: { ...image, digest } })['image']).toBe(
      `registry.example.com/bridge@${digest}`,
    );
  });

  it('lets a pod be left out everywhere before it ends, and end in order', () => {
    const { lifecycle } = containerOf(SECRETS);
    const [program, seconds] = lifecycle.preStop.exec.command;
    expect(program).toBe('sleep');
    expect(podOf(SECRETS)['terminationGracePeriodSeconds']).toBeGreaterThan(Number(seconds) + 10);
    expect(containerOf({ ...SECRETS, preStopSeconds: 0 })).not.toHaveProperty('lifecycle');
    expect(helm('template', { ...SECRETS, preStopSeconds: 20 }).stderr).toContain('at least preStopSeconds + 11');
    expect(render(SECRETS)['Deployment']!['spec'].minReadySeconds).toBe(10);
  });

  it('publishes nothing for administrators and machines', () => {
    const { Ingress } = render({ ...SECRETS, ingress: { enabled: true, host: 'bridge.example.com' } });
    const paths = (Ingress!['spec'].rules[0].http.paths as Tree[]).map((each) => each['path']);
    expect(paths).toEqual(['/b24', '/tg', '/files', '/web']);
  });

  it('brings the alerts and the dashboard along, as they are', () => {
    const { PrometheusRule, ConfigMap } = render({
      ...SECRETS,
      prometheusRule: { enabled: true, labels: { release: 'prometheus' } },
      dashboard: { enabled: true },
    });
    expect(PrometheusRule!['spec']).toEqual(load(textOf('deploy/prometheus/alerts.yml')));
    expect(PrometheusRule!['metadata'].labels).toMatchObject({ release: 'prometheus' });
    expect(ConfigMap!['metadata'].labels).toMatchObject({ grafana_dashboard: '1' });
    expect(Object.values(ConfigMap!['data'] as Tree).map((text) => JSON.parse(text as string))).toEqual([
      JSON.parse(textOf('deploy/grafana/dashboard.json')),
    ]);
  });

  it.skipIf(!isThere('promtool', '--version'))('has rules that Prometheus takes (needs promtool)', () => {
    const { PrometheusRule } = render({ ...SECRETS, prometheusRule: { enabled: true } });
    const file = path.join(folder, 'rules.json');
    writeFileSync(file, JSON.stringify(PrometheusRule!['spec']));
    expect(execFileSync('promtool', ['check', 'rules', file], { encoding: 'utf8' })).toMatch(
      /SUCCESS: \d+ rules found/,
    );
  });

  // Every value, other than by default.
  const OTHER: Tree = {
    replicaCount: 5,
    image: { repository: 'r', tag: '2', digest: `sha256:${'1'.repeat(64)}`, pullPolicy: 'Always' },
    imagePullSecrets: [{ name: 'pull' }],
    nameOverride: 'name',
    fullnameOverride: 'full',
    env: { B24_LINE_ID: '1' },
    existingSecret: 'bridge',
    secretEnv: { TG_BOT_TOKEN: '1:a' },
    extraEnv: [{ name: 'A', value: 'b' }],
    envFrom: [{ secretRef: { name: 's' } }],
    service: { type: 'NodePort', port: 81, annotations: { a: 'b' } },
    ingress: {
      enabled: true,
      className: 'c',
      annotations: { a: 'b' },
      host: 'h',
      paths: ['/p'],
      tlsSecret: 't',
    },
    resources: { limits: { memory: '1Gi' } },
    tmpSizeLimit: '3Gi',
    podDisruptionBudget: { enabled: false, maxUnavailable: 2 },
    serviceAccount: { create: false, name: 'n', annotations: { a: 'b' } },
    podSecurityContext: { runAsUser: 1001 },
    securityContext: { privileged: false },
    serviceMonitor: { enabled: true, interval: '31s', labels: { a: 'b' } },
    prometheusRule: { enabled: true, labels: { a: 'b' } },
    dashboard: { enabled: true, labels: { a: 'b' }, annotations: { a: 'b' } },
    networkPolicy: {
      enabled: true,
      from: [{ podSelector: {} }],
      metricsFrom: [{ podSelector: {} }],
      egress: [{ to: [] }],
      outPorts: [1],
    },
    metricsPort: 9465,
    preStopSeconds: 6,
    terminationGracePeriodSeconds: 31,
    minReadySeconds: 11,
    startupProbe: { periodSeconds: 6, failureThreshold: 721 },
    podAnnotations: { a: 'b' },
    podLabels: { a: 'b' },
    nodeSelector: { a: 'b' },
    tolerations: [{ key: 'a' }],
    affinity: { nodeAffinity: {} },
    topologySpreadConstraints: [{ topologyKey: 'rack' }],
    extraVolumes: [{ name: 'v' }],
    extraVolumeMounts: [{ name: 'v', mountPath: '/v' }],
  };
  /** What must be so for a value to be seen at all. */
  const SEEN_WITH: Record<string, Tree> = {
    'image.tag': { image: { ...OTHER['image'], digest: '' } },
    nameOverride: { fullnameOverride: '' },
    'podDisruptionBudget.maxUnavailable': { podDisruptionBudget: { enabled: true, maxUnavailable: 2 } },
    'serviceAccount.annotations': { serviceAccount: { ...OTHER['serviceAccount'], create: true } },
  };
  const MAPS_OF_VALUES = Object.keys(values).filter((name) => schema.properties[name]['properties'] !== undefined);
  const leaves = Object.keys(values).flatMap((name) =>
    MAPS_OF_VALUES.includes(name) ? Object.keys(values[name]).map((key) => `${name}.${key}`) : [name],
  );

  it.each(leaves)('%s changes something', (leaf) => {
    const [name, key] = leaf.split('.') as [string, string | undefined];
    const changed = { ...OTHER, ...SEEN_WITH[leaf] };
    const original = key
      ? { ...changed, [name]: { ...changed[name], [key]: values[name][key] } }
      : { ...changed, [name]: values[name] };
    expect(helm('template', changed).stdout).not.toBe(helm('template', original).stdout);
    expect(helm('template', changed).status).toBe(0);
  });
});
