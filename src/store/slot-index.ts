import { assert } from '../base/index.ts';
import type { Regions } from './regions.ts';
import { Slab } from './slab.ts';

export const SLOTS = 16384;
/** Entries a new table has room for, as a power of two: 64 bytes. */
const MIN_BITS = 3;
/** A table this large is split in two rather than doubled: 64 KiB, rehashed in well under a millisecond. */
const MAX_BITS = 13;
/**
 * A slot has at most 2^16 tables: room for some 300 million keys, unless somebody makes keys whose hashes begin with the same
 * 16 bits. Of those one table is all there is: 6144. Whether keys have room depends on which they are, not on their order, so
 * that all that were taken are taken again when they are read back.
 */
const MAX_DEPTH = 16;
/** Keys of a slot with the same hash. Each is compared when another is looked for, and a command may look for 65,536. */
const MAX_ALIKE = 64;

/** Places of a walk through a segment. */
export const PLACES = 1 << MAX_BITS;
/** Each place with its bits in the opposite order. */
const BACKWARDS = new Uint16Array(PLACES);
for (let place = 1; place < PLACES; place++)
  BACKWARDS[place] = ((BACKWARDS[place >> 1] as number) >> 1) | ((place & 1) << (MAX_BITS - 1));

/** Whether the record that an entry points to has the key that is looked for. */
export interface KeyMatch {
  matches(ref: number): boolean;
}

/**
 * From a key's slot and hash to its record: an extendible hash (Fagin et al., 1979) per Redis Cluster slot. A slot has a
 * table of its own, open addressing with linear probing, 8 bytes an entry (hash, reference); it doubles up to 8192
 * entries and is then split by the upper bits of the hash, under a directory of the slot. So growth is never more than
 * one such table at a time, a slot's keys are found together (walks, counts, hand-off), and there is no second copy.
 *
 * Memory: 8 bytes by 1 / load, the load between 3/8 and 3/4. References are never 0.
 */
export class SlotIndex {
  readonly #slab: Slab;
  /** Of a slot: 0 nothing, n > 0 its only segment, n < 0 directory -n. */
  readonly #root = new Int32Array(SLOTS);
  readonly counts = new Uint32Array(SLOTS);
  /** Of a segment: slab unit << 4 | bits of its table. */
  #tables = new Uint32Array(1024);
  #used = new Uint16Array(1024);
  /** Upper hash bits that all keys of a segment share. */
  #depths = new Uint8Array(1024);
  #segments = 1;
  readonly #freeSegments: number[] = [];
  readonly #directories: Uint32Array[] = [new Uint32Array(0)];
  readonly #freeDirectories: number[] = [];
  readonly #match: KeyMatch;
  size = 0;
  /** Where `find` found it: page and word of the entry, and its segment. */
  #page: Int32Array = new Int32Array(2);
  #at = 0;
  #segment = 0;
  /** Where `scan` goes on. */
  nextHash = 0;
  nextPlace = 0;
  /** Marks that `scan` met: see marks.ts. */
  readonly marks: number[] = [];

  constructor(match: KeyMatch, regions: Regions) {
    this.#slab = new Slab(regions);
    this.#match = match;
  }

  get heldBytes(): number {
    return this.#slab.bytes;
  }

  get usedBytes(): number {
    return this.#slab.usedBytes;
  }

  /** The record of the key for which `match` says yes, or 0. */
  find(slot: number, hash: number): number {
    const segment = this.#segmentOf(slot, hash);
    if (segment === 0) return 0;
    const table = this.#tables[segment] as number;
    const page = this.#slab.pages[table >>> 18] as Int32Array;
    const base = ((table >>> 4) & 0x3fff) << 4;
    const mask = (2 << (table & 15)) - 1;
    let i = (hash << 1) & mask;
    for (;;) {
      const ref = page[base + i + 1] as number;
      if (ref === 0) return 0;
      if (page[base + i] === hash && this.#match.matches(ref >>> 0)) {
        this.#page = page;
        this.#at = base + i;
        this.#segment = segment;
        return ref >>> 0;
      }
      i = (i + 2) & mask;
    }
  }

