/** Unit of the clock that datagrams carry: 32 bits of it come round after 397 days. */
const UNIT_MS = 8;
/** Later than its sender's clock says by more than this, a datagram may be a recording. */
export const FRESH_MS = 4000;
/** Clocks of two machines run apart by far less than one in this. */
const DRIFT = 1024;

export function stampOf(nowMs: number): number {
  return Math.floor(nowMs / UNIT_MS) % 2 ** 32;
}

/**
 * What a receiver knows of one sender's clock. Windows are kept for each sender, not for each pair: what a sender said to
 * somebody else, or while we did not hear it, has a counter that is new to us however old it is. Its stamp tells. The
 * clocks need not agree: the quickest datagram so far says how far they are apart.
 */
export class Freshness {
  /** Our clock and the sender's, when a datagram took the least time. */
  #ourMs: number;
  #theirs: number;

  constructor(nowMs: number, stamp: number) {
    this.#ourMs = nowMs;
    this.#theirs = stamp;
  }

  /** By how much it is later than the quickest one. */
  lagMs(nowMs: number, stamp: number): number {
    return nowMs - this.#ourMs - ((stamp - this.#theirs) | 0) * UNIT_MS;
  }

  /** After a datagram that is taken: follows the drift of the clocks, but not whoever delays more and more. */
  learn(nowMs: number, stamp: number): void {
    const lag = this.lagMs(nowMs, stamp);
    const drift = lag <= 0 ? lag : Math.min(lag, Math.max(0, nowMs - this.#ourMs) / DRIFT);
    this.#ourMs = nowMs - lag + drift;
    this.#theirs = stamp;
  }

  /** What has just answered our question is as quick as can be known. */
  prove(nowMs: number, stamp: number): void {
    this.#ourMs = nowMs;
    this.#theirs = stamp;
  }
}
