const FIRST_BYTES = 4096;

/**
 * Cuts a byte stream into length-prefixed frames. Memory follows what has arrived, not what was announced: the buffer
 * of a frame doubles as it fills, up to the announced length.
 */
export class FrameReader {
  readonly #maxBytes: () => number;
  /** Length bytes seen so far (0 to 4) and their value. */
  #prefixBytes = 0;
  #length = 0;
  #body: Uint8Array | null = null;
  #filled = 0;

  /** `maxBytes` is asked for each frame: who has not proved to be a member may send less. */
  constructor(maxBytes: () => number) {
    this.#maxBytes = maxBytes;
  }

  /** Memory held for a frame that is not whole. */
  get heldBytes(): number {
    return this.#body?.length ?? 0;
  }

  /** Gives out each frame that is whole, as bytes of its own. False: a longer one than allowed was announced. */
  push(chunk: Uint8Array, frame: (bytes: Uint8Array) => void): boolean {
    let at = 0;
    for (;;) {
      while (this.#prefixBytes < 4) {
        if (at === chunk.length) return true;
        this.#length = this.#length * 256 + (chunk[at++] as number);
        this.#prefixBytes++;
      }
      if (this.#length > this.#maxBytes()) return false;
      const take = Math.min(this.#length - this.#filled, chunk.length - at);
      this.#append(chunk.subarray(at, at + take));
      at += take;
      if (this.#filled < this.#length) return true;
      const whole = this.#body ?? new Uint8Array(0);
      this.#body = null;
      this.#filled = 0;
      this.#length = 0;
      this.#prefixBytes = 0;
      frame(whole);
    }
  }

  #append(part: Uint8Array): void {
    const needed = this.#filled + part.length;
    const held = this.#body?.length ?? 0;
    if (needed > held) {
      const grown = new Uint8Array(Math.min(this.#length, Math.max(needed, 2 * held, FIRST_BYTES)));
      if (this.#body !== null) grown.set(this.#body.subarray(0, this.#filled));
      this.#body = grown;
    }
    this.#body?.set(part, this.#filled);
    this.#filled = needed;
  }
}
