/** Below this every value has a bucket of its own; above, a bucket is at most a 128th of its values wide. */
const EXACT = 256;
const SUB_BITS = 7;
const SUB = 1 << SUB_BITS;
/** Over half an hour, in microseconds. */
const MAX_VALUE = 2 ** 31 - 1;
const BUCKETS = 25 * SUB;

/**
 * Counts of whole numbers (microseconds) in buckets whose width grows with the value, as in HdrHistogram: 26 KB whatever is
 * put in, percentiles right to within one percent.
 */
export class Histogram {
  readonly #counts = new Float64Array(BUCKETS);
  total = 0;
  max = 0;
  #min = Number.POSITIVE_INFINITY;
  #sum = 0;

  record(value: number): void {
    const whole = value < 0 ? 0 : value > MAX_VALUE ? MAX_VALUE : Math.floor(value);
    const bucket = bucketOf(whole);
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.total++;
    this.#sum += whole;
    if (whole > this.max) this.max = whole;
    if (whole < this.#min) this.#min = whole;
  }

  get min(): number {
    return this.total === 0 ? Number.NaN : this.#min;
  }

  get mean(): number {
    return this.#sum / this.total;
  }

  /** The value that `p` percent (0 to 100) do not exceed, nearest rank, at the upper end of its bucket; NaN of nothing. */
  percentile(p: number): number {
    if (this.total === 0) return Number.NaN;
    const rank = Math.min(this.total, Math.max(1, Math.ceil((p / 100) * this.total)));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket] as number;
      if (seen >= rank) return Math.min(upperEnd(bucket), this.max);
    }
    return this.max;
  }

  add(other: Histogram): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++)
      this.#counts[bucket] = (this.#counts[bucket] as number) + (other.#counts[bucket] as number);
    this.total += other.total;
    this.#sum += other.#sum;
    this.max = Math.max(this.max, other.max);
    this.#min = Math.min(this.#min, other.#min);
  }
}

export function bucketOf(value: number): number {
  if (value < EXACT) return value;
  const shift = 31 - Math.clz32(value) - SUB_BITS;
  return shift * SUB + (value >>> shift);
}

export function upperEnd(bucket: number): number {
  if (bucket < EXACT) return bucket;
  const shift = (bucket >>> SUB_BITS) - 1;
  return (bucket - shift * SUB + 1) * 2 ** shift - 1;
}
