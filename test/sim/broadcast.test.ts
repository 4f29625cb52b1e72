import { describe, expect, it, vi } from 'vitest';
import { createNode } from '../../src/node/index.ts';
import { halving, lanRun, minimalRun } from './scenarios/minimal.ts';

// Simulated time is what counts here: a busy machine is no failure.
vi.setConfig({ testTimeout: 600_000 });

describe('the broadcast is minimal', () => {
  it('takes n-1 messages and at most ceil(log2 n) rounds for every n from 2 to 64, without multicast and loss', () => {
    const sizes = Array.from({ length: 63 }, (_, i) => i + 2);
    const run = minimalRun({ seed: 1, factory: halving, sizes });
    expect(run.violations).toEqual([]);
    expect(run.figures.sizesChecked).toBe(63);
  });

  it('does so for larger groups, with a tree header of at most 40 bytes', () => {
    const run = minimalRun({ seed: 2, factory: halving, sizes: [100, 128, 129, 200] });
    expect(run.violations).toEqual([]);
    expect(run.figures.sizesChecked).toBe(4);
    expect(run.figures.headerBytes).toBeLessThanOrEqual(40);
  });

  it('takes one multicast and one directed message on one LAN', () => {
    const run = lanRun({ seed: 3, factory: createNode, lans: 1, perLan: 6 });
    expect(run.violations).toEqual([]);
    expect(run.figures.multicasts).toEqual(Array(10).fill(1));
    expect(run.figures.directed).toEqual(Array(10).fill(1));
  });

  for (const lans of [2, 3, 5]) {
    it(`takes ${lans} multicasts and ${lans - 1} tree messages on ${lans} LANs`, () => {
      const run = lanRun({ seed: 4, factory: createNode, lans, perLan: 4 });
      expect(run.violations).toEqual([]);
      expect(run.figures.multicasts).toEqual(Array(10).fill(lans));
      expect(run.figures.directed).toEqual(Array(10).fill(lans - 1));
    });
  }
});
