import { describe, expect, it } from 'vitest';
import { UpstreamError, type UpstreamErrorFields } from '../common/upstream-error.js';
import { decide, OUTBOUND_LIFETIME_MS, type FailedSend } from './outcome.js';

const failed = (error: Partial<UpstreamErrorFields>, rest: Partial<FailedSend> = {}): FailedSend => ({
  error: new UpstreamError({
    network: 'telegram',
    kind: 'unknown',
    scope: 'message',
    code: 'X',
    detail: '',
    ...error,
  }),
  kind: 'message',
  attempt: 1,
  unknownBefore: false,
  ageMs: 0,
  policy: 'hold',
  random: 0.5,
  ...rest,
});

describe('an operator’s message to Telegram', () => {
  it('fails with a note when it was refused', () => {
    expect(decide(failed({ kind: 'refused' }))).toEqual({ outcome: 'failed', note: true });
  });

  it('waits exactly as long as Telegram says', () => {
    expect(decide(failed({ kind: 'not_sent', retryAfterMs: 7_000 }, { attempt: 9 }))).toEqual({
      outcome: 'retry',
      delayMs: 7_000,
      unknown: false,
    });
  });

  it('keeps in mind that an earlier try is in doubt', () => {
    expect(decide(failed({ kind: 'not_sent' }, { unknownBefore: true }))).toMatchObject({ unknown: true });
    expect(decide(failed({ kind: 'not_sent', retryAfterMs: 1 }, { unknownBefore: true }))).toMatchObject({
      unknown: true,
    });
  });

  it('is uncertain after an unknown outcome, and never sent again with hold', () => {
    expect(decide(failed({}))).toEqual({ outcome: 'uncertain', note: true });
  });

  it('is sent again once with resend', () => {
    expect(decide(failed({}, { policy: 'resend' }))).toMatchObject({ outcome: 'retry', unknown: true });
    expect(decide(failed({}, { policy: 'resend', unknownBefore: true }))).toEqual({ outcome: 'uncertain', note: true });
  });

  it('is changed again after an unknown outcome, with what it may have sent anew in doubt', () => {
    expect(decide(failed({}, { kind: 'edit' }))).toMatchObject({ outcome: 'retry', unknown: true });
    expect(decide(failed({}, { kind: 'delete' }))).toMatchObject({ outcome: 'retry', unknown: false });
  });

  it.each(['not_sent', 'unauthorised'] as const)('is given up when it could not be sent (%s) for two days', (kind) => {
    expect(decide(failed({ kind }, { ageMs: OUTBOUND_LIFETIME_MS }))).toMatchObject({ outcome: 'retry' });
    expect(decide(failed({ kind }, { ageMs: OUTBOUND_LIFETIME_MS + 1 }))).toEqual({ outcome: 'failed', note: true });
  });
});

describe('what goes to Bitrix24', () => {
  const network = 'bitrix24' as const;

  it.each(['not_sent', 'unauthorised', 'unknown'] as const)('is never given up for %s', (kind) => {
    expect(decide(failed({ network, kind }, { ageMs: OUTBOUND_LIFETIME_MS * 10 }))).toMatchObject({ outcome: 'retry' });
  });

  it('is looked for in the dialog, not at once, after an unknown outcome', () => {
    const decision = decide(failed({ network }));
    expect(decision).toMatchObject({ outcome: 'retry', unknown: true });
    expect((decision as { delayMs: number }).delayMs).toBeGreaterThanOrEqual(2_000);
    expect(decide(failed({ network }, { kind: 'note' }))).toMatchObject({ outcome: 'retry', unknown: true });
  });

  it('fails with a note when a message is refused, not its dialog, and a note that is refused is not told', () => {
    const note = (scope: 'message' | 'chat' | 'line', kind: 'message' | 'note' | 'edit' = 'message') =>
      decide(failed({ network, kind: 'refused', scope }, { kind }));
    expect(note('message')).toEqual({ outcome: 'failed', note: true });
    expect(note('chat')).toEqual({ outcome: 'failed', note: false });
    expect(note('line')).toEqual({ outcome: 'failed', note: false });
    expect(note('message', 'note')).toEqual({ outcome: 'failed', note: false });
    expect(note('message', 'edit')).toEqual({ outcome: 'failed', note: false });
  });

  it.each(['status', 'reading'] as const)('a %s may be repeated freely', (kind) => {
    expect(decide(failed({ network }, { kind }))).toMatchObject({ outcome: 'retry', unknown: false });
  });
});
