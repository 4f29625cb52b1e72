import { KeyHash } from '../key-hash.ts';
import type { BatchPool } from '../log/batch.ts';
import { Recorder, type Tape } from '../log/recorder.ts';
import { WRITE_SHIFT, WRITES } from '../record.ts';
import type { Rope } from '../rope.ts';
import type { Span } from '../span.ts';

/** What the recorder has to know of the tape. */
export interface CountingTape extends Tape {
  /** Batches and large changes taken in so far. */
  readonly taken: number;
  /** Of those, how many are written. */
  readonly done: number;
}

/** Places of removals are told apart by so many bits of the hash. */
const REMOVAL_MASK = 0xffff;

/**
 * The log's recorder, for a table that is a cache: notes in each record which write it is in, so that it is known when it may be
 * forgotten, and takes down what has expired, which nobody but LevelDB would forget.
 */
export class LevelRecorder extends Recorder {
  readonly #counter: CountingTape;
  readonly #hash = new KeyHash();
  /**
   * The last write with a removal, for all hashes that end alike; whole numbers modulo 2^32. A map of those that are not written yet is
   * exact, and its growth and what is taken from it at once, after a million expiries, were pauses of 10 ms.
   */
  readonly #removals = new Int32Array(REMOVAL_MASK + 1).fill(-1);
  /** `sequence` when everything was deleted last. */
  #clearedAt = -1;
  onCleared: () => void = () => {};
  /** Ever. */
  removals = 0;
  onRemoval: (slot: number, hash: number) => void = () => {};

  constructor(tape: CountingTape, pool: BatchPool) {
    super(tape, pool);
    this.#counter = tape;
  }

  override wrote(words: Int32Array, at: number, bytes: number): void {
    super.wrote(words, at, bytes);
    note(words, at, this.#counter.taken);
  }

  override wroteExternal(words: Int32Array, at: number, key: Span, value: Rope): void {
    super.wroteExternal(words, at, key, value);
    // It was handed over already, as a write of its own.
    note(words, at, this.#counter.taken - 1);
  }

  override removed(key: Span, keyAt: number, keyLength: number, words: Int32Array, at: number): void {
    super.removed(key, keyAt, keyLength, words, at);
    this.#hash.of(key.bytes, keyAt, keyLength);
    const { slot, hash } = this.#hash;
    this.#removals[hash & REMOVAL_MASK] = this.#counter.taken;
    this.removals++;
    this.onRemoval(slot, hash);
  }

  override cleared(): void {
    // First of its batch, but for others like it: a batch may be written in parts, and again from the beginning, and what was there
    // before stays in the epoch before.
    if (this.sequence !== this.#clearedAt) this.seal();
    super.cleared();
    this.#clearedAt = this.sequence;
    this.onCleared();
  }

  /** Whether a removal of a key with this hash may not be written yet; false is sure. */
  isRemoving(hash: number): boolean {
    return (((this.#removals[hash & REMOVAL_MASK] as number) - this.#counter.done) | 0) >= 0;
  }

  expired(key: Span, keyAt: number, keyLength: number, words: Int32Array, at: number): void {
    this.removed(key, keyAt, keyLength, words, at);
  }
}

/** Puts the number of a write into word 1 of a record. */
export function note(words: Int32Array, at: number, write: number): void {
  const others = (words[at + 1] as number) & ((1 << WRITE_SHIFT) - 1);
  words[at + 1] = others | ((write & (WRITES - 1)) << WRITE_SHIFT);
}
