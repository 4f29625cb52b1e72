import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Permutation } from './permutation.ts';

describe('a seeded permutation', () => {
  it('visits every element once, and knows where each stands', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: 0, max: 0xffffffff }),
        (size, seed) => {
          const permutation = new Permutation(size, seed);
          const seen = new Set<number>();
          for (let i = 0; i < size; i++) {
            const element = permutation.at(i);
            seen.add(element);
            expect(permutation.indexOf(element)).toBe(i);
          }
          expect(seen.size).toBe(size);
          expect(Math.max(...seen)).toBe(size - 1);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('puts each element anywhere about equally often over seeds', () => {
    const size = 10;
    const counts = new Array(size * size).fill(0);
    for (let seed = 0; seed < 20_000; seed++) {
      const permutation = new Permutation(size, seed);
      for (let i = 0; i < size; i++) counts[i * size + permutation.at(i)]++;
    }
    // Expected 2000 in each cell, standard deviation 42: seven of them are allowed.
    expect(Math.min(...counts)).toBeGreaterThan(1700);
    expect(Math.max(...counts)).toBeLessThan(2300);
  });
});
