import type { NodeFactory } from '../../../src/node/machine.ts';
import { MUTANTS, type Mutant } from '../mutants.ts';
import type { RunResult } from '../result.ts';
import { faultRun } from './faults.ts';
import { minimalRun } from './minimal.ts';

/** Seeds a mutant gets before it counts as not caught. */
const SEEDS = 80;

export interface Catch {
  readonly name: string;
  readonly mutant: Mutant;
  /** The failing run of the first seed in which one of the mutant's rules fired; null when none did. */
  readonly caught: RunResult | null;
}

/** One run of a broken machine. */
export function brokenRun(
  name: string,
  factory: NodeFactory,
  seed: number,
  log?: (line: string) => void,
): RunResult {
  const mutant = MUTANTS[name];
  if (mutant === undefined) throw new Error(`no mutant '${name}': one of ${Object.keys(MUTANTS).join(', ')}`);
  const broken = mutant.breaks(factory);
  const logging = log === undefined ? {} : { log };
  if (mutant.rules.includes('minimal')) {
    return minimalRun({ seed, factory: broken, sizes: [2, 3, 5, 8], ...logging });
  }
  return faultRun({ seed, factory: broken, ...logging });
}

/** Runs a broken machine until the checkers catch it. */
export function hunt(name: string, factory: NodeFactory, firstSeed = 1): Catch {
  const mutant = MUTANTS[name] as Mutant;
  for (let seed = firstSeed; seed < firstSeed + SEEDS; seed++) {
    const run = brokenRun(name, factory, seed);
    if (run.violations.some((violation) => mutant.rules.includes(violation.rule)))
      return { name, mutant, caught: run };
  }
  return { name, mutant, caught: null };
}
