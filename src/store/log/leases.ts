import { type Stamps, TILES } from '../stamps.ts';

/** Counters leased at once, for each tile: what a crash wastes of 2^48. */
const BLOCK = 2 ** 24;
/** Changes between two looks at the counters: no tile can have made more dots in between. */
const CHECK_CHANGES = 65_536;

/** Takes down a lease; returns the sequence of that record. */
export type LeaseWriter = (upTo: Float64Array) => number;

/**
 * Dots are never used twice: before a counter is used, a record that leases it is on disk, and a start resumes above what was
 * leased, whatever of the versions themselves was lost. The next block is asked for when half of one is used, so that no
 * write waits for it; when the disk refuses for so long that a block is used up, writes must be refused.
 */
export class Leases {
  readonly #stamps: Stamps;
  readonly #write: LeaseWriter;
  /** On disk; and asked for, which is more while a lease is under way. */
  #held = new Float64Array(TILES);
  #asked = new Float64Array(TILES);
  #askedSequence = 0;
  #checkedSequence = 0;
  /** Nothing may be stamped: none is on disk. */
  usedUp = true;

  constructor(stamps: Stamps, write: LeaseWriter) {
    this.#stamps = stamps;
    this.#write = write;
  }

  /** The most that was ever asked for. */
  get upTo(): Float64Array {
    return this.#asked;
  }

  /** To be called after each turn. */
  check(sequence: number, onDisk: number): void {
    if (this.#askedSequence !== 0 && onDisk >= this.#askedSequence) this.#take();
    if (sequence - this.#checkedSequence < CHECK_CHANGES) return;
    this.#checkedSequence = sequence;
    let least = Infinity;
    for (let tile = 0; tile < TILES; tile++)
      least = Math.min(least, (this.#held[tile] as number) - this.#stamps.counter(tile));
    this.usedUp = least < 2 * CHECK_CHANGES;
    if (least < BLOCK / 2 && this.#askedSequence === 0) this.ask();
  }

  /** Asks for a block above what is used. */
  ask(): void {
    const asked = new Float64Array(TILES);
    for (let tile = 0; tile < TILES; tile++)
      asked[tile] = Math.max(this.#stamps.counter(tile) + BLOCK, this.#asked[tile] as number);
    this.#asked = asked;
    this.#askedSequence = this.#write(asked);
  }

  #take(): void {
    this.#held = this.#asked;
    this.#askedSequence = 0;
    this.usedUp = false;
  }
}
