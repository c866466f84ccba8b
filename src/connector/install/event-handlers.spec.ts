import { describe, expect, it } from 'vitest';
import { BOUND_EVENTS, reconcileHandlers, type BoundHandler } from './event-handlers.js';

const URL_NOW = 'https://new.example/b24/handler?secret=s2';
const row = (event: string, handler: string, auth_type = '0'): BoundHandler => ({
  event,
  handler,
  auth_type,
  offline: 0,
});
const all = (handler: string) => BOUND_EVENTS.map((event) => row(event.toUpperCase(), handler));

describe('event handlers', () => {
  it('are all missing on a new portal', () => {
    expect(reconcileHandlers([], URL_NOW)).toEqual({ stale: [], missing: [...BOUND_EVENTS] });
  });

  it('need nothing when each event has exactly ours', () => {
    expect(reconcileHandlers(all(URL_NOW), URL_NOW)).toEqual({ stale: [], missing: [] });
  });

  it('of another origin or secret go, and are bound anew', () => {
    const old = all('https://old.example/b24/handler?secret=s1');
    expect(reconcileHandlers(old, URL_NOW)).toEqual({ stale: old, missing: [...BOUND_EVENTS] });
  });

  it('bound twice lose the row of one person, whatever the order', () => {
    const personal = row('ONIMCONNECTORMESSAGEADD', URL_NOW, '27');
    for (const bound of [
      [personal, ...all(URL_NOW)],
      [...all(URL_NOW), personal],
    ]) {
      expect(reconcileHandlers(bound, URL_NOW)).toEqual({ stale: [personal], missing: [] });
    }
  });

  it('that are not ours, or have no address, are left alone', () => {
    const others: BoundHandler[] = [
      row('ONCRMLEADADD', 'https://new.example/other'),
      { event: 'ONIMCONNECTORMESSAGEADD', offline: 1 },
      row('ONIMCONNECTORMESSAGEADD', 'no address'),
    ];
    expect(reconcileHandlers([...others, ...all(URL_NOW)], URL_NOW)).toEqual({ stale: [], missing: [] });
  });
});
