import type { StoredDot } from './entry.ts';

/** Live dots are indexed in blocks of this many counters; each knows its hash, so a range's hash is a sum of few. */
export const BLOCK_COUNTERS = 64;

/** The live dots of one actor with counters from `index * 64` on, ascending. */
export class Block {
  readonly index: number;
  /** One bit per counter that is live: a dot's place is the number of bits below its own. */
  #maskLo = 0;
  #maskHi = 0;
  /** Hash of the dots; signed. */
  hashHi = 0;
  hashLo = 0;
  readonly dots: StoredDot[] = [];

  constructor(index: number) {
    this.index = index;
  }

  /** Position of the first dot with at least this counter, which may be outside the block. */
  find(counter: number): number {
    const offset = counter - this.index * BLOCK_COUNTERS;
    if (offset <= 0) return 0;
    if (offset >= BLOCK_COUNTERS) return this.dots.length;
    return offset < 32
      ? ones(this.#maskLo & ((1 << offset) - 1))
      : ones(this.#maskLo) + ones(this.#maskHi & ((1 << (offset - 32)) - 1));
  }

  /** `counter` is in the block. */
  get(counter: number): StoredDot | undefined {
    const offset = counter - this.index * BLOCK_COUNTERS;
    const mask = offset < 32 ? this.#maskLo : this.#maskHi;
    return (mask & (1 << (offset & 31))) === 0 ? undefined : this.dots[this.find(counter)];
  }

  /** The caller knows that its counter is not there. */
  insert(dot: StoredDot): void {
    const at = this.find(dot.counter);
    const { dots } = this;
    dots.push(dot);
    for (let i = dots.length - 1; i > at; i--) dots[i] = dots[i - 1] as StoredDot;
    dots[at] = dot;
    this.#flip(dot.counter);
    this.hashHi = (this.hashHi + dot.hashHi) | 0;
    this.hashLo = (this.hashLo + dot.hashLo) | 0;
  }

  /** The caller knows that it is there. */
  remove(dot: StoredDot): void {
    const { dots } = this;
    for (let i = this.find(dot.counter) + 1; i < dots.length; i++) dots[i - 1] = dots[i] as StoredDot;
    dots.pop();
    this.#flip(dot.counter);
    this.hashHi = (this.hashHi - dot.hashHi) | 0;
    this.hashLo = (this.hashLo - dot.hashLo) | 0;
  }

  #flip(counter: number): void {
    const offset = counter - this.index * BLOCK_COUNTERS;
    if (offset < 32) this.#maskLo ^= 1 << offset;
    else this.#maskHi ^= 1 << (offset - 32);
  }
}

/** The number of set bits. */
function ones(mask: number): number {
  let n = mask - ((mask >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
