/** Bytes on their way at most, and at least: however slow, something goes. */
export const WINDOW = { maxBytes: 64 * 1024, minBytes: 4 * 1024, startBytes: 16 * 1024 } as const;
/** By what the window grows for each time that all of it was answered. */
const STEP_BYTES = 1024;
/** What is lost within this counts as one loss. */
const LOSS_MS = 100;

/**
 * How many bytes of publications may be on their way before more are sent: more with each answer, half as many when one is
 * missing (as TCP does, RFC 5681). So a node, or a network, that does not keep up has few of them before its probes.
 * On its way is what was sent once and neither answered nor given up for lost: a peer that is dead holds up nobody for long.
 */
export class Congestion {
  #windowBytes: number = WINDOW.startBytes;
  #bytes = 0;
  #lostMs = -Infinity;

  /** No more is to be sent now. */
  get full(): boolean {
    return this.#bytes >= this.#windowBytes;
  }

  sent(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Was answered, or given up for lost: then `lost` is told as well. */
  over(bytes: number): void {
    this.#bytes -= bytes;
  }

  answered(bytes: number): void {
    this.#windowBytes = Math.min(
      WINDOW.maxBytes,
      this.#windowBytes + (bytes * STEP_BYTES) / this.#windowBytes,
    );
  }

  lost(nowMs: number): void {
    if (nowMs - this.#lostMs < LOSS_MS) return;
    this.#lostMs = nowMs;
    this.#windowBytes = Math.max(WINDOW.minBytes, this.#windowBytes / 2);
  }
}
