import type { Type } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { Problem } from '../common/problem.js';
import { requestValidation } from '../common/request-validation.js';
import { LineChangeBody } from '../connector/settings/line-change.dto.js';
import { ListQuery } from './admin.dto.js';
import type { Caller } from './access/caller.js';
import { BotChangeBody, NewBotBody } from './connections/bot-bodies.dto.js';
import { LineBody } from './connections/portal-bodies.dto.js';
import { MessagesQuery, ResolveBody, UndeliveredBody } from './history/message-filters.dto.js';
import { messageFilter } from './history/messages.service.js';

const pipe = requestValidation();
const owner: Caller = { name: 'admin', role: 'owner', portalId: null };
const read = <Dto>(metatype: Type<Dto>, value: unknown, type: 'query' | 'body' = 'query') =>
  pipe.transform(value, { type, metatype }) as Promise<Dto>;
const refusal = (metatype: Type, value: unknown) =>
  read(metatype, value).then(
    () => [],
    (error: Problem) => error.extra.errors as string[],
  );

describe('the parameters of lists', () => {
  it('have their defaults, also where a parameter is named without a value', async () => {
    expect(await read(ListQuery, {})).toMatchObject({ limit: 50 });
    const query = await read(MessagesQuery, {
      state: '',
      direction: '',
      q: '',
      chat: '',
      from: '',
      to: '',
      limit: '',
      cursor: '',
    });
    expect(query.limit).toBe(50);
    expect(Object.values(messageFilter(query, owner)).filter((value) => value !== undefined)).toEqual([]);
  });

  it('are converted', async () => {
    const query = await read(MessagesQuery, {
      limit: '200',
      chat: '7',
      state: 'sending',
      from: '2026-11-22T10:00:00+01:00',
    });
    expect(query.limit).toBe(200);
    expect(messageFilter(query, owner)).toMatchObject({
      chatId: 7n,
      states: ['sending'],
      from: new Date('2026-11-22T09:00:00Z'),
    });
  });

  it('take several states', async () => {
    const { state } = await read(MessagesQuery, { state: 'failed,uncertain' });
    expect(state).toEqual(['failed', 'uncertain']);
    const body = await read(UndeliveredBody, { state: 'failed,uncertain', dryRun: true }, 'body');
    expect(body).toEqual({ state, dryRun: true });
    expect((await read(MessagesQuery, { count: '1' })).count).toBe(true);
    for (const none of [{}, { count: '0' }, { count: '' }]) {
      expect((await read(MessagesQuery, none)).count).toBeUndefined();
    }
  });

  it.each([
    [{ limit: '0' }, /at least 1/],
    [{ limit: '201' }, /at most 200/],
    [{ limit: '1.5' }, /whole number/],
    [{ limit: 'many' }, /whole number/],
    [{ state: 'lost' }, /queued, sending, delivered, failed, uncertain, ignored/],
    [{ state: ['failed', 'queued'] }, /queued, sending, delivered, failed, uncertain, ignored/],
    [{ state: 'failed,lost' }, /queued, sending, delivered, failed, uncertain, ignored/],
    [{ around: 'x' }, /around must be an id/],
    [{ count: 'many' }, /count must be 1 or 0/],
    [{ direction: 'sideways' }, /inbound, outbound/],
    [{ chat: '-1' }, /chat must be an id/],
    [{ chat: ['1', '2'] }, /chat must be an id/],
    [{ chat: '9'.repeat(30) }, /chat must be an id/],
    [{ from: 'yesterday' }, /2026-11-22T09:30:00Z/],
    [{ from: '2026-02-31T00:00:00Z' }, /from must be a time/],
    [{ from: '2026-W48' }, /from must be a time/],
    [{ to: '2026-11-22T09' }, /to must be a time/],
    [{ to: ['2026-11-22', '2026-11-23'] }, /to must be a time/],
    [{ q: ['a', 'b'] }, /given once/],
    [{ q: 'x'.repeat(201) }, /200 characters/],
    [{ q: 'a\0b' }, /U\+0000/],
    [{ stat: 'failed' }, /stat is not known here/],
  ])('%j is refused with a reason', async (query, reason) => {
    expect((await refusal(MessagesQuery, query)).join()).toMatch(reason);
  });

  it('are refused with everything that is wrong at once', async () => {
    expect(await refusal(MessagesQuery, { limit: '0', state: 'lost', from: 'x' })).toHaveLength(3);
  });
});

