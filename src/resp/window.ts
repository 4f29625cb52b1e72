import { LIMITS } from '../base/index.ts';

/** Of a reply's size before one was seen, and how fast it is forgotten that there was a large one. */
const FIRST_BYTES = 16 * 1024;
const FORGET_SHIFT = 5;
/** Answers that may be owed before the first has come; one more with each that comes. */
const FIRST_OWED = 32;

/**
 * How many answers others may owe a client, as TCP's congestion window grows: a few at first, more with each that came, up to so
 * many bytes of replies as they are expected to be. The guess at a reply's size rises at once and falls slowly.
 */
export class Window {
  #replyBytes = FIRST_BYTES;
  #owed = 0;
  #allowed = FIRST_OWED;

  asked(): void {
    this.#owed++;
  }

  came(bytes: number): void {
    this.#owed--;
    if (this.#allowed < LIMITS.respWaitingReplies) this.#allowed++;
    this.#replyBytes = Math.max(bytes, this.#replyBytes - (this.#replyBytes >> FORGET_SHIFT));
  }

  /** Whether there is room for more beside `waitingBytes` that have come; or, with `share` 2, half of all room. */
  hasRoom(waitingBytes: number, share = 1): boolean {
    const bytes = waitingBytes + this.#owed * this.#replyBytes;
    return this.#owed * share < this.#allowed && bytes * share < LIMITS.respWaitingBytes;
  }
}
