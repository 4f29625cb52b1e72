import { LARGE_KEY_BYTES } from '../key-hash.ts';
import { EXPIRES } from '../record.ts';
import type { Rope } from '../rope.ts';
import type { ChangeSink } from '../sink.ts';
import type { Span } from '../span.ts';
import type { Batch, BatchPool } from './batch.ts';
import { ExternalChange } from './external.ts';
import { BATCH_HEADER_WORDS, CLEAR, END, KIND_SHIFT, LEASE, MAX_BATCH_BYTES, PUT, REMOVE } from './format.ts';

const BATCH_WORDS = MAX_BATCH_BYTES / 4;
/** From here on the engine's copy is faster than a loop. */
const LOOP_WORDS = 128;
/** Longer keys are removed by an external change. */
const MAX_REMOVED_KEY_BYTES = 65_536;
const STAMP_WORDS = 4;

/** Where what was recorded goes, in order. */
export interface Tape {
  batch(batch: Batch): void;
  external(change: ExternalChange): void;
}

/**
 * Copies changes into batches, words as they are: about the price of the copy. A change is whole in one batch, or, when it is
 * too large for one, a change by itself.
 */
export class Recorder implements ChangeSink {
  readonly #tape: Tape;
  readonly #pool: BatchPool;
  #batch: Batch;
  #words: Int32Array;
  #end = BATCH_HEADER_WORDS;
  #records = 0;
  /** Changes in batches that went on. */
  #before = 0;

  constructor(tape: Tape, pool: BatchPool) {
    this.#tape = tape;
    this.#pool = pool;
    this.#batch = pool.take();
    this.#words = this.#batch.words;
  }

  /** Changes taken in so far. */
  get sequence(): number {
    return this.#before + this.#records;
  }

  /** Bytes that wait in the batch that is being filled. */
  get waitingBytes(): number {
    return (this.#end - BATCH_HEADER_WORDS) * 4;
  }

  wrote(words: Int32Array, at: number, bytes: number): void {
    // Four words a round: blocks of the arena are multiples of 16 bytes, and what is copied too much is written over.
    const rounded = ((bytes + 15) >>> 4) << 2;
    if (this.#end + rounded >= BATCH_WORDS) this.seal();
    const out = this.#words;
    let to = this.#end;
    out[to++] = (PUT << KIND_SHIFT) | bytes;
    this.#end = to + ((bytes + 3) >>> 2);
    this.#records++;
    if (rounded > LOOP_WORDS) {
      out.set(words.subarray(at, at + rounded), to);
      return;
    }
    for (let from = at; from < at + rounded; from += 4, to += 4) {
      const a = words[from] as number;
      const b = words[from + 1] as number;
      const c = words[from + 2] as number;
      const d = words[from + 3] as number;
      out[to] = a;
      out[to + 1] = b;
      out[to + 2] = c;
      out[to + 3] = d;
    }
  }

  wroteExternal(words: Int32Array, at: number, key: Span, value: Rope): void {
    let expiryMs = 0;
    if (((words[at + 1] as number) & EXPIRES) !== 0)
      expiryMs = ((words[at + 6] as number) >>> 0) + (words[at + 7] as number) * 2 ** 32;
    this.#external(key.bytes, value, words, at, expiryMs);
  }

  removed(key: Span, keyAt: number, keyLength: number, words: Int32Array, at: number): void {
    if (keyLength > MAX_REMOVED_KEY_BYTES) {
      // A key outside the arena stays as it is; any other buffer is filled again.
      const isWhole = keyLength === key.bytes.length && keyLength > LARGE_KEY_BYTES;
      const kept = isWhole ? key.bytes : key.bytes.slice(keyAt, keyAt + keyLength);
      this.#external(kept, null, words, at, 0);
      return;
    }
    const bytes = STAMP_WORDS * 4 + keyLength;
    if (this.#end + 1 + ((bytes + 3) >>> 2) >= BATCH_WORDS) this.seal();
    const out = this.#words;
    let to = this.#end;
    out[to++] = (REMOVE << KIND_SHIFT) | bytes;
    for (let i = 0; i < STAMP_WORDS; i++) out[to++] = words[at + 2 + i] as number;
    this.#batch.bytes.set(key.bytes.subarray(keyAt, keyAt + keyLength), to * 4);
    this.#end = to + ((keyLength + 3) >>> 2);
    this.#records++;
  }

  cleared(): void {
    if (this.#end + 1 >= BATCH_WORDS) this.seal();
    this.#words[this.#end++] = CLEAR << KIND_SHIFT;
    this.#records++;
  }

  /** This actor uses counters up to these, and no further. */
  lease(actor: number, upTo: Float64Array): void {
    if (this.#end + 2 + upTo.length * 2 >= BATCH_WORDS) this.seal();
    const out = this.#words;
    let to = this.#end;
    out[to++] = (LEASE << KIND_SHIFT) | (4 + upTo.length * 8);
    out[to++] = actor;
    for (const counter of upTo) {
      out[to++] = counter | 0;
      out[to++] = counter / 2 ** 32;
    }
    this.#end = to;
    this.#records++;
  }

  /** Nothing follows; so many changes came before. */
  finish(): void {
    const count = this.sequence;
    if (this.#end + 3 >= BATCH_WORDS) this.seal();
    this.#words[this.#end++] = (END << KIND_SHIFT) | 8;
    this.#words[this.#end++] = count | 0;
    this.#words[this.#end++] = count / 2 ** 32;
    this.#records++;
    this.seal();
  }

  /** Hands on what there is. */
  seal(): void {
    if (this.#records === 0) return;
    const batch = this.#batch;
    batch.end = this.#end;
    batch.records = this.#records;
    this.#before += this.#records;
    batch.sequence = this.#before;
    this.#records = 0;
    this.#end = BATCH_HEADER_WORDS;
    this.#batch = this.#pool.take();
    this.#words = this.#batch.words;
    this.#tape.batch(batch);
  }

  #external(key: Uint8Array, value: Rope | null, words: Int32Array, at: number, expiryMs: number): void {
    this.seal();
    this.#before++;
    const stamp = words.slice(at + 2, at + 2 + STAMP_WORDS);
    this.#tape.external(new ExternalChange(key, value, stamp, expiryMs, this.#before));
  }
}
