/** Counters asked for at once: what a crash can waste, and how many changes one disk write lasts for. */
const LEASE_BLOCK = 1024;
/** The next block is asked for when fewer than this are left, so that no change waits for it. */
const LEASE_AHEAD = 384;

/** Hands out dot counters from blocks that are on disk as this node's: none is ever handed out twice. */
export class Counters {
  #next: number;
  #leasedTo: number;
  #askedTo: number;
  readonly #lease: (upTo: number) => void;

  /** Counters [from, to) are leased. `lease` asks for all below `upTo`; `leased` tells that it is done. */
  constructor(from: number, to: number, lease: (upTo: number) => void) {
    this.#next = from;
    this.#leasedTo = to;
    this.#askedTo = to;
    this.#lease = lease;
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

  /** Peers know counters of ours up to `seen` (an older state directory was put back): resume above them. */
  lift(seen: number): boolean {
    if (seen < this.#next) return false;
    this.#next = seen + 1;
    this.#ahead();
    return true;
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
