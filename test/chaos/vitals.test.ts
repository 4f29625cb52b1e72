import { expect, it } from 'vitest';
import { slope } from './vitals.ts';

it('the slope of memory is not bent by single high samples before a collection', () => {
  const flat = Array.from({ length: 100 }, (_, i) => ({ atMs: i * 1000, rssMb: i % 7 === 0 ? 60 : 50 }));
  expect(slope(flat)).toBe(0);
  const rising = flat.map(({ atMs, rssMb }) => ({ atMs, rssMb: rssMb + atMs / 10_000 }));
  expect(slope(rising)).toBeCloseTo(1 / 10_000, 5);
});
