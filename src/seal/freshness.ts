/** Unit of the clock that datagrams carry: 32 bits of it come round after 397 days. */
const UNIT_MS = 8;
/**
 * Later than its sender's clock says by more than this, a datagram may be a recording. That clock is never taken to be
 * further back than it is: what it said in a proof it is held to have said when the proof was asked for, however long
 * that was kept back on its way. So nothing that was sealed longer ago is ever taken, but for what the two clocks have
 * run apart since.
 */
export const FRESH_MS = 4000;

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

  /**
   * After a datagram that is taken. One that took less time than any before says more of that clock; one that took more
   * says nothing, for whoever is in between may delay them all, a little more each time. So where clocks run apart, it
   * comes to a question now and then: at 100 in a million twice a day.
   */
  learn(nowMs: number, stamp: number): void {
    if (this.lagMs(nowMs, stamp) < 0) this.prove(nowMs, stamp);
  }

  /** It said so at this time of ours or later: earlier than it was asked nobody can have answered. */
  prove(atMs: number, stamp: number): void {
    this.#ourMs = atMs;
    this.#theirs = stamp;
  }
}
