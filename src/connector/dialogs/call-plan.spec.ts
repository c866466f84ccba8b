import { describe, expect, it } from 'vitest';
import { claimedChat, claimedDelivery } from '../../../test/support/claimed-work.js';
import type { ClaimedLane } from '../../storage/work/claimed-lane.js';
import { planCalls } from './call-plan.js';

let id = 0n;
const lane = (channel: 'inbound' | 'status', lineId = '7', message = {}): ClaimedLane => ({
  id: ++id,
  claim: 1n,
  channel,
  chat: claimedChat(Number(id), { lineId }),
  deliveries: [claimedDelivery({ text: 'words', ...message }, { kind: channel === 'status' ? 'status' : 'message' })],
});
const lanes = (count: number, ...of: Parameters<typeof lane>) => Array.from({ length: count }, () => lane(...of));
const kinds = (claimed: ClaimedLane[], requests: number) => planCalls(claimed, requests).map(({ kind }) => kind);

describe('the plan of calls', () => {
  it('puts words before ticks, in whatever order they were claimed', () => {
    expect(kinds([...lanes(3, 'status'), ...lanes(2, 'inbound')], 5)).toEqual(['words', 'words', 'status']);
    expect(kinds([...lanes(3, 'status', '8'), lane('status'), ...lanes(20, 'inbound')], 1)).toEqual([
      'batch',
      'status',
      'status',
    ]);
  });

  it('gives words the requests that ticks of many lines would take', () => {
    const ticks = ['1', '2', '3', '4'].map((line) => lane('status', line));
    expect(kinds([...ticks, ...lanes(3, 'inbound')], 3).slice(0, 3)).toEqual(['words', 'words', 'words']);
  });

  it('lets words share requests when there are too few, and files and notes go alone', () => {
    const file = { attachments: [{}] };
    expect(kinds([lane('inbound', '7', file), ...lanes(60, 'inbound')], 3)).toEqual(['words', 'batch', 'batch']);
  });
});
