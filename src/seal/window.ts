/** How far behind the newest counter a datagram may come and still be new. */
export const WINDOW_SIZE = 2048;
const WORDS = WINDOW_SIZE / 32;

/** Which counters of one sender's boot have come: a bitmap that slides with the highest (RFC 4303, section 3.4.3). */
export class ReplayWindow {
  readonly #bits = new Uint32Array(WORDS);
  /** Below it everything is refused, whatever the bitmap says. */
  #floor: number;
  #top: number;

  constructor(floor: number) {
    this.#floor = floor;
    this.#top = floor - 1;
  }

  /** Null when the counter is new, else why not. Changes nothing. */
  check(counter: number): 'replayed' | 'too-old' | null {
    if (counter > this.#top) return null;
    if (counter < this.#floor || counter <= this.#top - WINDOW_SIZE) return 'too-old';
    return this.#has(counter) ? 'replayed' : null;
  }

  /** What is older than this is refused from now on. */
  raiseFloor(floor: number): void {
    this.#floor = Math.max(this.#floor, floor);
  }

  /** Only after the tag was found good. */
  mark(counter: number): void {
    if (counter > this.#top) {
      const from = Math.max(this.#top + 1, counter - WINDOW_SIZE + 1);
      for (let passed = from; passed <= counter; passed++) this.#clear(passed);
      this.#top = counter;
    }
    const bit = counter % WINDOW_SIZE;
    this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] as number) | (1 << (bit & 31));
  }

  #has(counter: number): boolean {
    const bit = counter % WINDOW_SIZE;
    return ((this.#bits[bit >>> 5] as number) & (1 << (bit & 31))) !== 0;
  }

  #clear(counter: number): void {
    const bit = counter % WINDOW_SIZE;
    this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] as number) & ~(1 << (bit & 31));
  }
}
