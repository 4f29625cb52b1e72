import { LIMITS } from '../base/index.ts';

/** Whether half a command of a client has been here for long, and hardly any of the rest comes. */
export class Dawdling {
  /** Since when there was half a command at every look, and what had come in until then. */
  #sinceMs: number;
  #bytes = 0;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** To be asked now and then; `bytesIn` is all that ever came. */
  isTooLong(isHalf: boolean, bytesIn: number, nowMs: number): boolean {
    if (!isHalf || bytesIn - this.#bytes > LIMITS.respDawdlingBytes) {
      this.#sinceMs = nowMs;
      this.#bytes = bytesIn;
    }
    return nowMs - this.#sinceMs > LIMITS.respDawdlingMs;
  }
}
