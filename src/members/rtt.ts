/** Bounds of a retransmission timeout, milliseconds. The floor outlasts a busy board's event loop. */
export const RTO = { initialMs: 250, minMs: 60, maxMs: 3000 } as const;

/** Doublings of a timeout at most, until a sample tells more. */
const DOUBLINGS = 4;

/**
 * Round-trip estimate of one peer after RFC 6298 (smoothed mean and deviation), fed by unambiguous samples only. A network
 * that has become slower than the timeout gives none of these, for everything is sent twice before it is answered: what
 * shows it is that both are answered, and then the timeout doubles until a sample is clean (as with DSACK, RFC 3708).
 * Silence doubles nothing: of a peer that is dead there is nothing to learn.
 */
export class RoundTrip {
  /** Smoothed round trip, milliseconds; -1 until measured. */
  srttMs = -1;
  #varMs = 0;
  #doublings = 0;

  sample(ms: number): void {
    this.#doublings = 0;
    if (this.srttMs < 0) {
      this.srttMs = ms;
      this.#varMs = ms / 2;
      return;
    }
    this.#varMs += (Math.abs(this.srttMs - ms) - this.#varMs) / 4;
    this.srttMs += (ms - this.srttMs) / 8;
  }

  /** An answer came to what had been sent again, or given up, too early. */
  late(): void {
    if (this.#doublings < DOUBLINGS) this.#doublings++;
  }

  /** How long to wait for an acknowledgement. */
  timeoutMs(): number {
    const base = this.srttMs < 0 ? RTO.initialMs : Math.max(RTO.minMs, this.srttMs + 4 * this.#varMs);
    return Math.min(RTO.maxMs, base * 2 ** this.#doublings);
  }
}
