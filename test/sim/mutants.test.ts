import { describe, expect, it, vi } from 'vitest';
import { createNode } from '../../src/node/index.ts';
import { MUTANTS } from './mutants.ts';
import { NaiveMachine } from './naive-machine.ts';
import { hunt } from './scenarios/broken.ts';
import { faultRun } from './scenarios/faults.ts';
import { halving } from './scenarios/minimal.ts';

// Simulated time is what counts here: a busy machine is no failure.
vi.setConfig({ testTimeout: 600_000 });

describe('the checkers catch broken machines', () => {
  for (const [name, mutant] of Object.entries(MUTANTS)) {
    it(`${name}: ${mutant.what}`, () => {
      const { caught } = hunt(name, name === 'wasteful' ? halving : createNode);
      expect(caught, 'no seed made a checker fire').not.toBeNull();
    });
  }

  it('and let a naive machine pass that keeps everything for ever', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const run = faultRun({
        seed,
        // It does not know that its disk may be a copy.
        identities: false,
        factory: (boot, options, out, rng) => new NaiveMachine(boot, options, out, rng),
      });
      expect(run.violations, `seed ${seed}`).toEqual([]);
    }
  });
});
