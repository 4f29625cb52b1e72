import { assert } from '../base/index.ts';
import { hashedBefore, type KeyHash, LARGE_KEY_BYTES, rememberHash } from './key-hash.ts';
import { EXPIRES, EXPIRY_BYTES, HEADER_BYTES } from './record.ts';
import type { Rope } from './rope.ts';
import { Span } from './span.ts';

/** Key and value of a record that is too large for the arena. */
export interface External {
  readonly key: Span;
  readonly value: Rope;
}

/** Large records by number; the arena has the number and the record's header. */
export class Externals {
  readonly #all = new Map<number, External>();
  #next = 1;
  /** Of keys and values. */
  bytes = 0;

  get(number: number): External {
    const external = this.#all.get(number);
    assert(external !== undefined, 'what is outside the arena is there');
    return external;
  }

  /** Of the record at a word. */
  in(words: Int32Array, at: number): External {
    return this.get(words[numberAt(words, at)] as number);
  }

  /** Whether the record at a word has this key. */
  matches(words: Int32Array, at: number, key: Span, keyAt: number, length: number): boolean {
    const own = this.in(words, at).key;
    if (own.bytes.length !== length) return false;
    return Buffer.compare(own.bytes, key.bytes.subarray(keyAt, keyAt + length)) === 0;
  }

  /**
   * Copies the key, but for a large one in an array that nobody writes to and that it is most of; gives the number. What ropes share
   * counts for each of them.
   */
  add({ bytes }: Span, at: number, length: number, value: Rope, { slot, hash }: KeyHash): number {
    const key = bytes.subarray(at, at + length);
    const isLasting = length * 2 > bytes.length && hashedBefore(bytes, at, length) !== undefined;
    const kept = isLasting ? key : key.slice();
    if (length > LARGE_KEY_BYTES) rememberHash(kept, { at: 0, length, slot, hash });
    this.#all.set(this.#next, { key: new Span(kept), value });
    value.stored++;
    this.bytes += key.length + value.length;
    return this.#next++;
  }

  drop(number: number): void {
    const { key, value } = this.get(number);
    this.#all.delete(number);
    value.stored--;
    this.bytes -= key.bytes.length + value.length;
  }

  clear(): void {
    for (const { value } of this.#all.values()) value.stored--;
    this.#all.clear();
    this.bytes = 0;
  }
}

/** The word with the number of an external record. */
export function numberAt(words: Int32Array, at: number): number {
  const header = ((words[at + 1] as number) & EXPIRES) === 0 ? HEADER_BYTES : HEADER_BYTES + EXPIRY_BYTES;
  return at + (header >> 2);
}
