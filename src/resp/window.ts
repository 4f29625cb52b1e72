/** Of a reply's size before one was seen, and how fast it is forgotten that there was a large one. */
const FIRST_BYTES = 16 * 1024;
const FORGET_SHIFT = 5;

/**
 * How much is to be expected of the replies that others owe a client: a guess, by those that came, that rises at once and falls
 * slowly. It keeps a client with thousands of small replies under way busy, and one with large ones to a few.
 */
export class Window {
  #replyBytes = FIRST_BYTES;
  #owed = 0;

  asked(): void {
    this.#owed++;
  }

  came(bytes: number): void {
    this.#owed--;
    this.#replyBytes = Math.max(bytes, this.#replyBytes - (this.#replyBytes >> FORGET_SHIFT));
  }

  get owedBytes(): number {
    return this.#owed * this.#replyBytes;
  }
}
