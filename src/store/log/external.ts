import { type Rope, RopeBuilder } from '../rope.ts';
import { Span } from '../span.ts';
import { BATCH_HEADER_BYTES, BATCH_HEADER_WORDS, MAX_BATCH_BYTES } from './format.ts';

/** Behind the batch's header: lengths of key and value, flags, stamp (4), expiry (2), where in key and value the part begins. */
const PART_HEADER_WORDS = 10;
const PART_BYTES = MAX_BATCH_BYTES - BATCH_HEADER_BYTES - PART_HEADER_WORDS * 4;
const PART_AT = BATCH_HEADER_BYTES + PART_HEADER_WORDS * 4;
/** Redis' own limits: 512 MB each. */
const MAX_EXTERNAL_BYTES = 512 << 20;
const REMOVAL = 1;

/** A change too large for a batch: it goes into the log as parts, each a batch of its own, one after the other. */
export class ExternalChange {
  readonly key: Uint8Array;
  /** Null: the key was removed. */
  readonly value: Rope | null;
  readonly stamp: Int32Array;
  readonly expiryMs: number;
  readonly sequence: number;
  written = 0;

  constructor(key: Uint8Array, value: Rope | null, stamp: Int32Array, expiryMs: number, sequence: number) {
    this.key = key;
    this.value = value;
    this.stamp = stamp;
    this.expiryMs = expiryMs;
    this.sequence = sequence;
  }

  get totalBytes(): number {
    return this.key.length + (this.value?.length ?? 0);
  }

  /** Puts the next part into a batch's buffer; returns its stored bytes. */
  fill(words: Int32Array, bytes: Uint8Array): number {
    const at = BATCH_HEADER_WORDS;
    words[at] = this.key.length;
    words[at + 1] = this.value?.length ?? 0;
    words[at + 2] = this.value === null ? REMOVAL : 0;
    words.set(this.stamp, at + 3);
    words[at + 7] = this.expiryMs | 0;
    words[at + 8] = Math.floor(this.expiryMs / 2 ** 32);
    words[at + 9] = this.written;
    let filled = 0;
    let from = this.written;
    const keyBytes = this.key.length;
    if (from < keyBytes) {
      const part = this.key.subarray(from, from + PART_BYTES);
      bytes.set(part, PART_AT);
      filled = part.length;
      from += filled;
    }
    if (this.value !== null && from >= keyBytes && filled < PART_BYTES) {
      const end = Math.min(from - keyBytes + PART_BYTES - filled, this.value.length);
      this.value.copyTo(bytes, PART_AT + filled, from - keyBytes, end);
      filled += end - (from - keyBytes);
    }
    this.written += filled;
    return PART_HEADER_WORDS * 4 + filled;
  }
}

/** Puts parts together again. One change at a time: its parts follow each other. */
export class Assembly {
  key = new Uint8Array(0);
  #value = new RopeBuilder(0);
  removal = false;
  readonly stamp = new Int32Array(4);
  expiryMs = 0;
  #done = 0;
  #total = 0;

  /** Takes what was under way as never written: the process ended before its last part. */
  drop(): void {
    this.#done = 0;
    this.#total = 0;
    this.key = new Uint8Array(0);
    this.#value = new RopeBuilder(0);
  }

  /** 'whole' when this was the last part; 'wrong' when it does not follow the one before. `fileBytes`: of the file it is in. */
  add(
    words: Int32Array,
    bytes: Uint8Array,
    at: number,
    rawBytes: number,
    fileBytes: number,
  ): 'whole' | 'more' | 'wrong' {
    if (rawBytes < PART_HEADER_WORDS * 4) return 'wrong';
    const first = at >> 2;
    const keyBytes = (words[first] as number) >>> 0;
    const valueBytes = (words[first + 1] as number) >>> 0;
    const offset = (words[first + 9] as number) >>> 0;
    if (keyBytes > MAX_EXTERNAL_BYTES || valueBytes > MAX_EXTERNAL_BYTES) return 'wrong';
    if (keyBytes + valueBytes > fileBytes) {
      // It was never finished: its last part cannot be here. No memory is taken for it.
      this.drop();
      return 'more';
    }
    if (offset === 0) {
      this.key = new Uint8Array(keyBytes);
      this.#value = new RopeBuilder(valueBytes);
      this.removal = ((words[first + 2] as number) & REMOVAL) !== 0;
      this.stamp.set(words.subarray(first + 3, first + 7));
      this.expiryMs = ((words[first + 7] as number) >>> 0) + (words[first + 8] as number) * 2 ** 32;
      this.#done = 0;
      this.#total = keyBytes + valueBytes;
    }
    const length = rawBytes - PART_HEADER_WORDS * 4;
    if (offset !== this.#done || keyBytes !== this.key.length || this.#done + length > this.#total)
      return 'wrong';
    const from = at + PART_HEADER_WORDS * 4;
    const ofKey = Math.max(0, Math.min(length, keyBytes - offset));
    this.key.set(bytes.subarray(from, from + ofKey), Math.min(offset, keyBytes));
    this.#value.add(bytes.subarray(from + ofKey, from + length));
    this.#done += length;
    return this.#done === this.#total ? 'whole' : 'more';
  }

  /** Key and value are the caller's. */
  take(): { key: Span; value: Rope } {
    const whole = { key: new Span(this.key), value: this.#value.take() };
    this.drop();
    return whole;
  }
}
