import { describe, expect, it, vi } from 'vitest';
import { createNode } from '../../src/node/index.ts';
import { partitionRun } from './scenarios/partition.ts';
import { spreadRun } from './scenarios/spread.ts';

const LOSSY = {
  factory: createNode,
  nodes: 100,
  delay: 1,
  jitter: 1,
  changes: 20,
  seconds: 4,
  partitionSeconds: 0,
};

// Simulated time is what counts here: a busy machine is no failure.
vi.setConfig({ testTimeout: 600_000 });

describe('every change gets everywhere', () => {
  for (const [loss, seconds] of [
    [30, 10],
    [50, 20],
  ] as const) {
    for (const domains of [0, 2]) {
      it(`within ${seconds} s at ${loss} % loss, 100 nodes, ${domains} multicast domains`, () => {
        const run = spreadRun({ ...LOSSY, seed: 7, loss, domains });
        expect(run.violations).toEqual([]);
        expect((run.figures.propagationMs as { max: number }).max).toBeLessThanOrEqual(seconds * 1000);
        expect(run.figures.acknowledged).toBe(20);
      });
    }
  }

  it('within 15 s of meeting again after a partition of a minute: no add lost, no release undone', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const run = partitionRun({ seed, factory: createNode, nodes: 10, seconds: 60, changes: 40 });
      expect(run.violations, `seed ${seed}`).toEqual([]);
      expect(run.figures.healedMs).toBeLessThanOrEqual(15_000);
    }
  });

  // A month takes a minute of computing: `npm run sim -- --scenario month`.
  it('within 15 s of meeting again after a partition of a day', () => {
    const run = partitionRun({ seed: 1, factory: createNode, nodes: 4, seconds: 24 * 3600, changes: 40 });
    expect(run.violations).toEqual([]);
    expect(run.figures.healedMs).toBeLessThanOrEqual(15_000);
  }, 180_000);
});
