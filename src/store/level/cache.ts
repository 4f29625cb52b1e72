import { numberAt } from '../externals.ts';
import { KeyHash } from '../key-hash.ts';
import { MARK, markExpiryMs, markOf } from '../marks.ts';
import { EXTERNAL, USED, WRITE_SHIFT, WRITES } from '../record.ts';
import type { ChangeSink } from '../sink.ts';
import { Span } from '../span.ts';
import type { Stamps } from '../stamps.ts';
import type { MessageTable } from '../table.ts';
import type { Message } from './layout.ts';
import { note } from './level-recorder.ts';

/** What a start fills of the cache's share, so that the first writes need not make room. */
const FIRST_SHARE = 0.75;
/** Records looked at in one turn; and when there is little left. */
const LOOKS = 512;
const MANY_LOOKS = 2048;
/** Below the budget, at which the store refuses: see store.ts. */
const TIGHT_SHARE = 0.85;
/** As much as the store holds at most, whatever of it is free: see store.ts. */
const FULL_SHARE = 1.1;
/** Memory comes in chunks of so much. */
const CHUNK_BYTES = 1 << 20;

/** What the cache asks before it forgets a record. */
export interface Keeper {
  /** The record's write, noted in 7 bits, may not be on disk yet. */
  isPending(write: number, modulus: number): boolean;
  /** What was read of this slot and hash is about to come, and must not be older than what is here. */
  isReading(slot: number, hash: number): boolean;
}

/**
 * The table as a cache: records that were not used lately, and are on disk, make room for others and leave a mark in the index
 * (marks.ts). Which, says a clock's hand that goes round the records in the order of memory: it takes away the sign of use, and
 * whoever has none when it comes again must go (second chance; Corbató, 1968).
 */
export class Cache {
  readonly #table: MessageTable;
  readonly #stamps: Stamps;
  readonly #maxBytes: number;
  readonly #shareBytes: number;
  readonly #hash = new KeyHash();
  #insides: MessageTable['insides'];
  keeper: Keeper = { isPending: () => true, isReading: () => false };
  /** The number of the last write that is done. */
  lastWrite = -1;
  /** Above 0: nothing is forgotten. */
  held = 0;
  readonly counters = { evicted: 0 };
  /** For records that come from disk: nothing is to be written of them. */
  readonly #clean: ChangeSink = {
    wrote: (words, at) => this.#isClean(words, at),
    wroteExternal: (words, at) => this.#isClean(words, at),
    removed: () => {},
  };

  /** `maxBytes` 0: there is room for all. */
  constructor(table: MessageTable, stamps: Stamps, maxBytes: number, share: number) {
    this.#table = table;
    this.#stamps = stamps;
    this.#maxBytes = Math.max(0, maxBytes - CHUNK_BYTES);
    this.#shareBytes = this.#maxBytes * share;
    this.#insides = table.insides;
  }

  /** The table was emptied. */
  cleared(): void {
    this.#insides = this.#table.insides;
  }

  /** Whether a key with this hash may be on disk only. One that is in memory counts as used. */
  isMarked(slot: number, hash: number): boolean {
    const { index, arena } = this.#insides;
    const ref = index.peekMark(slot, hash);
    if (ref >= MARK) return true;
    if (ref === 0) return false;
    const words = arena.words[ref >>> 16] as Int32Array;
    const at = ((ref & 0xffff) << 2) + 1;
    words[at] = (words[at] as number) | USED;
    return false;
  }

  isMarkedKey(key: Span, at: number, length: number): boolean {
    this.#hash.of(key.bytes, at, length);
    return this.isMarked(this.#hash.slot, this.#hash.hash);
  }

  /** At the start: keeps the message, or a mark. */
  meet(message: Message): void {
    const { slot, hash, expiryMs } = message;
    // All had room together, but for what is past its time here and not yet gone from disk, when the clock was set back.
    if (!this.#insides.index.insert(slot, hash, markOf(expiryMs))) return;
    if (expiryMs !== 0) this.#table.schedule.change(slot, expiryMs, false);
    if (this.#maxBytes === 0 || this.#bytes < this.#shareBytes * FIRST_SHARE) this.fill(message);
  }

  /**
   * A message comes from disk, in place of its mark; false when there is none, or it is here. One that has expired goes. Its mark says when
   * it expires, or another's with the same hash would go for one that was removed, and is not yet from disk.
   */
  fill(message: Message): boolean {
    const { slot, hash, key, expiryMs } = message;
    const table = this.#table;
    const { sink } = table;
    if (table.lookup(new Span(key), 0, key.length) || !this.#drop(slot, hash, markOf(expiryMs))) return false;
    this.#stamps.given = message.stamp;
    this.#stamps.givenAt = 0;
    table.sink = this.#clean;
    table.put(new Span(message.value), 0, message.value.length, expiryMs);
    table.sink = sink;
    this.#stamps.given = null;
    if (table.isDue) table.dropDue();
    return true;
  }

  /** Whether of these messages, all that disk has with this hash, each that is not in memory has its mark: none of them was removed. */
  isExact(slot: number, hash: number, found: readonly Message[]): boolean {
    const isAway = ({ key }: Message): boolean => !this.#table.lookup(new Span(key), 0, key.length);
    return found.filter(isAway).length <= this.#insides.index.countMarks(slot, hash);
  }

  /** Takes one mark with this hash away, if there is one. */
  dropMark(slot: number, hash: number): boolean {
    const mark = this.#insides.index.peekMark(slot, hash);
    return mark >= MARK && this.#drop(slot, hash, mark);
  }

  /** After a turn: makes room, in bounded work. */
  evict(): void {
    if (this.#maxBytes === 0 || this.held > 0 || this.#bytes < this.#shareBytes) return;
    this.#insides.arena.sweep(this.isTight ? MANY_LOOKS : LOOKS, this.#look);
  }

  get isFull(): boolean {
    return this.#maxBytes > 0 && this.#bytes > this.#maxBytes * FULL_SHARE;
  }

  get isTight(): boolean {
    return this.#maxBytes > 0 && this.#bytes > this.#maxBytes * TIGHT_SHARE;
  }

  get #bytes(): number {
    return this.#table.heldBytes - this.#table.freeBytes;
  }

  #drop(slot: number, hash: number, mark: number): boolean {
    const { index } = this.#insides;
    if (!index.holds(slot, hash, mark)) return false;
    if (markExpiryMs(mark) !== 0) this.#table.schedule.change(slot, 0, true);
    index.remove(slot);
    return true;
  }

  #isClean(words: Int32Array, at: number): void {
    words[at + 1] = (words[at + 1] as number) | USED;
    note(words, at, this.lastWrite);
  }

  readonly #look = (ref: number, words: Int32Array, at: number): void => {
    const flags = words[at + 1] as number;
    if ((flags & USED) !== 0) {
      words[at + 1] = flags & ~USED;
      return;
    }
    if (this.keeper.isPending((flags >>> WRITE_SHIFT) & (WRITES - 1), WRITES)) return;
    const table = this.#table;
    table.show(ref);
    this.#hash.of(table.key.bytes, table.keyAt, table.keyLength);
    const { slot, hash } = this.#hash;
    if (this.keeper.isReading(slot, hash)) return;
    const { arena, index, externals } = this.#insides;
    index.locate(slot, hash, ref);
    index.repoint(markOf(table.expiryMs));
    if ((flags & EXTERNAL) !== 0) externals.drop(words[numberAt(words, at)] as number);
    arena.free(ref);
    this.counters.evicted++;
  };
}
