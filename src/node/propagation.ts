/** Upper bounds of the histogram, seconds. */
const BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];
/** Times kept for the page. */
const KEPT = 200;

/** How long changes made elsewhere took to come here: a histogram for metrics, and the last few. */
export class Propagation {
  readonly bounds: readonly number[] = BOUNDS;
  /** Per bucket, the last one being beyond all bounds. */
  readonly counts: number[] = new Array(BOUNDS.length + 1).fill(0);
  sumSeconds = 0;
  #recent: number[] = [];

  add(ms: number): void {
    const seconds = ms / 1000;
    let bucket = 0;
    while (bucket < BOUNDS.length && seconds > (BOUNDS[bucket] as number)) bucket++;
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.sumSeconds += seconds;
    this.#recent.push(Math.round(ms * 1000) / 1000);
    if (this.#recent.length > 2 * KEPT) this.#recent = this.#recent.slice(-KEPT);
  }

  /** Milliseconds, oldest first. */
  recent(): number[] {
    return this.#recent.slice(-KEPT);
  }
}
