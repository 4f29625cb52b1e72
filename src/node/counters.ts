import type { Rng } from '../base/index.ts';
import { MAX_COUNTER } from '../crdt/index.ts';

/** Counters asked for at once: what a crash can waste, and how many changes one disk write lasts for. */
const LEASE_BLOCK = 1024;
/** The next block is asked for when fewer than this are left, so that no change waits for it. */
const LEASE_AHEAD = 384;

/**
 * Greatest counter of its own that a node believes a peer: two million starts with their jumps (io's state directory) stay
 * below it, and as much room is above it.
 */
const BELIEVED = 2 ** 52;

/** Hands out dot counters from blocks that are on disk as this node's: none is ever handed out twice. */
export class Counters {
  #next: number;
  #leasedTo: number;
  #askedTo: number;
  readonly #lease: (upTo: number) => void;
  readonly #rng: Rng;

  /** `lease` asks for all counters below `upTo`; `leased` tells that it is done. `rng`: how many to pass over in a lift. */
  constructor(
    leased: { readonly leaseFrom: number; readonly leaseTo: number },
    lease: (upTo: number) => void,
    rng: Rng,
  ) {
    this.#next = leased.leaseFrom;
    this.#leasedTo = leased.leaseTo;
    this.#askedTo = leased.leaseTo;
    this.#lease = lease;
    this.#rng = rng;
  }

  /** The first counter not handed out. */
  get next(): number {
    return this.#next;
  }

  get available(): boolean {
    return this.#next < this.#leasedTo;
  }

  /** Hands one out; ask `available` first. */
  take(): number {
    const counter = this.#next++;
    this.#ahead();
    return counter;
  }

  /** Gives back the counter handed out last, when the change turned out not to need it. */
  giveBack(counter: number): void {
    if (counter === this.#next - 1) this.#next = counter;
  }

  /**
   * Peers know these counters of ours, [lo0, hi0, lo1, hi1, ...] (an older state directory was put back): resume above
   * them, and not right above, where another process with a copy of the directory may be about to go on. What only a forger claims is passed over: our own do not come that far.
   */
  lift(seen: readonly number[]): boolean {
    let at = seen.length - 1;
    while (at > 0 && (seen[at] as number) > BELIEVED && (seen[at - 1] as number) > this.#next) at -= 2;
    const top = seen[at] ?? 0;
    if (top < this.#next) return false;
    this.#next = top + 1 + this.#rng.u32();
    if (!this.exhausted) this.#ahead();
    return true;
  }

  /** A peer claims that all were used: there is none left to hand out. */
  get exhausted(): boolean {
    return this.#next > MAX_COUNTER;
  }

  leased(upTo: number): void {
    if (upTo > this.#leasedTo) this.#leasedTo = upTo;
  }

  /** The disk refused: ask again with the next change. */
  refused(): void {
    this.#askedTo = this.#leasedTo;
  }

  #ahead(): void {
    if (this.#askedTo - this.#next >= LEASE_AHEAD) return;
    this.#askedTo = Math.max(this.#askedTo, this.#next) + LEASE_BLOCK;
    this.#lease(this.#askedTo);
  }

  /** Asks for a block when none is left and none was asked for. */
  request(): void {
    if (this.#askedTo <= this.#next) this.#ahead();
  }
}