  /** The first record whose key has this hash, or 0: most likely the one that `find` will find. */
  peek(slot: number, hash: number): number {
    const segment = this.#segmentOf(slot, hash);
    if (segment === 0) return 0;
    const table = this.#tables[segment] as number;
    const page = this.#slab.pages[table >>> 18] as Int32Array;
    const base = ((table >>> 4) & 0x3fff) << 4;
    const mask = (2 << (table & 15)) - 1;
    let i = (hash << 1) & mask;
    for (;;) {
      const ref = page[base + i + 1] as number;
      if (ref === 0 || page[base + i] === hash) return ref >>> 0;
      i = (i + 2) & mask;
    }
  }

  /** A mark with this hash, if there is one; else the first record with it, or 0. */
  peekMark(slot: number, hash: number): number {
    const segment = this.#segmentOf(slot, hash);
    if (segment === 0) return 0;
    const table = this.#tables[segment] as number;
    const page = this.#slab.pages[table >>> 18] as Int32Array;
    const base = ((table >>> 4) & 0x3fff) << 4;
    const mask = (2 << (table & 15)) - 1;
    let first = 0;
    for (let i = (hash << 1) & mask; page[base + i + 1] !== 0; i = (i + 2) & mask) {
      if (page[base + i] !== hash) continue;
      const ref = page[base + i + 1] as number;
      if (ref < 0) {
        this.#page = page;
        this.#at = base + i;
        this.#segment = segment;
        return ref >>> 0;
      }
      if (first === 0) first = ref;
    }
    return first;
  }

  /** How many marks have this hash. */
  countMarks(slot: number, hash: number): number {
    const segment = this.#segmentOf(slot, hash);
    return segment === 0 ? 0 : this.#alike(segment, hash, true);
  }

  /** Finds the entry with this hash that is this reference or mark; false when there is none. */
  holds(slot: number, hash: number, ref: number): boolean {
    const segment = this.#segmentOf(slot, hash);
    if (segment === 0) return false;
    const table = this.#tables[segment] as number;
    const page = this.#slab.pages[table >>> 18] as Int32Array;
    const base = ((table >>> 4) & 0x3fff) << 4;
    const mask = (2 << (table & 15)) - 1;
    let i = (hash << 1) & mask;
    while (page[base + i] !== hash || (page[base + i + 1] as number) >>> 0 !== ref) {
      if (page[base + i + 1] === 0) return false;
      i = (i + 2) & mask;
    }
    this.#page = page;
    this.#at = base + i;
    this.#segment = segment;
    return true;
  }

  /** Finds the entry of a record by the record itself; it must be there. */
  locate(slot: number, hash: number, ref: number): void {
    assert(this.holds(slot, hash, ref), 'every record has an entry');
  }

  /** Points the entry found last to another record. */
  repoint(ref: number): void {
    this.#page[this.#at + 1] = ref;
  }

