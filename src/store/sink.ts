import type { Rope } from './rope.ts';
import type { Span } from './span.ts';

/** Told of every change, while the record is whole; what it keeps it copies, but for external keys and values, which nobody writes to. */
export interface ChangeSink {
  /** `words` of the block from `at` on hold the record, `bytes` long. */
  wrote(words: Int32Array, at: number, bytes: number): void;
  wroteExternal(words: Int32Array, at: number, key: Span, value: Rope): void;
  removed(key: Span, keyAt: number, keyLength: number, words: Int32Array, at: number): void;
  /** Likewise, but of a record whose time is over; left out by those who find that out by themselves. */
  expired?(key: Span, keyAt: number, keyLength: number, words: Int32Array, at: number): void;
  /** Everything is gone. */
  cleared?(): void;
}
