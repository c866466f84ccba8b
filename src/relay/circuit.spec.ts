import { describe, expect, it } from 'vitest';
import { Circuit } from './circuit.js';

function opened(now = 0): Circuit {
  const circuit = new Circuit();
  for (const lane of [1n, 2n, 3n]) circuit.failed(lane, now);
  return circuit;
}

describe('the circuit of an endpoint', () => {
  it('stays closed however often one chat fails', () => {
    const circuit = new Circuit();
    for (let n = 0; n < 50; n++) circuit.failed(1n, 0);
    expect(circuit.open).toBe(false);
    expect(circuit.allowance(20, 0)).toBe(20);
  });

  it('opens when three chats in a row failed, and lets one probe at a time through', () => {
    const circuit = opened();
    expect(circuit.open).toBe(true);
    expect(circuit.allowance(20, 0)).toBe(0);
    expect(circuit.waitMs(0)).toBe(1_000);
    expect(circuit.allowance(20, 1_000)).toBe(1);
    circuit.sent(1_000);
    expect(circuit.allowance(20, 3_999)).toBe(0);
    // A probe that hangs does not keep the next one from being made.
    expect(circuit.allowance(20, 4_000)).toBe(1);
    expect(circuit.succeeded()).toHaveLength(3);
    expect(circuit.allowance(20, 4_000)).toBe(20);
  });

  it('does not wait for a probe that was not sent after all, but for the pause after one that failed', () => {
    const circuit = opened();
    circuit.sent(1_000);
    circuit.unproven();
    expect(circuit.allowance(20, 1_000)).toBe(1);
    circuit.sent(1_000);
    circuit.failed(1n, 1_500);
    circuit.unproven();
    expect(circuit.waitMs(1_500)).toBe(2_000);
  });

  it('a success in between shows that the endpoint is well', () => {
    const circuit = new Circuit();
    circuit.failed(1n, 0);
    circuit.failed(2n, 0);
    expect(circuit.succeeded()).toEqual([]);
    circuit.failed(3n, 0);
    expect(circuit.open).toBe(false);
  });

  it('waits 1, 2 and then 3 s between probes', () => {
    const circuit = opened();
    const pauses = [circuit.waitMs(0)];
    for (let n = 0; n < 4; n++) {
      circuit.failed(1n, 0);
      pauses.push(circuit.waitMs(0));
    }
    expect(pauses).toEqual([1_000, 2_000, 3_000, 3_000, 3_000]);
  });

  it('closes with the first success and names the chats that waited', () => {
    const circuit = opened();
    expect(circuit.succeeded()).toEqual([1n, 2n, 3n]);
    expect(circuit.open).toBe(false);
    expect(circuit.succeeded()).toEqual([]);
  });

  it('obeys a pause that the network named, and never shortens it', () => {
    const circuit = new Circuit();
    circuit.pause(3_000, 0);
    circuit.pause(1_000, 0);
    expect(circuit.allowance(20, 2_999)).toBe(0);
    expect(circuit.allowance(20, 3_000)).toBe(20);
  });
});
