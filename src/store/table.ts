import { Arena, MAX_BLOCK_UNITS, roundUnits } from './arena.ts';
import { Crowded } from './crowded.ts';
import { type External, Externals, numberAt } from './externals.ts';
import { KeyHash } from './key-hash.ts';
import { MARK } from './marks.ts';
import { EXPIRES, EXPIRY_BYTES, EXTERNAL, EXTERNAL_KEY, HEADER_BYTES, LENGTH_MASK } from './record.ts';
import { Regions } from './regions.ts';
import { PIECE_BYTES, Rope } from './rope.ts';
import { Schedule } from './schedule.ts';
import type { ChangeSink } from './sink.ts';
import { SlotIndex } from './slot-index.ts';
import { copySpan, equalSpan, Span } from './span.ts';
import type { Stamps } from './stamps.ts';

/** Larger records are not in the arena. */
const MAX_ARENA_BYTES = MAX_BLOCK_UNITS * 16 - 256;
const UNIT = 16;
/** Of the index, for an entry, on average: 8 bytes by a load of 9/16. */
const INDEX_BYTES = 14;
/** Keys that can be announced at once. */
export const AHEAD = 16;

/**
 * The message table. `lookup` names a key; the calls after it concern that key. `nowMs` is the caller's clock, set before
 * a batch of calls. A record: see record.ts.
 */
export class MessageTable {
  #arena: Arena;
  #index: SlotIndex;
  readonly #hash = new KeyHash();
  readonly #stamps: Stamps;
  readonly #regions: Regions;
  readonly #externals = new Externals();
  readonly schedule = new Schedule();
  #key = EMPTY;
  #keyAt = 0;
  #keyLength = 0;
  /** The record looked up, or 0; its chunk and word. */
  #ref = 0;
  #words: Int32Array = new Int32Array(0);
  #span = EMPTY;
  #at = 0;
  readonly #aheadSlots = new Int32Array(AHEAD);
  readonly #aheadHashes = new Int32Array(AHEAD);
  readonly #aheadRefs = new Int32Array(AHEAD);
  /** Read by nobody: what is computed must go somewhere, or the engine leaves it out. */
  touched = 0;
  nowMs = 0;
  sink: ChangeSink | null = null;
  readonly counters = { expired: 0, moved: 0 };

  constructor(stamps: Stamps, regions = new Regions(0)) {
    this.#stamps = stamps;
    this.#regions = regions;
    this.#arena = new Arena(regions);
    this.#index = new SlotIndex(this, regions);
  }

  get size(): number {
    return this.#index.size;
  }

  get expiring(): number {
    return this.schedule.total;
  }

  get heldBytes(): number {
    return this.#arena.heldBytes + this.#index.heldBytes + this.#externals.bytes;
  }

  /** Bytes of records, without what waits to be used again. */
  get usedBytes(): number {
    return this.#arena.usedBytes + this.#externals.bytes;
  }

  get freeBytes(): number {
    return this.#arena.freeBytes;
  }

  countInSlot(slot: number): number {
    return this.#index.counts[slot] as number;
  }

  /** The slot of the key that was named last. */
  get slot(): number {
    return this.#hash.slot;
  }

  /** Names a key without looking for it; `slot` then tells where it belongs. */
  name(key: Span, at: number, length: number): number {
    this.#key = key;
    this.#keyAt = at;
    this.#keyLength = length;
    this.#hash.of(key.bytes, at, length);
    return this.#hash.slot;
  }

  /** Announces that the key will be named soon, as number `i` of up to AHEAD; see `fetch`. */
  announce(i: number, key: Span, at: number, length: number): void {
    this.#hash.of(key.bytes, at, length);
    this.#aheadSlots[i] = this.#hash.slot;
    this.#aheadHashes[i] = this.#hash.hash;
  }

  /** Number `i` is no key. */
  announceNone(i: number): void {
    this.#aheadSlots[i] = -1;
  }

