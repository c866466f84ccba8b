import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RestClient } from '../../bitrix/rest.client.js';
import type { LinesRepository } from '../../storage/accounts/lines.repository.js';
import { LineOperatorsService } from './line-operators.service.js';
import type { OperatorsService } from './operators.service.js';

const LINE = { portalId: 1n, lineId: '7' };
const PROFILE = { firstName: 'Samantha', lastName: 'Johnson', position: 'Sales' };
const queue = (name: string) => ({
  result: { OPERATOR_DATA: 'queue', QUEUE_USERS_FIELDS: { 27: { USER_NAME: name } } },
});
const HOUR_MS = 3_600_000;

const call = vi.fn<() => Promise<{ result: unknown }>>();
const find = vi.fn<() => Promise<unknown>>();
const saveOperators = vi.fn(async () => undefined);
let names: LineOperatorsService;

beforeEach(() => {
  Logger.overrideLogger(false);
  vi.useFakeTimers();
  call.mockReset().mockResolvedValue(queue('Anna Maria Support'));
  find.mockReset().mockResolvedValue({ operatorData: null, operatorNames: {} });
  saveOperators.mockClear();
  names = restarted();
});

afterEach(() => void vi.useRealTimers());

function restarted(): LineOperatorsService {
  const lines = { find, saveOperators } as unknown as LinesRepository;
  const profiles = { find: async (_portal: bigint, id: string) => (id === '404' ? null : PROFILE) };
  return new LineOperatorsService({ call } as unknown as RestClient, lines, profiles as unknown as OperatorsService);
}

describe('the name of an operator on a line', () => {
  it('is that of the queue, in pieces as the portal takes it, and of the profile where there is none', async () => {
    expect(await names.operatorOnLine(LINE, '27')).toEqual({
      firstName: 'Anna Maria',
      lastName: 'Support',
      position: 'Sales',
    });
    expect(await names.operatorOnLine(LINE, '28')).toEqual(PROFILE);
    expect(await names.operatorOnLine(LINE, '404')).toBeNull();
    expect(call.mock.calls).toEqual([[1n, 'imopenlines.config.get', { CONFIG_ID: 7 }, { timeoutMs: 10_000 }]]);
    expect(saveOperators.mock.calls).toEqual([[1n, '7', 'queue', { 27: 'Anna Maria Support' }]]);
  });

  it('is hidden, or the profile’s, whatever stands in the queue', async () => {
    call.mockResolvedValue({ result: { ...queue('Anna').result, OPERATOR_DATA: 'hide' } });
    expect(await names.operatorOnLine(LINE, '27')).toBe('hidden');
    call.mockResolvedValue({ result: { ...queue('Anna').result, OPERATOR_DATA: 'profile' } });
    await names.refresh(LINE);
    expect(await names.operatorOnLine(LINE, '27')).toEqual(PROFILE);
  });

  it('is asked for again after an hour, and the last one counts until there is an answer', async () => {
    await names.operatorOnLine(LINE, '27');
    await vi.advanceTimersByTimeAsync(HOUR_MS + 1);
    let answer!: (value: { result: unknown }) => void;
    call.mockReturnValue(new Promise((resolve) => (answer = resolve)));
    expect(await names.operatorOnLine(LINE, '27')).toMatchObject({ firstName: 'Anna Maria' });
    answer(queue('Olga'));
    await vi.advanceTimersByTimeAsync(0);
    expect(await names.operatorOnLine(LINE, '27')).toMatchObject({ firstName: 'Olga', lastName: '' });
    expect(call).toHaveBeenCalledTimes(2);
  });

  it('survives a restart and a portal that refuses, however often', async () => {
    find.mockResolvedValue({ operatorData: 'queue', operatorNames: { 27: 'Anna' } });
    call.mockRejectedValue(new Error('insufficient_scope'));
    for (let hours = 0; hours < 3; hours++) {
      expect(await names.operatorOnLine(LINE, '27')).toMatchObject({ firstName: 'Anna' });
      await vi.advanceTimersByTimeAsync(HOUR_MS);
    }
    call.mockResolvedValue({ result: false });
    await names.refresh(LINE);
    expect(await names.operatorOnLine(LINE, '27')).toMatchObject({ firstName: 'Anna' });
    expect(saveOperators).not.toHaveBeenCalled();
  });

  it('is waited for no longer than three seconds, and the profile’s is not taken for it', async () => {
    call.mockReturnValue(new Promise(() => undefined));
    const asked = names.operatorOnLine(LINE, '27');
    await vi.advanceTimersByTimeAsync(3_000);
    expect(await asked).toBeNull();
  });

  it('is the profile’s where the portal never said what the line wants', async () => {
    call.mockRejectedValue(new Error('no such method'));
    expect(await names.operatorOnLine(LINE, '27')).toEqual(PROFILE);
  });
});
