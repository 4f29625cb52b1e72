import { describe, expect, it } from 'vitest';
import { createNode } from '../../src/node/index.ts';
import { FAULT_KINDS, IDENTITY_KINDS } from './faults.ts';
import { PINS } from './pinned.ts';
import { faultRun } from './scenarios/faults.ts';

describe('random faults', () => {
  it('break no rule in 100 seeds (many more by `npm run sim -- --runs 100000 --jobs 2`)', () => {
    const seen = new Map<string, number>();
    let acknowledged = 0;
    const decided = { must: 0, mustNot: 0, open: 0 };
    for (let seed = 1; seed <= 100; seed++) {
      const run = faultRun({ seed, factory: createNode });
      expect(run.violations, `npm run sim -- --scenario faults --seed ${seed}`).toEqual([]);
      acknowledged += run.figures.acknowledged as number;
      const figures = run.figures.decided as typeof decided;
      for (const what of ['must', 'mustNot', 'open'] as const) decided[what] += figures[what];
      for (const [kind, count] of Object.entries(run.figures.faults as Record<string, number>)) {
        seen.set(kind, (seen.get(kind) ?? 0) + count);
      }
    }
    // The runs are worth something only while every kind of fault strikes and changes get through.
    for (const kind of FAULT_KINDS) expect(seen.get(kind) ?? 0, kind).toBeGreaterThan(16);
    for (const kind of IDENTITY_KINDS) expect(seen.get(kind) ?? 0, kind).toBeGreaterThan(6);
    expect(acknowledged).toBeGreaterThan(1000);
    // Nor are they while the model cannot tell of most changes what became of them.
    expect(decided.must).toBeGreaterThan(160);
    expect(decided.mustNot).toBeGreaterThan(160);
    expect(decided.open).toBeLessThan(decided.must + decided.mustNot);
  }, 600_000);

  for (const { bug, seeds } of PINS) {
    it(`pinned: ${bug}`, () => {
      for (const seed of seeds) {
        expect(faultRun({ seed, factory: createNode }).violations, `seed ${seed}`).toEqual([]);
      }
    });
  }
});