  /**
   * Touches the index entries and records of the first `count` keys announced. Each is a wait for memory of its own, and the
   * processor waits for several at once where one command after the other would wait for each: half of a GET, measured.
   */
  fetch(count: number): void {
    const slots = this.#aheadSlots;
    const hashes = this.#aheadHashes;
    const refs = this.#aheadRefs;
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number;
      refs[i] = slot < 0 ? 0 : this.#index.peek(slot, hashes[i] as number);
    }
    let touched = 0;
    for (let i = 0; i < count; i++) {
      const ref = refs[i] as number;
      // Nothing, or a mark.
      if (ref <= 0) continue;
      const words = this.#arena.words[ref >>> 16] as Int32Array;
      const at = (ref & 0xffff) << 2;
      touched ^= words[at] as number;
      // The line that follows holds what is left of most small messages.
      if (at + 32 < words.length) touched ^= (words[at + 16] as number) ^ (words[at + 32] as number);
    }
    this.touched = touched;
  }

  /** `name` for number `i` of those announced. */
  nameAhead(i: number, key: Span, at: number, length: number): number {
    this.#key = key;
    this.#keyAt = at;
    this.#keyLength = length;
    this.#hash.slot = this.#aheadSlots[i] as number;
    this.#hash.hash = this.#aheadHashes[i] as number;
    return this.#hash.slot;
  }

  /** Looks for the key named last. A record that has expired is removed, and not there. */
  find(): boolean {
    const ref = this.#index.find(this.#hash.slot, this.#hash.hash);
    if (ref === 0) {
      this.#ref = 0;
      return false;
    }
    this.#point(ref);
    if ((this.#flags() & EXPIRES) !== 0 && this.expiryMs <= this.nowMs) {
      this.#expire();
      return false;
    }
    return true;
  }

  lookup(key: Span, at: number, length: number): boolean {
    this.name(key, at, length);
    return this.find();
  }

  /** Of the record found: its value, until the next write; of one longer than PIECE_BYTES half of that or more: see `rope`. */
  get value(): Span {
    return (this.#flags() & EXTERNAL) === 0 ? this.#span : this.#externalOf().value.first;
  }

  /** The value of the record found, copied if it is a small one. */
  get rope(): Rope {
    if ((this.#flags() & EXTERNAL) !== 0) return this.#externalOf().value;
    const at = this.valueAt;
    return Rope.copy(this.#span.bytes.subarray(at, at + this.valueLength));
  }

  get valueAt(): number {
    if ((this.#flags() & EXTERNAL) !== 0) return 0;
    return (this.#at << 2) + this.#headerBytes() + ((this.#words[this.#at] as number) & 0xffff);
  }

  get valueLength(): number {
    if ((this.#flags() & EXTERNAL) !== 0) return this.#externalOf().value.length;
    return this.#flags() & LENGTH_MASK;
  }

  /** When it expires, in milliseconds since the epoch; 0 never. */
  get expiryMs(): number {
    if ((this.#flags() & EXPIRES) === 0) return 0;
    return ((this.#words[this.#at + 6] as number) >>> 0) + (this.#words[this.#at + 7] as number) * 2 ** 32;
  }

  /** Gives the key looked up a value, and an expiry (0: none): a new version, with a new dot and clock. @throws Crowded */
  put(value: Span, valueAt: number, valueLength: number, expiryMs: number): void {
    const header = expiryMs === 0 ? HEADER_BYTES : HEADER_BYTES + EXPIRY_BYTES;
    const bytes = header + this.#keyLength + valueLength;
    if (bytes > MAX_ARENA_BYTES) {
      this.#putExternal(Rope.copy(value.bytes.subarray(valueAt, valueAt + valueLength)), expiryMs);
      return;
    }
    const units = roundUnits((bytes + UNIT - 1) >>> 4);
    const old = this.#ref;
    const expired = old === 0 ? 0 : this.#flags() & EXPIRES;
    if (old !== 0 && (this.#flags() & EXTERNAL) !== 0) this.#dropExternal();
    if (old === 0) {
      const ref = this.#arena.allocate(units);
      this.#insert(ref);
      this.#point(ref);
    } else if ((this.#words[this.#at] as number) >>> 16 !== units) {
      const ref = this.#arena.allocate(units);
      this.#index.repoint(ref);
      this.#arena.free(old);
      this.#point(ref);
    }
    const words = this.#words;
    const at = this.#at;
    words[at] = (units << 16) | this.#keyLength;
    words[at + 1] = expiryMs === 0 ? valueLength : valueLength | EXPIRES;
    this.#stamps.write(words, at + 2, this.#hash.slot >>> 6, this.nowMs);
    if (expiryMs !== 0 || expired !== 0) this.#schedule(expiryMs, expired);
    const keyAt = (at << 2) + header;
    copySpan(this.#key, this.#keyAt, this.#span, keyAt, this.#keyLength);
    copySpan(value, valueAt, this.#span, keyAt + this.#keyLength, valueLength);
    if (this.sink !== null) this.sink.wrote(words, at, bytes);
  }

  /** As `put`; a large value is shared, not copied. */
  putRope(rope: Rope, expiryMs: number): void {
    if (rope.length > PIECE_BYTES) this.#putExternal(rope, expiryMs);
    else this.put(rope.first, 0, rope.length, expiryMs);
  }

  /** Gives the record found another expiry (0: none): a new version with the same value. */
  setExpiry(expiryMs: number): void {
    const before = this.#flags() & EXPIRES;
    if ((before !== 0) !== (expiryMs !== 0)) this.#reshape();
    this.#stamps.write(this.#words, this.#at + 2, this.#hash.slot >>> 6, this.nowMs);
    this.#schedule(expiryMs, before);
    if (this.sink !== null) this.tell(this.sink);
  }

  /** Tells a sink of the record found or shown. */
  tell(sink: ChangeSink): void {
    const bytes = this.#headerBytes() + this.#keyLength + (this.#flags() & LENGTH_MASK);
    if ((this.#flags() & EXTERNAL) === 0) sink.wrote(this.#words, this.#at, bytes);
    else {
      const { key, value } = this.#externalOf();
      sink.wroteExternal(this.#words, this.#at, key, value);
    }
  }

  /** Removes the record found. */
  remove(): void {
    this.#stamps.write(this.#words, this.#at + 2, this.#hash.slot >>> 6, this.nowMs);
    if ((this.#flags() & EXTERNAL) !== 0) this.show(this.#ref);
    if (this.sink !== null) this.sink.removed(this.#key, this.#keyAt, this.#keyLength, this.#words, this.#at);
    this.#drop();
  }

  /** Removes everything, at once. */
  clear(): void {
    this.#regions.clear();
    this.#arena = new Arena(this.#regions);
    this.#index = new SlotIndex(this, this.#regions);
    this.#externals.clear();
    this.schedule.clear();
    this.#ref = 0;
    this.sink?.cleared?.();
  }

  /** A step of a walk: see {@link SlotIndex.scan}, `nextHash` and `nextPlace`. What has expired is among what is found. */
  scan(slot: number, fromHash: number, place: number, out: number[], wanted = 0): void {
    this.#index.scan(slot, fromHash, place, out, wanted);
  }

  /** Marks that the last step met. */
  get marks(): readonly number[] {
    return this.#index.marks;
  }

  get nextHash(): number {
    return this.#index.nextHash;
  }

  get nextPlace(): number {
    return this.#index.nextPlace;
  }

  /** Makes a record that `scan` gave the one found, to be read (`key`, `value`, `expiryMs`); nothing may have changed since. */
  show(ref: number): void {
    this.#point(ref);
    if ((this.#flags() & EXTERNAL) !== 0) {
      this.#key = this.#externalOf().key;
      this.#keyAt = 0;
      this.#keyLength = this.#key.bytes.length;
    } else {
      this.#key = this.#span;
      this.#keyAt = (this.#at << 2) + this.#headerBytes();
      this.#keyLength = (this.#words[this.#at] as number) & 0xffff;
    }
  }

  /** Whether the record found or shown is past its time. */
  get isDue(): boolean {
    return (this.#flags() & EXPIRES) !== 0 && this.expiryMs <= this.nowMs;
  }

  /** Removes the record shown, which is past its time. */
  dropDue(): void {
    this.#hash.of(this.#key.bytes, this.#keyAt, this.#keyLength);
    this.#index.locate(this.#hash.slot, this.#hash.hash, this.#ref);
    this.#expire();
  }

  /** The key of the record shown, or the one named last: `keyLength` bytes of `key` from `keyAt` on. */
  get key(): Span {
    return this.#key;
  }

  get keyAt(): number {
    return this.#keyAt;
  }

  get keyLength(): number {
    return this.#keyLength;
  }

  /** The stamp of the record found, clock and dot, into the first four words of `to`: another one after every write. */
  copyStamp(to: Int32Array): void {
    for (let i = 0; i < 4; i++) to[i] = this.#words[this.#at + 2 + i] as number;
  }

  /** When the record found was written, in milliseconds, by its clock. */
  get writtenMs(): number {
    return (
      ((this.#words[this.#at + 3] as number) >>> 0) * 65536 + ((this.#words[this.#at + 2] as number) >>> 16)
    );
  }

  /** Bytes of memory that the record found takes, with its part of the index. */
  get footprint(): number {
    const block = ((this.#words[this.#at] as number) >>> 16) * UNIT + INDEX_BYTES;
    if ((this.#flags() & EXTERNAL) === 0) return block;
    const { key, value } = this.#externalOf();
    return block + key.bytes.length + value.length;
  }

  /**
   * Moves up to `limit` records out of the emptiest chunk, when so much is free that it is worth it, as it sooner is when memory is
   * `pressed`; true while there is more to do. Forgets the key looked up.
   */
  compact(limit: number, pressed = false): boolean {
    const chunk = this.#arena.victim(pressed);
    if (chunk < 0) return false;
    this.#arena.drain(chunk, limit, this.#move);
    this.#ref = 0;
    return this.#arena.victim(pressed) >= 0;
  }

  /** Also for level/, which puts marks in place of records; others until `clear`. */
  get insides(): { arena: Arena; index: SlotIndex; externals: Externals } {
    return { arena: this.#arena, index: this.#index, externals: this.#externals };
  }

  /** See {@link SlotIndex.find}. */
  matches(ref: number): boolean {
    if (ref >= MARK) return false;
    const words = this.#arena.words[ref >>> 16] as Int32Array;
    const at = (ref & 0xffff) << 2;
    const length = this.#keyLength;
    const stored = (words[at] as number) & 0xffff;
    const flags = words[at + 1] as number;
    if ((flags & EXTERNAL) !== 0) return this.#externals.matches(words, at, this.#key, this.#keyAt, length);
    if (stored !== length) return false;
    const keyAt = (at << 2) + ((flags & EXPIRES) === 0 ? HEADER_BYTES : HEADER_BYTES + EXPIRY_BYTES);
    return equalSpan(this.#arena.spans[ref >>> 16] as Span, keyAt, this.#key, this.#keyAt, length);
  }

  readonly #move = (ref: number): void => {
    this.show(ref);
    this.#hash.of(this.#key.bytes, this.#keyAt, this.#keyLength);
    this.#index.locate(this.#hash.slot, this.#hash.hash, ref);
    const words = this.#words;
    const at = this.#at;
    const units = (words[at] as number) >>> 16;
    const to = this.#arena.allocate(units);
    this.#point(to);
    for (let i = 0; i < units * 4; i++) this.#words[this.#at + i] = words[at + i] as number;
    this.#index.repoint(to);
    this.#arena.free(ref);
    this.counters.moved++;
  };

  /** Makes room for an expiry in the record found, or takes it out. */
  #reshape(): void {
    const words = this.#words;
    const at = this.#at;
    const wider = (this.#flags() & EXPIRES) === 0;
    const from = this.#headerBytes();
    const to = wider ? from + EXPIRY_BYTES : from - EXPIRY_BYTES;
    if ((this.#flags() & EXTERNAL) !== 0) {
      words[at + (to >> 2)] = words[at + (from >> 2)] as number;
      words[at + 1] = this.#flags() ^ EXPIRES;
      return;
    }
    const keyLength = (words[at] as number) & 0xffff;
    const rest = keyLength + (this.#flags() & LENGTH_MASK);
    const units = roundUnits((to + rest + UNIT - 1) >>> 4);
    const flags = this.#flags() ^ EXPIRES;
    const span = this.#span;
    if ((words[at] as number) >>> 16 === units) {
      const start = (at << 2) + from;
      span.bytes.copyWithin((at << 2) + to, start, start + rest);
    } else {
      const old = this.#ref;
      const ref = this.#arena.allocate(units);
      this.#index.repoint(ref);
      this.#point(ref);
      copySpan(span, (at << 2) + from, this.#span, (this.#at << 2) + to, rest);
      this.#arena.free(old);
      this.#words[this.#at] = (units << 16) | keyLength;
    }
    this.#words[this.#at + 1] = flags;
  }

  #flags(): number {
    return this.#words[this.#at + 1] as number;
  }

  #headerBytes(): number {
    return (this.#flags() & EXPIRES) === 0 ? HEADER_BYTES : HEADER_BYTES + EXPIRY_BYTES;
  }

  #point(ref: number): void {
    this.#ref = ref;
    this.#words = this.#arena.words[ref >>> 16] as Int32Array;
    this.#span = this.#arena.spans[ref >>> 16] as Span;
    this.#at = (ref & 0xffff) << 2;
  }

  #schedule(expiryMs: number, before: number): void {
    if (expiryMs !== 0) {
      this.#words[this.#at + 6] = expiryMs | 0;
      this.#words[this.#at + 7] = Math.floor(expiryMs / 2 ** 32);
    }
    this.schedule.change(this.#hash.slot, expiryMs, before !== 0);
  }

  #expire(): void {
    this.counters.expired++;
    this.sink?.expired?.(this.#key, this.#keyAt, this.#keyLength, this.#words, this.#at);
    this.#drop();
  }

  #drop(): void {
    const slot = this.#hash.slot;
    if ((this.#flags() & EXTERNAL) !== 0) this.#dropExternal();
    if ((this.#flags() & EXPIRES) !== 0) this.schedule.change(slot, 0, true);
    this.#index.remove(slot);
    this.#arena.free(this.#ref);
    this.#ref = 0;
  }

  #externalOf(): External {
    return this.#externals.in(this.#words, this.#at);
  }

  #putExternal(value: Rope, expiryMs: number): void {
    if (this.#ref !== 0) this.#drop();
    const ref = this.#arena.allocate(3);
    this.#insert(ref);
    const number = this.#externals.add(this.#key, this.#keyAt, this.#keyLength, value, this.#hash);
    this.#point(ref);
    const words = this.#words;
    const at = this.#at;
    words[at] = (3 << 16) | EXTERNAL_KEY;
    words[at + 1] = expiryMs === 0 ? EXTERNAL : EXTERNAL | EXPIRES;
    this.#stamps.write(words, at + 2, this.#hash.slot >>> 6, this.nowMs);
    if (expiryMs !== 0) this.#schedule(expiryMs, 0);
    words[numberAt(words, at)] = number;
    const external = this.#externalOf();
    if (this.sink !== null) this.sink.wroteExternal(words, at, external.key, external.value);
  }

  #insert(ref: number): void {
    if (this.#index.insert(this.#hash.slot, this.#hash.hash, ref)) return;
    this.#arena.free(ref);
    throw new Crowded();
  }

  #dropExternal(): void {
    this.#externals.drop(this.#words[numberAt(this.#words, this.#at)] as number);
  }
}

const EMPTY = new Span(new Uint8Array(0));
