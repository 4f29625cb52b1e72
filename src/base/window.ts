/**
 * Which counters of one sender's boot have come: a bitmap that slides with the highest (RFC 4303, section 3.4.3). One that
 * is `size` behind the highest, a multiple of 32, is too old to be told from one that came.
 */
export class ReplayWindow {
  readonly #size: number;
  readonly #bits: Uint32Array;
  /** Below it everything is refused, whatever the bitmap says. */
  #floor: number;
  #top: number;

  constructor(floor: number, size: number) {
    this.#size = size;
    this.#bits = new Uint32Array(size / 32);
    this.#floor = floor;
    this.#top = floor - 1;
  }

  /** Null when the counter is new, else why not. Changes nothing. */
  check(counter: number): 'replayed' | 'too-old' | null {
    if (counter > this.#top) return null;
    if (counter < this.#floor || counter <= this.#top - this.#size) return 'too-old';
    return this.#has(counter) ? 'replayed' : null;
  }

  /** What is older than this is refused from now on. */
  raiseFloor(floor: number): void {
    this.#floor = Math.max(this.#floor, floor);
  }

  /** Only after the tag was found good. */
  mark(counter: number): void {
    if (counter > this.#top) {
      const from = Math.max(this.#top + 1, counter - this.#size + 1);
      for (let passed = from; passed <= counter; passed++) this.#clear(passed);
      this.#top = counter;
    }
    const bit = counter % this.#size;
    this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] as number) | (1 << (bit & 31));
  }

  #has(counter: number): boolean {
    const bit = counter % this.#size;
    return ((this.#bits[bit >>> 5] as number) & (1 << (bit & 31))) !== 0;
  }

  #clear(counter: number): void {
    const bit = counter % this.#size;
    this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] as number) & ~(1 << (bit & 31));
  }
}
