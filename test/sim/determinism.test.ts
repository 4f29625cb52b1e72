import { describe, expect, it, vi } from 'vitest';
import { createNode } from '../../src/node/index.ts';
import { faultRun } from './scenarios/faults.ts';
import { spreadRun } from './scenarios/spread.ts';

// Simulated time is what counts here: a busy machine is no failure.
vi.setConfig({ testTimeout: 600_000 });

describe('the simulator is deterministic', () => {
  it('gives the same trace for the same seed, byte for byte', () => {
    for (const seed of [3, 14, 15]) {
      const first = faultRun({ seed, factory: createNode, trace: true });
      const second = faultRun({ seed, factory: createNode, trace: true });
      expect(second).toEqual(first);
      expect(first.events).toBeGreaterThan(50);
    }
  });

  it('gives other traces for other seeds', () => {
    const hashes = new Set<string>();
    for (let seed = 1; seed <= 20; seed++) {
      hashes.add(faultRun({ seed, factory: createNode, trace: true }).traceHash);
    }
    expect(hashes.size).toBe(20);
  });

  it('gives the same trace whether or not somebody listens', () => {
    const run = {
      seed: 9,
      factory: createNode,
      nodes: 20,
      loss: 20,
      delay: 2,
      jitter: 3,
      domains: 2,
      changes: 10,
      seconds: 2,
      partitionSeconds: 0,
      trace: true,
    };
    const lines: string[] = [];
    const loud = spreadRun({ ...run, log: (line) => lines.push(line) });
    expect(spreadRun(run).traceHash).toBe(loud.traceHash);
    expect(lines.length).toBeGreaterThan(100);
  });
});
