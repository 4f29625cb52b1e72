/** Bounds of a retransmission timeout, milliseconds. The floor outlasts a busy board's event loop. */
export const RTO = { initialMs: 250, minMs: 60, maxMs: 3000 } as const;

/** Round-trip estimate of one peer after RFC 6298 (smoothed mean and deviation), fed by unambiguous samples only. */
export class RoundTrip {
  /** Smoothed round trip, milliseconds; -1 until measured. */
  srttMs = -1;
  #varMs = 0;

  sample(ms: number): void {
    if (this.srttMs < 0) {
      this.srttMs = ms;
      this.#varMs = ms / 2;
      return;
    }
    this.#varMs += (Math.abs(this.srttMs - ms) - this.#varMs) / 4;
    this.srttMs += (ms - this.srttMs) / 8;
  }

  /** How long to wait for an acknowledgement. */
  timeoutMs(): number {
    if (this.srttMs < 0) return RTO.initialMs;
    return Math.min(RTO.maxMs, Math.max(RTO.minMs, this.srttMs + 4 * this.#varMs));
  }
}
