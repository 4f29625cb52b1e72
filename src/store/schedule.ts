import { SLOTS } from './slot-index.ts';

/** What a table knows of its expiries without looking at records: how many of each slot expire, and when the first may. */
export class Schedule {
  readonly #counts = new Uint32Array(SLOTS);
  /** A time before which nothing in the slot is due. */
  readonly #soonest = new Float64Array(SLOTS).fill(Infinity);
  total = 0;

  /** Records of a slot that have an expiry. */
  countIn(slot: number): number {
    return this.#counts[slot] as number;
  }

  /** A time before which nothing in the slot is due; Infinity when nothing ever is. */
  soonestIn(slot: number): number {
    return this.#soonest[slot] as number;
  }

  /** To be set by who looks at the whole slot. */
  setSoonest(slot: number, ms: number): void {
    this.#soonest[slot] = this.#counts[slot] === 0 ? Infinity : ms;
  }

  /** A record of the slot has got this expiry, 0 for none; whether it had one. */
  change(slot: number, expiryMs: number, had: boolean): void {
    if (expiryMs !== 0 && expiryMs < (this.#soonest[slot] as number)) this.#soonest[slot] = expiryMs;
    const change = (expiryMs === 0 ? 0 : 1) - (had ? 1 : 0);
    this.#counts[slot] = (this.#counts[slot] as number) + change;
    this.total += change;
    if (this.#counts[slot] === 0) this.#soonest[slot] = Infinity;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#soonest.fill(Infinity);
    this.total = 0;
  }
}
