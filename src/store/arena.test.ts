import { describe, expect, it } from 'vitest';
import { SeededRng } from '../base/index.ts';
import { Arena, MAX_BLOCK_UNITS, roundUnits } from './arena.ts';
import { Regions } from './regions.ts';

const CHUNK_UNITS = 1 << 16;

describe('the arena', () => {
  it.each([1, 2, 3])('gives blocks that are whole within their chunk and do not overlap, seed %i', (seed) => {
    const rng = new SeededRng(seed);
    const arena = new Arena(new Regions(0));
    const inUse = new Map<number, number>();
    const taken = new Set<number>();
    for (let step = 0; step < 2_000; step++) {
      const units = roundUnits(1 + rng.below(rng.below(3) === 0 ? MAX_BLOCK_UNITS : 200));
      const block = arena.allocate(units);
      inUse.set(block, units);
      expect((block % CHUNK_UNITS) + units).toBeLessThanOrEqual(CHUNK_UNITS);
      for (let unit = block; unit < block + units; unit++) {
        if (taken.has(unit)) expect.fail(`unit ${unit} was given out twice`);
        taken.add(unit);
      }
      const [first] = inUse;
      if (rng.below(2) === 0 || first === undefined) continue;
      arena.free(first[0]);
      inUse.delete(first[0]);
      for (let unit = first[0]; unit < first[0] + first[1]; unit++) taken.delete(unit);
    }
  });

  it('does not give what is left of a chunk to a record that is larger', () => {
    const arena = new Arena(new Regions(0));
    // Unit 0 is nobody's; 70 units are left.
    for (let left = CHUNK_UNITS - 1; left > 70; ) {
      const units = Math.min(left - 70, 64);
      arena.allocate(units);
      left -= units;
    }
    expect(arena.allocate(96) >>> 16).toBe(1);
    expect(arena.allocate(80) >>> 16).toBe(1);
    expect(arena.allocate(64) >>> 16).toBe(0);
  });
});
