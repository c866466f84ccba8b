import { describe, expect, it } from 'vitest';
import type { ProblemTable } from '../common/delivery-problem.js';
import { DeliveryProblems } from './delivery-problems.js';

const TABLE: ProblemTable = {
  bot_blocked: { kind: 'refused', scope: 'chat', reason: { en: 'blocked', ru: 'заблокирован' } },
  busy: { kind: 'not_sent', scope: 'endpoint' },
};

describe('the problems of all networks', () => {
  it('are told in the language of the reader, those without words not at all', () => {
    const problems = new DeliveryProblems();
    problems.register(TABLE);
    expect(problems.reason('bot_blocked', 'en')).toBe('blocked');
    expect(problems.reason('bot_blocked', 'ru')).toBe('заблокирован');
    expect(problems.reason('busy', 'en')).toBeUndefined();
    expect(problems.reason('never heard of', 'en')).toBeUndefined();
  });

  it('knows what the program itself finds', () => {
    expect(new DeliveryProblems().reason('unknown_chat', 'ru')).toContain('не знает этого клиента');
  });

  it('has one home for each reason', () => {
    const problems = new DeliveryProblems();
    problems.register(TABLE);
    expect(() => problems.register(TABLE)).toThrow('bot_blocked');
  });
});