describe('bodies', () => {
  it('take ids as strings and as numbers', async () => {
    expect(await read(LineBody, { lineId: 12 }, 'body')).toEqual({ lineId: '12' });
    expect(await read(NewBotBody, { token: ' 1:A ', portalId: 1, lineId: '2' }, 'body')).toEqual({
      token: '1:A',
      portalId: '1',
      lineId: '2',
      mode: 'polling',
    });
  });

  it('name the operator with a template, or without', async () => {
    const template = { operatorName: 'template', operatorNameTemplate: ' 👩 {first_name} {last_name}, {position}: ' };
    expect(await read(LineChangeBody, template, 'body')).toMatchObject({
      operatorNameTemplate: '👩 {first_name} {last_name}, {position}:',
    });
    for (const operatorName of ['hidden', 'name']) {
      expect(await read(LineChangeBody, { operatorName }, 'body')).toEqual({ operatorName });
      await read(LineChangeBody, { operatorName, operatorNameTemplate: null }, 'body');
    }
  });

  it('tell "take it off its line" from "leave it"', async () => {
    expect(await read(BotChangeBody, { portalId: null, lineId: null }, 'body')).toMatchObject({
      portalId: null,
      lineId: null,
    });
    expect((await read(BotChangeBody, {}, 'body')).lineId).toBeUndefined();
  });

  it.each([
    [NewBotBody, {}],
    [NewBotBody, { token: 'no token' }],
    [NewBotBody, { token: '1:A', mode: 'magic' }],
    [NewBotBody, { token: '1:A', portalId: {} }],
    [BotChangeBody, { enabled: 'yes' }],
    [LineBody, {}],
    [LineBody, { lineId: 'one' }],
    [LineChangeBody, { operatorName: null }],
    [LineChangeBody, { welcomeText: 7 }],
    [LineChangeBody, { welcomeText: 'x'.repeat(2_001) }],
    [LineChangeBody, { startOpensSession: 'yes' }],
    [LineChangeBody, { startOpensSession: null }],
    [LineChangeBody, { welcomeAsksPhone: 'yes' }],
    [LineChangeBody, { welcomeAsksPhone: null }],
    [LineChangeBody, { operatorName: 'shown' }],
    [LineChangeBody, { operatorName: 'template' }],
    [LineChangeBody, { operatorName: 'template', operatorNameTemplate: ' ' }],
    [LineChangeBody, { operatorName: 'template', operatorNameTemplate: 7 }],
    [LineChangeBody, { operatorName: 'template', operatorNameTemplate: '{nmae}:' }],
    [LineChangeBody, { operatorName: 'template', operatorNameTemplate: 'name}' }],
    [LineChangeBody, { operatorName: 'template', operatorNameTemplate: '{name}\n{position}' }],
    [LineChangeBody, { operatorName: 'template', operatorNameTemplate: '👩'.repeat(101) }],
    [LineChangeBody, { operatorName: 'name', operatorNameTemplate: '{email}' }],
    [UndeliveredBody, { state: 'delivered' }],
    [UndeliveredBody, { sate: 'failed' }],
    [UndeliveredBody, { dryRun: 'yes' }],
    [ResolveBody, {}],
    [ResolveBody, { outcome: 'uncertain' }],
    [ResolveBody, { outcome: 'delivered', state: 'uncertain' }],
  ] as [Type, object][])('%o refuses %j', async (metatype, body) => {
    expect(await refusal(metatype, body)).not.toEqual([]);
  });
});
