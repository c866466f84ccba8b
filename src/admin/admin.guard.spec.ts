import type { ExecutionContext } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { Problem } from '../common/problem.js';
import { AdminKey } from '../storage/storage.module.js';
import { AdminGuard } from './admin.guard.js';

function call(guard: AdminGuard, authorization: string | undefined, ip = '10.0.0.1') {
  const headers: Record<string, string> = {};
  const reply = { header: (name: string, value: string) => (headers[name] = value) };
  const request = { method: 'GET', ip, headers: { authorization } };
  const http = { getRequest: () => request, getResponse: () => reply };
  const context = { switchToHttp: () => http, getHandler: () => call, getClass: () => AdminGuard };
  try {
    return { let: guard.canActivate(context as unknown as ExecutionContext), headers };
  } catch (error) {
    return { problem: error as Problem, headers };
  }
}

describe('AdminGuard', () => {
  const guard = () => new AdminGuard(new AdminKey('the-key'));

  it('lets the key in, whatever the case of the scheme', () => {
    expect(call(guard(), 'Bearer the-key').let).toBe(true);
    expect(call(guard(), 'bearer the-key').let).toBe(true);
  });

  it.each([
    undefined,
    '',
    'the-key',
    'Basic the-key',
    'Bearer',
    'Bearer ',
    'Bearer the-ke',
    'Bearer the-key2',
    'Bearer the-key x',
  ])('refuses %j with 401 and says how to log in', (authorization) => {
    const { problem, headers } = call(guard(), authorization);
    expect(problem?.getStatus()).toBe(401);
    expect(headers['www-authenticate']).toContain('Bearer');
  });

  it('stops to look at keys from an address that guesses, and only from it', () => {
    const one = guard();
    for (let guess = 0; guess < 20; guess++) expect(call(one, `Bearer ${guess}`).problem?.getStatus()).toBe(401);
    const refused = call(one, 'Bearer the-key');
    expect(refused.problem?.getStatus()).toBe(429);
    expect(refused.problem?.extra.retryAfter).toBe(1);
    expect(call(one, 'Bearer the-key', '10.0.0.2').let).toBe(true);
  });

  it('bounds how fast the right key may ask', () => {
    const one = guard();
    const answers = Array.from({ length: 260 }, () => call(one, 'Bearer the-key'));
    expect(answers.slice(0, 200).every((answer) => answer.let)).toBe(true);
    expect(answers.at(-1)?.problem?.getStatus()).toBe(429);
  });
});
