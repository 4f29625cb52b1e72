/** Counter of a hybrid logical clock: 16 bits. */
const COUNTER_LIMIT = 1 << 16;
export const TILES = 256;

/**
 * Makes the stamps of new versions: a dot, (this actor, tile, counter), and a hybrid logical clock (Kulkarni et al., 2014):
 * 48 bits of milliseconds, 16 of a counter; it never goes back, and is ahead of the wall clock only as far as it must be.
 */
export class Stamps {
  readonly #counters = new Float64Array(TILES);
  /** Number of this node in the table of actors, 16 bits. */
  readonly #actor: number;
  #clockMs = 0;
  #clockLow = 0;
  #clockHigh = 0;
  #count = 0;

  constructor(actor: number) {
    this.#actor = actor;
  }

  /** Of a version that was stamped before, when it is put back: its stamp is in these words from `givenAt` on. */
  given: Int32Array | null = null;
  givenAt = 0;

  /** The number of the dot made last in a tile. */
  counter(tile: number): number {
    return this.#counters[tile] as number;
  }

  /** Goes on above these counters, and above this clock, given by its two words. */
  resume(counters: Float64Array, clockLow: number, clockHigh: number): void {
    for (let tile = 0; tile < TILES; tile++)
      this.#counters[tile] = Math.max(this.#counters[tile] as number, counters[tile] as number);
    const ms = (clockHigh >>> 0) * 65536 + (clockLow >>> 16);
    if (ms >= this.#clockMs) this.#set(ms + 1);
  }

  /** Four words from `at` on: clock, dot. */
  write(words: Int32Array, at: number, tile: number, nowMs: number): void {
    if (this.given !== null) {
      for (let i = 0; i < 4; i++) words[at + i] = this.given[this.givenAt + i] as number;
      return;
    }
    if (nowMs > this.#clockMs) this.#set(nowMs);
    else if (++this.#count === COUNTER_LIMIT) this.#set(this.#clockMs + 1);
    words[at] = this.#clockLow | this.#count;
    words[at + 1] = this.#clockHigh;
    const counter = (this.#counters[tile] as number) + 1;
    this.#counters[tile] = counter;
    words[at + 2] = counter | 0;
    words[at + 3] = (this.#actor << 16) | (counter / 2 ** 32);
  }

  #set(ms: number): void {
    this.#clockMs = ms;
    this.#count = 0;
    this.#clockLow = (ms % 65536) << 16;
    this.#clockHigh = Math.floor(ms / 65536) | 0;
  }
}
