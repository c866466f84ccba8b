import { Body, Controller, Get, Module, Post, Query } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ListQuery } from './admin/admin.dto.js';
import { APP_OPTIONS, configureApp, createAdapter } from './app.setup.js';
import { Environment, readEnvironment } from './config/environment.js';
import { MetricsService } from './observability/metrics.service.js';
import { ShutdownState } from './observability/shutdown-state.js';

const observed: string[] = [];

@Controller()
class ProbeController {
  @Post('echo')
  echo(@Body() body: unknown) {
    return { body };
  }

  @Get('list')
  list(@Query() query: ListQuery) {
    return query;
  }

  @Get('broken')
  broken() {
    throw new Error('relation "tokens" is on fire');
  }

  @Get('away')
  away() {
    throw Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), { code: 'ECONNREFUSED' });
  }
}

@Module({
  controllers: [ProbeController],
  providers: [
    ShutdownState,
    { provide: Environment, useValue: readEnvironment({}) },
    {
      provide: MetricsService,
      useValue: { observeRequest: (request: { url: string }) => void observed.push(request.url) },
    },
  ],
})
class ProbeModule {}

describe('the application', () => {
  let app: NestFastifyApplication;

  beforeAll(async () => {
    app = await NestFactory.create<NestFastifyApplication>(ProbeModule, createAdapter(readEnvironment({})), {
      ...APP_OPTIONS,
      logger: false,
    });
    await configureApp(app).init();
    await app.getHttpAdapter().getInstance().ready();
  });
  afterAll(() => app.close());

  const post = (payload: string, type: string) =>
    app.inject({ method: 'POST', url: '/echo', headers: { 'content-type': type }, payload });
  const FORM = 'application/x-www-form-urlencoded';

  it('reads nested forms the PHP way, as deep as Bitrix24 writes them', async () => {
    const answer = await post(
      'data[MESSAGES][0][message][files][0][name]=a%20b&auth[member_id]=m&x[]=1&x[]=2',
      `${FORM}; charset=UTF-8`,
    );
    expect(answer.json()).toEqual({
      body: {
        data: { MESSAGES: [{ message: { files: [{ name: 'a b' }] } }] },
        auth: { member_id: 'm' },
        x: ['1', '2'],
      },
    });
  });

  it('refuses a form that it would have to cut off', async () => {
    const answer = await post(Array.from({ length: 10_001 }, (_, index) => `p${index}=1`).join('&'), FORM);
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'broken_form']);
  });

  it('reads JSON, and nothing as nothing', async () => {
    expect((await post('{"a":[1]}', 'application/json')).json()).toEqual({ body: { a: [1] } });
    expect((await post('', 'application/json')).statusCode).toBe(201);
  });

  it.each([
    ['broken JSON', () => post('{"a":', 'application/json'), 400, 'broken_json'],
    ['a body that is too large', () => post(`"${'x'.repeat(2_200_000)}"`, 'application/json'), 413, 'body_too_large'],
    ['a type nobody reads', () => post('<a/>', 'text/xml'), 415, 'unsupported_media_type'],
    ['a route that is none', () => app.inject('/nowhere'), 404, 'not_found'],
    ['an address that is none', () => app.inject('/%zz'), 400, 'bad_request'],
    ['a parameter that is wrong', () => app.inject('/list?limit=0'), 400, 'invalid_request'],
    ['a database that is away', () => app.inject('/away'), 503, 'storage_unavailable'],
  ] as const)('answers %s with a problem', async (_name, call, status, code) => {
    const answer = await call();
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json()).toMatchObject({
      type: 'about:blank',
      status,
      code,
      title: expect.any(String),
      detail: expect.any(String),
    });
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
  });

  it('hides what was not expected behind an id', async () => {
    const answer = await app.inject('/broken');
    expect(answer.statusCode).toBe(500);
    expect(answer.json()).toMatchObject({ code: 'internal_error', id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(answer.body).not.toContain('tokens');
  });

  it('answers with the id of the request: the one that was asked for, or a new one', async () => {
    const idOf = async (url: string, asked?: string) => {
      const { headers } = await app.inject({ url, headers: asked === undefined ? {} : { 'x-request-id': asked } });
      return headers['x-request-id'];
    };
    for (const url of ['/list', '/nowhere', '/%zz']) {
      expect(await idOf(url, 'Root=1-67891233-abc.def_0')).toBe('Root=1-67891233-abc.def_0');
      for (const unfit of [undefined, '', 'two words', 'a"b', '1:token', 'x'.repeat(129)]) {
        expect(await idOf(url, unfit)).toMatch(/^[0-9a-f-]{36}$/);
      }
    }
    const broken = await app.inject({ url: '/broken', headers: { 'x-request-id': 'abc' } });
    expect(broken.json()).toMatchObject({ id: 'abc' });
  });

  it('forbids frames, sniffing and referrers, except where a page says otherwise', async () => {
    const { headers } = await app.inject('/list');
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
  });

  it('serves its documentation without anything from elsewhere', async () => {
    const page = await app.inject('/docs');
    expect(page.statusCode).toBe(200);
    expect(page.body).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    expect(page.headers['content-security-policy']).toContain("default-src 'self'");
    expect((await app.inject('/docs-json')).json().openapi).toMatch(/^3\./);
  });

  it('shows every request to the metrics', async () => {
    observed.length = 0;
    await app.inject('/list');
    expect(observed).toEqual(['/list']);
  });
});
