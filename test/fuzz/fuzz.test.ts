import { describe, expect, it } from 'vitest';
import { fuzz, TARGETS } from './fuzz.ts';

describe('fuzzing', () => {
  for (const name of TARGETS.keys()) {
    it(`finds no fault in 3000 inputs at '${name}', and its seeds are accepted`, () => {
      const result = fuzz(name, 20_261_121, 60_000, 3000);
      expect(result.failure, result.input).toBeNull();
      expect(result.inputs).toBe(3000);
      expect(result.accepted).toBeGreaterThan(0);
    });
  }
});
