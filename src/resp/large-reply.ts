import type { Rope } from '../store/index.ts';

/** A reply with large values in it, which goes out piece by piece; the values are not copied. */
export class LargeReply {
  readonly #parts: readonly Uint8Array[];
  readonly #ropes: readonly Rope[];
  #next = 0;
  /** Bytes that were not taken yet. */
  length: number;

  constructor(parts: readonly Uint8Array[], ropes: readonly Rope[] = []) {
    this.#parts = parts;
    this.#ropes = ropes;
    this.length = parts.reduce((sum, { length }) => sum + length, 0);
  }

  /** What is to be sent next; undefined: that was all. */
  take(): Uint8Array | undefined {
    const part = this.#parts[this.#next++];
    if (part !== undefined) this.length -= part.length;
    return part;
  }

  /** Memory that it keeps from being used again: none for values that are in the store still. */
  get heldBytes(): number {
    const stored = this.#ropes.length > 0 && this.#ropes.every((rope) => rope.stored > 0);
    return stored ? 0 : this.length;
  }

  /** All of it as one. */
  whole(): Uint8Array {
    return Uint8Array.from(Buffer.concat(this.#parts));
  }
}
