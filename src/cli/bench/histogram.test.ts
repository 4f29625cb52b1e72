import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketOf, Histogram, upperEnd } from './histogram.ts';

describe('the histogram', () => {
  it('has buckets without gaps, each value in the one that ends at or above it, within a 128th', () => {
    for (let bucket = 1; bucket < 3200; bucket++) {
      const first = upperEnd(bucket - 1) + 1;
      if (first > 2 ** 31 - 1) break;
      expect([bucketOf(first), bucketOf(upperEnd(bucket))]).toEqual([bucket, bucket]);
      expect(upperEnd(bucket) - first).toBeLessThanOrEqual(first / 128);
    }
    expect(upperEnd(bucketOf(2 ** 31 - 1))).toBe(2 ** 31 - 1);
  });

  it('gives the percentiles of a sorted list to within one percent', () => {
    const some = fc.array(fc.oneof(fc.nat(300), fc.nat(100_000), fc.nat(2 ** 31 - 1)), { minLength: 1 });
    fc.assert(
      fc.property(some, fc.constantFrom(0, 50, 90, 99, 99.9, 100), (values, p) => {
        const histogram = new Histogram();
        for (const value of values) histogram.record(value);
        const sorted = [...values].sort((a, b) => a - b);
        const exact = sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] as number;
        const found = histogram.percentile(p);
        expect(found).toBeGreaterThanOrEqual(exact);
        expect(found).toBeLessThanOrEqual(exact * 1.01);
        expect([histogram.min, histogram.max, histogram.total]).toEqual([
          sorted[0],
          sorted.at(-1),
          values.length,
        ]);
      }),
    );
  });

  it('adds another up as if all had been put into one', () => {
    const [one, other, both] = [new Histogram(), new Histogram(), new Histogram()];
    for (let i = 0; i < 2000; i++) {
      const value = (i * 7919) % 100_003;
      (i % 3 === 0 ? one : other).record(value);
      both.record(value);
    }
    one.add(other);
    for (const p of [1, 50, 99, 100]) expect(one.percentile(p)).toBe(both.percentile(p));
    expect([one.mean, one.min, one.max]).toEqual([both.mean, both.min, both.max]);
  });

  it('of nothing has no percentiles, and takes the impossible as the nearest possible', () => {
    const histogram = new Histogram();
    expect(histogram.percentile(50)).toBeNaN();
    expect(histogram.min).toBeNaN();
    histogram.record(-5);
    histogram.record(1e12);
    expect([histogram.min, histogram.max]).toEqual([0, 2 ** 31 - 1]);
  });
});