  /** Adds a key that is not there; false when there are too many whose hashes are too much like its own. */
  insert(slot: number, hash: number, ref: number): boolean {
    let segment = this.#segmentOf(slot, hash);
    if (segment === 0) {
      segment = this.#newSegment(MIN_BITS, 0);
      this.#root[slot] = segment;
    }
    while (this.#full(segment)) {
      if (!this.#grow(slot, segment, hash)) return false;
      segment = this.#segmentOf(slot, hash);
    }
    const words = this.#place(segment, hash, ref);
    // All that are alike lie between its home and its place.
    if (words >= MAX_ALIKE * 2 && this.#alike(segment, hash, false) > MAX_ALIKE) {
      this.#unplace(segment, hash, words);
      return false;
    }
    this.counts[slot] = (this.counts[slot] as number) + 1;
    this.size++;
    return true;
  }

  /** Removes the entry found last, closing the gap (no tombstones: Knuth 6.4, algorithm R). */
  remove(slot: number): void {
    const page = this.#page;
    const table = this.#tables[this.#segment] as number;
    const base = ((table >>> 4) & 0x3fff) << 4;
    const mask = (2 << (table & 15)) - 1;
    let hole = this.#at - base;
    for (let i = (hole + 2) & mask; page[base + i + 1] !== 0; i = (i + 2) & mask) {
      const home = ((page[base + i] as number) << 1) & mask;
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      page[base + hole] = page[base + i] as number;
      page[base + hole + 1] = page[base + i + 1] as number;
      hole = i;
    }
    page[base + hole + 1] = 0;
    const left = (this.#used[this.#segment] as number) - 1;
    this.#used[this.#segment] = left;
    this.counts[slot] = (this.counts[slot] as number) - 1;
    this.size--;
    if (this.counts[slot] === 0) this.#dropSlot(slot);
    else if (left * 8 < 1 << (table & 15) && (table & 15) > MIN_BITS)
      this.#rehash(this.#segment, (table & 15) - 1);
  }

  /**
   * One step of a walk through a slot, from `fromHash` (unsigned, where a segment begins) and `place` on: adds to `out` the
   * records at one home of the table, and at the next ones of the segment while it has fewer than `wanted`, and says where to go on in `nextHash` (2^32: the slot is done) and `nextPlace`.
   *
   * Homes are visited by their bits read backwards, of which `place` holds as many as the largest table has (Pieter Noordhuis'
   * cursor in Redis): so a place keeps its meaning when the table grows, shrinks or splits between steps. What is there all
   * the time is met at least once, and what does not change exactly once.
   */
  scan(slot: number, fromHash: number, place: number, out: number[], wanted = 0): void {
    const segment = this.#segmentOf(slot, fromHash | 0);
    if (this.marks.length > 0) this.marks.length = 0;
    if (segment === 0) {
      this.nextHash = 2 ** 32;
      this.nextPlace = 0;
      return;
    }
    const table = this.#tables[segment] as number;
    const page = this.#slab.pages[table >>> 18] as Int32Array;
    const base = ((table >>> 4) & 0x3fff) << 4;
    const mask = (2 << (table & 15)) - 1;
    const shift = MAX_BITS - (table & 15);
    let next = place >>> shift;
    do {
      const home = (BACKWARDS[next << shift] as number) << 1;
      for (let i = home; page[base + i + 1] !== 0; i = (i + 2) & mask) {
        if ((((page[base + i] as number) << 1) & mask) !== home) continue;
        const ref = page[base + i + 1] as number;
        if (ref < 0) this.marks.push(ref >>> 0);
        else out.push(ref);
      }
      next++;
    } while (out.length < wanted && next << shift < PLACES);
    this.nextHash = fromHash;
    this.nextPlace = next << shift;
    if (this.nextPlace < PLACES) return;
    const width = 2 ** (32 - (this.#depths[segment] as number));
    this.nextHash = (Math.floor(fromHash / width) + 1) * width;
    this.nextPlace = 0;
  }

  #segmentOf(slot: number, hash: number): number {
    const root = this.#root[slot] as number;
    if (root >= 0) return root;
    const directory = this.#directories[-root] as Uint32Array;
    return directory[hash >>> (32 - depthOf(directory))] as number;
  }

  #full(segment: number): boolean {
    const capacity = 1 << ((this.#tables[segment] as number) & 15);
    return ((this.#used[segment] as number) + 1) * 4 > capacity * 3;
  }

  /** Returns how many words from its home it lies. */
  #place(segment: number, hash: number, ref: number): number {
    const table = this.#tables[segment] as number;
    const page = this.#slab.pages[table >>> 18] as Int32Array;
    const base = ((table >>> 4) & 0x3fff) << 4;
    const mask = (2 << (table & 15)) - 1;
    let i = (hash << 1) & mask;
    while (page[base + i + 1] !== 0) i = (i + 2) & mask;
    page[base + i] = hash;
    page[base + i + 1] = ref;
    this.#used[segment] = (this.#used[segment] as number) + 1;
    return (i - (hash << 1)) & mask;
  }

  /** How many have this hash; `marked`: of the marks. */
  #alike(segment: number, hash: number, marked: boolean): number {
    const table = this.#tables[segment] as number;
    const page = this.#slab.pages[table >>> 18] as Int32Array;
    const base = ((table >>> 4) & 0x3fff) << 4;
    const mask = (2 << (table & 15)) - 1;
    let count = 0;
    for (let i = (hash << 1) & mask; page[base + i + 1] !== 0; i = (i + 2) & mask)
      if (page[base + i] === hash && (!marked || (page[base + i + 1] as number) < 0)) count++;
    return count;
  }

  /** Takes back what was placed just now, so many words from its home: a gap follows. */
  #unplace(segment: number, hash: number, words: number): void {
    const table = this.#tables[segment] as number;
    const page = this.#slab.pages[table >>> 18] as Int32Array;
    const base = ((table >>> 4) & 0x3fff) << 4;
    page[base + (((hash << 1) + words) & ((2 << (table & 15)) - 1)) + 1] = 0;
    this.#used[segment] = (this.#used[segment] as number) - 1;
  }

  #grow(slot: number, segment: number, hash: number): boolean {
    const bits = (this.#tables[segment] as number) & 15;
    if (bits < MAX_BITS) this.#rehash(segment, bits + 1);
    else if (this.#depths[segment] === MAX_DEPTH) return false;
    else this.#split(slot, segment, hash);
    return true;
  }

  #rehash(segment: number, bits: number): void {
    const old = this.#tables[segment] as number;
    this.#tables[segment] = this.#newTable(bits);
    this.#used[segment] = 0;
    this.#pour(old, segment, segment, 0);
  }

  /** Moves the entries of a table to one of two segments, by a bit of the hash, and frees the table. */
  #pour(table: number, zero: number, one: number, bit: number): void {
    const page = this.#slab.pages[table >>> 18] as Int32Array;
    const base = ((table >>> 4) & 0x3fff) << 4;
    const end = base + (2 << (table & 15));
    for (let at = base; at < end; at += 2) {
      const ref = page[at + 1] as number;
      if (ref === 0) continue;
      const hash = page[at] as number;
      this.#place((hash & bit) === 0 ? zero : one, hash, ref);
    }
    this.#slab.free(table >>> 4, (table & 15) - MIN_BITS);
  }

  #split(slot: number, segment: number, hash: number): void {
    const depth = this.#depths[segment] as number;
    let root = this.#root[slot] as number;
    if (root > 0) {
      const directory = Uint32Array.of(root);
      root = -(this.#freeDirectories.pop() ?? this.#directories.length);
      this.#directories[-root] = directory;
      this.#root[slot] = root;
    }
    let directory = this.#directories[-root] as Uint32Array;
    if (depth === depthOf(directory)) {
      const wider = new Uint32Array(directory.length * 2);
      for (let i = 0; i < wider.length; i++) wider[i] = directory[i >> 1] as number;
      this.#directories[-root] = wider;
      directory = wider;
    }
    const table = this.#tables[segment] as number;
    const other = this.#newSegment(table & 15, depth + 1);
    this.#depths[segment] = depth + 1;
    const span = directory.length >> depth;
    const first = Math.floor((hash >>> 0) / 2 ** (32 - depth)) * span;
    directory.fill(other, first + span / 2, first + span);
    this.#tables[segment] = this.#newTable(table & 15);
    this.#used[segment] = 0;
    this.#pour(table, segment, other, 1 << (31 - depth));
  }

  #newSegment(bits: number, depth: number): number {
    const segment = this.#freeSegments.pop() ?? this.#segments++;
    if (segment >= this.#tables.length) {
      this.#tables = widened(this.#tables, new Uint32Array(segment * 2));
      this.#used = widened(this.#used, new Uint16Array(segment * 2));
      this.#depths = widened(this.#depths, new Uint8Array(segment * 2));
    }
    this.#tables[segment] = this.#newTable(bits);
    this.#used[segment] = 0;
    this.#depths[segment] = depth;
    return segment;
  }

  #newTable(bits: number): number {
    const unit = this.#slab.allocate(bits - MIN_BITS);
    const page = this.#slab.pages[unit >>> 14] as Int32Array;
    const base = (unit & 0x3fff) << 4;
    page.fill(0, base, base + (2 << bits));
    return ((unit << 4) | bits) >>> 0;
  }

  #dropSlot(slot: number): void {
    const root = this.#root[slot] as number;
    this.#root[slot] = 0;
    if (root > 0) {
      this.#dropSegment(root);
      return;
    }
    const directory = this.#directories[-root] as Uint32Array;
    let last = 0;
    for (const segment of directory) {
      if (segment !== last) this.#dropSegment(segment);
      last = segment;
    }
    this.#directories[-root] = new Uint32Array(0);
    this.#freeDirectories.push(-root);
  }

  #dropSegment(segment: number): void {
    const table = this.#tables[segment] as number;
    this.#slab.free(table >>> 4, (table & 15) - MIN_BITS);
    this.#tables[segment] = 0;
    this.#freeSegments.push(segment);
  }
}

/** Hash bits a directory is indexed by; a directory of one has none, and `x >>> 32` is `x`: see #split. */
function depthOf(directory: Uint32Array): number {
  return 31 - Math.clz32(directory.length);
}

function widened<T extends Uint32Array | Uint16Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
