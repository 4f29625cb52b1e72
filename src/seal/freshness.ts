/** Unit of the clock that datagrams carry: 32 bits of it come round after 397 days. */
const UNIT_MS = 8;
/**
 * Later than its sender's clock says by more than this, a datagram may be a recording. That clock is never taken to be
 * further back than it is: what it said in a proof it is held to have said when the proof was asked for, however long
 * that was kept back on its way. So nothing that was sealed longer ago is ever taken, but for what the two clocks have
 * run apart since, an hour at most: 4.7 s in all where they differ by 200 in a million.
 */
export const FRESH_MS = 4000;
/**
 * Whoever is in between and delays all, a little more each time, gains what a fast clock gains: that is not told from
 * datagrams that come quicker. So a boot is asked again so long after its last proof, its datagrams being taken
 * meanwhile, and taken no more without an answer at the end of the hour: at 200 in a million 0.7 s besides the four.
 */
export const ASK_ANEW_MS = 3_300_000;
export const PROOF_HOLDS_MS = 3_600_000;

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
  /** When what was proved last was asked for; -Infinity: it is believed no more. */
  #provedMs: number;

  constructor(nowMs: number, stamp: number) {
    this.#ourMs = nowMs;
    this.#theirs = stamp;
    this.#provedMs = nowMs;
  }

  /** By how much it is later than the quickest one; Infinity while nothing is known of that clock. */
  lagMs(nowMs: number, stamp: number): number {
    if (!this.isBelieved(nowMs)) return Infinity;
    return nowMs - this.#ourMs - ((stamp - this.#theirs) | 0) * UNIT_MS;
  }

  /**
   * After a datagram that is taken. One that took less time than any before says more of that clock; one that took more
   * says nothing, for whoever is in between may delay them all, a little more each time. So where a sender's
   * clock is slow, it comes to a question besides the one an hour, if ever: at 200 in a million after five hours.
   */
  learn(nowMs: number, stamp: number): void {
    if (this.lagMs(nowMs, stamp) >= 0) return;
    this.#ourMs = nowMs;
    this.#theirs = stamp;
  }

  /** Its last proof still holds. */
  isBelieved(nowMs: number): boolean {
    return nowMs - this.#provedMs <= PROOF_HOLDS_MS;
  }

  /** It is to be asked again, while it is believed. */
  isDue(nowMs: number): boolean {
    return nowMs - this.#provedMs > ASK_ANEW_MS;
  }

  /** Our own clock is not what it was: nothing is known of the other any more. */
  doubt(): void {
    this.#provedMs = -Infinity;
  }

  /** It said so at this time of ours or later: earlier than it was asked nobody can have answered. */
  prove(atMs: number, stamp: number): void {
    this.#ourMs = atMs;
    this.#theirs = stamp;
    this.#provedMs = atMs;
  }
}
