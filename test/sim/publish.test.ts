import { describe, expect, it, vi } from 'vitest';
import { createNode } from '../../src/node/index.ts';
import { publishRun } from './scenarios/publish.ts';

// Simulated time is what counts here: a busy machine is no failure.
vi.setConfig({ testTimeout: 600_000 });

const RUN = { factory: createNode, nodes: 20, messages: 1000, seconds: 5, partition: false };

describe('a published message', () => {
  for (const domains of [0, 1, 2]) {
    it(`reaches every node once when nothing is lost, ${domains} multicast domains`, () => {
      const run = publishRun({ ...RUN, seed: 1, loss: 0, domains });
      expect(run.violations).toEqual([]);
      expect(run.figures).toMatchObject({ sharePercent: 100, outOfOrder: 0 });
    });

    it(`reaches nobody twice and nearly all at 20 % loss, ${domains} multicast domains`, () => {
      const run = publishRun({ ...RUN, seed: 2, loss: 20, domains });
      expect(run.violations).toEqual([]);
      expect(run.figures.sharePercent).toBeGreaterThanOrEqual(99.9);
    });
  }

  it('reaches those on its side while halves are apart, and nobody twice when they meet again', () => {
    for (const seed of [1, 2, 3]) {
      const run = publishRun({ ...RUN, seed, nodes: 10, loss: 0, domains: 2, seconds: 30, partition: true });
      expect(run.violations).toEqual([]);
      // But for what was on its way when they were cut.
      expect(run.figures.sharePercent).toBeGreaterThan(99.9);
    }
  });

  it('goes the same way for the same seed, sealed or not', () => {
    for (const sealed of [false, true]) {
      const run = { ...RUN, seed: 5, nodes: 8, messages: 200, loss: 10, domains: 2, sealed, trace: true };
      const first = publishRun(run);
      expect(first.violations).toEqual([]);
      expect(publishRun(run)).toEqual(first);
    }
  });
});
