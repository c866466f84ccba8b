import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { RestClient } from '../../bitrix/rest.client.js';
import { OperatorsService } from './operators.service.js';

const SAMANTHA = { ID: '27', NAME: 'Samantha', LAST_NAME: 'Johnson', WORK_POSITION: 'Sales' };

const call = vi.fn<(portalId: bigint, method: string, params: { ID: string }) => Promise<{ result: unknown }>>();
let operators: OperatorsService;

beforeEach(() => {
  Logger.overrideLogger(false);
  vi.useFakeTimers();
  call.mockReset().mockResolvedValue({ result: [SAMANTHA] });
  operators = new OperatorsService({ call } as unknown as RestClient);
});

afterEach(() => void vi.useRealTimers());

it('asks the portal once for all, and again after an hour', async () => {
  const found = await Promise.all([operators.find(1n, '27'), operators.find(1n, '27')]);
  expect(found[0]).toEqual({ firstName: 'Samantha', lastName: 'Johnson', position: 'Sales' });
  expect(found[1]).toEqual(found[0]);
  expect(call.mock.calls.map(([portal, method, params]) => [portal, method, params])).toEqual([
    [1n, 'user.get', { ID: '27' }],
  ]);
  await vi.advanceTimersByTimeAsync(3_599_000);
  await operators.find(1n, '27');
  expect(call).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(2_000);
  await operators.find(1n, '27');
  expect(call).toHaveBeenCalledTimes(2);
});

it('keeps portals and operators apart', async () => {
  await operators.find(1n, '27');
  await operators.find(2n, '27');
  call.mockResolvedValue({ result: [{ ID: 28, NAME: ' Ann ', LAST_NAME: null }] });
  expect(await operators.find(1n, '28')).toEqual({ firstName: 'Ann', lastName: '', position: '' });
  expect(call).toHaveBeenCalledTimes(3);
});

it.each(['0', '', 'bot', '-1', '27 OR 1'])('asks for nobody called %j', async (userId) => {
  expect(await operators.find(1n, userId)).toBeNull();
  expect(call).not.toHaveBeenCalled();
});

it.each([
  ['nobody', () => Promise.resolve({ result: [] })],
  ['another one', () => Promise.resolve({ result: [{ ...SAMANTHA, ID: '1' }] })],
  ['something else', () => Promise.resolve({ result: 'none' })],
  ['trouble', () => Promise.reject(new Error('insufficient_scope'))],
])('knows no name when the portal answers %s, and asks again in five minutes', async (_what, answer) => {
  call.mockImplementation(answer);
  expect(await operators.find(1n, '27')).toBeNull();
  expect(await operators.find(1n, '27')).toBeNull();
  expect(call).toHaveBeenCalledTimes(1);
  call.mockResolvedValue({ result: [SAMANTHA] });
  await vi.advanceTimersByTimeAsync(300_001);
  expect(await operators.find(1n, '27')).not.toBeNull();
});

it('waits three seconds; a later answer is there for the next message', async () => {
  let answer!: (value: { result: unknown }) => void;
  call.mockReturnValue(new Promise((resolve) => (answer = resolve)));
  const asked = operators.find(1n, '27');
  await vi.advanceTimersByTimeAsync(3_000);
  expect(await asked).toBeNull();
  answer({ result: [SAMANTHA] });
  expect(await operators.find(1n, '27')).toMatchObject({ firstName: 'Samantha' });
  expect(call).toHaveBeenCalledTimes(1);
});
