import type { OutputLimit } from './settings.ts';

/** Whether a client's output is over the limit of its class, and for how long it has been over the soft one. */
export class Excess {
  #sinceMs = 0;

  /** So many bytes are too many: at once, or by now. */
  isTooMuch({ hardBytes, softBytes, softMs }: OutputLimit, bytes: number, nowMs: number): boolean {
    if (hardBytes > 0 && bytes >= hardBytes) return true;
    if (softBytes === 0 || bytes < softBytes) {
      this.#sinceMs = 0;
      return false;
    }
    if (this.#sinceMs === 0) this.#sinceMs = nowMs;
    return nowMs - this.#sinceMs > softMs;
  }
}
