import { assert } from '../base/index.ts';
import type { Piece, Regions } from './regions.ts';
import { Span } from './span.ts';

/** Bytes of a chunk, and of a unit: a block is a whole number of units inside one chunk. */
const CHUNK_BITS = 20;
const UNIT_BITS = 4;
const CHUNK_UNITS = 1 << (CHUNK_BITS - UNIT_BITS);
const UNIT_WORDS = 4;
/** Blocks up to this many units have a free list for each size; larger ones one for every quarter of a power of two. */
const EXACT = 64;
export const MAX_BLOCK_UNITS = 4096;
/** 32 GiB: the upper half of the references are marks (marks.ts). */
const MAX_CHUNKS = 1 << 15;
const CLASSES = EXACT + 1 + 4 * 6;
/** From so many free chunks on, and so large a part of all, it is worth it to empty one; and so large a part of that one is free. */
const WORTH = { bytes: 4 << CHUNK_BITS, parts: 4, chunkParts: 4 } as const;
/** The same where there is hardly any memory left. */
const WORTH_PRESSED = { bytes: 1 << CHUNK_BITS, parts: 16, chunkParts: 32 } as const;
/** Blocks looked at while a chunk is emptied, for each record that may be moved: what a look costs of a move. */
const LOOKS_PER_MOVE = 8;
/** Word 1 of a free block; a record never has all of these bits. */
const FREE_MARK = -1;
const NONE = 0;

/** The list a block of `units` belongs to. */
function classOf(units: number): number {
  if (units <= EXACT) return units;
  const top = 31 - Math.clz32(units - 1);
  return EXACT + 1 + ((top - 6) << 2) + (((units - 1) >>> (top - 2)) & 3);
}

/** Units a block of so many is rounded up to. */
export function roundUnits(units: number): number {
  if (units <= EXACT) return Math.max(units, 2);
  const step = 1 << (31 - Math.clz32(units - 1) - 2);
  return (units + step - 1) & -step;
}

/** The largest size of a block, a rounded one, that fits into so many units. */
function wholeUnits(units: number): number {
  if (units <= EXACT) return units;
  return Math.min(units & -(1 << (31 - Math.clz32(units) - 2)), MAX_BLOCK_UNITS);
}

/**
 * Memory for records outside the JavaScript heap: chunks of 1 MiB, cut into blocks of 16-byte units, each with its size in
 * the upper half of its first word. Freed blocks wait in lists by size, and so serve the next record of that size. When
 * sizes change and the lists hold much that nobody asks for, `victim` names the emptiest chunk, whose records the table
 * moves elsewhere, step by step (`drain`), after which the chunk is given back.
 *
 * A block is named by its first unit over all chunks, a 31-bit number: 32 GiB. Unit 0 is never given out.
 */
export class Arena {
  readonly words: Int32Array[] = [];
  readonly spans: Span[] = [];
  readonly #regions: Regions;
  readonly #pieces: Piece[] = [];
  /** Units of each chunk that wait in free lists. */
  readonly #freeUnits = new Int32Array(MAX_CHUNKS);
  readonly #heads = new Uint32Array(CLASSES);
  /** Chunk numbers without memory. */
  readonly #holes: number[] = [];
  /** The chunk that is being emptied, or -1: its blocks before `#unlisted` are in no list, and those before `#emptied` are free. */
  #draining = -1;
  #unlisted = 0;
  #emptied = 0;
  /** Free units of that chunk that are in no list. */
  #unlistedUnits = 0;
  #next = 0;
  #end = 0;
  /** Where `sweep` goes on. */
  #hand = 1;
  freeBytes = 0;
  #chunks = 0;

  constructor(regions: Regions) {
    this.#regions = regions;
  }

  /** Bytes held from the system. */
  get heldBytes(): number {
    // Not by a shift, which goes wrong at 2 GiB.
    return this.#chunks * 2 ** CHUNK_BITS;
  }

  /** Bytes in blocks given out. */
  get usedBytes(): number {
    return this.heldBytes - this.freeBytes - ((this.#end - this.#next + this.#unlistedUnits) << UNIT_BITS);
  }

  /** A block of exactly `units` (a rounded number); its first word holds its size, all else is what was there. */
  allocate(units: number): number {
    const list = classOf(units);
    const head = this.#heads[list] as number;
    if (head !== NONE) {
      this.#unlink(head, list);
      return head;
    }
    if (this.#end - this.#next < units) this.#open();
    const block = this.#next;
    this.#next += units;
    (this.words[block >>> 16] as Int32Array)[(block & 0xffff) << 2] = units << 16;
    return block;
  }

  free(block: number): void {
    const words = this.words[block >>> 16] as Int32Array;
    const at = (block & 0xffff) << 2;
    const units = (words[at] as number) >>> 16;
    words[at] = units << 16;
    words[at + 1] = FREE_MARK;
    if (block >>> 16 === this.#draining && block < this.#unlisted) this.#unlistedUnits += units;
    else this.#link(block, units);
  }

  /** The chunk to empty when at least a quarter of all bytes are free ones nobody asks for, or less if memory is `pressed`; else -1. */
  victim(pressed = false): number {
    if (this.#draining >= 0) return this.#draining;
    const worth = pressed ? WORTH_PRESSED : WORTH;
    if (this.freeBytes < worth.bytes || this.freeBytes * worth.parts < this.heldBytes) return -1;
    let best = -1;
    let most = CHUNK_UNITS / worth.chunkParts;
    const open = this.#next < this.#end ? this.#next >>> 16 : -1;
    for (let chunk = 0; chunk < this.words.length; chunk++) {
      const free = this.#freeUnits[chunk] as number;
      if (free > most && chunk !== open) {
        most = free;
        best = chunk;
      }
    }
    return best;
  }

  /**
   * Goes on to empty a chunk, the one that `victim` named: first its free blocks leave the lists, so that nothing more is allocated in
   * it, then `move` is called for its records, up to `moves` of them, then it is given back.
   */
  drain(chunk: number, moves: number, move: (block: number) => void): void {
    const words = this.words[chunk] as Int32Array;
    const first = (chunk << 16) + firstUnit(chunk);
    const end = (chunk << 16) + CHUNK_UNITS;
    if (chunk !== this.#draining) {
      this.#draining = chunk;
      this.#unlisted = first;
      this.#emptied = first;
    }
    let looks = moves * LOOKS_PER_MOVE;
    for (; this.#unlisted < end && looks > 0; looks--) {
      const block = this.#unlisted;
      const at = (block & 0xffff) << 2;
      const units = (words[at] as number) >>> 16;
      if (words[at + 1] === FREE_MARK) {
        this.#unlink(block, classOf(units));
        this.#unlistedUnits += units;
      }
      this.#unlisted += units;
    }
    if (this.#unlisted < end) return;
    for (let left = moves; this.#emptied < end && left > 0 && looks > 0; looks--) {
      const at = (this.#emptied & 0xffff) << 2;
      const units = (words[at] as number) >>> 16;
      if (words[at + 1] !== FREE_MARK) {
        move(this.#emptied);
        left--;
      }
      this.#emptied += units;
    }
    if (this.#emptied < end) return;
    this.words[chunk] = EMPTY_WORDS;
    this.spans[chunk] = EMPTY_SPAN;
    this.#regions.give(this.#pieces[chunk] as Piece);
    this.#holes.push(chunk);
    this.#chunks--;
    this.#draining = -1;
    this.#unlistedUnits = 0;
  }

  /**
   * Visits up to `limit` records, in the order of memory, from where the last call ended, round and round. What is visited may be
   * freed meanwhile, and nothing allocated.
   */
  sweep(limit: number, visit: (block: number, words: Int32Array, at: number) => void): void {
    let left = limit;
    for (let chunks = this.words.length; left > 0 && chunks > 0; chunks--) {
      const chunk = this.#hand >>> 16;
      const words = this.words[chunk] ?? EMPTY_WORDS;
      const first = chunk << 16;
      // Not by a shift, which goes wrong behind the last chunk.
      const past = first + CHUNK_UNITS;
      const used = this.#next > first && this.#next <= past ? this.#next : past;
      const end = words.length === 0 ? 0 : used;
      for (; this.#hand < end && left > 0; left--) {
        const at = (this.#hand & 0xffff) << 2;
        const units = (words[at] as number) >>> 16;
        if (words[at + 1] !== FREE_MARK) visit(this.#hand, words, at);
        this.#hand += units;
      }
      if (this.#hand < end) return;
      const next = chunk + 1 < this.words.length ? chunk + 1 : 0;
      this.#hand = (next << 16) + firstUnit(next);
    }
  }

  #open(): void {
    // What is left of the open chunk becomes free blocks, so that a chunk can be walked from end to end.
    let rest = this.#end - this.#next;
    while (rest > 0) {
      const units = wholeUnits(rest);
      (this.words[this.#next >>> 16] as Int32Array)[(this.#next & 0xffff) << 2] = units << 16;
      this.free(this.#next);
      this.#next += units;
      rest -= units;
    }
    const chunk = this.#holes.pop() ?? this.words.length;
    assert(chunk < this.#freeUnits.length, 'arena below 32 GiB');
    const piece = this.#regions.take();
    this.#pieces[chunk] = piece;
    this.words[chunk] = new Int32Array(piece.buffer, piece.offset, CHUNK_UNITS * UNIT_WORDS);
    this.spans[chunk] = new Span(new Uint8Array(piece.buffer, piece.offset, 1 << CHUNK_BITS));
    this.#chunks++;
    if (this.#hand >>> 16 === chunk) this.#hand = (chunk << 16) + firstUnit(chunk);
    this.#next = (chunk << 16) + firstUnit(chunk);
    this.#end = (chunk << 16) + CHUNK_UNITS;
  }

  #link(block: number, units: number): void {
    const list = classOf(units);
    const head = this.#heads[list] as number;
    const words = this.words[block >>> 16] as Int32Array;
    const at = (block & 0xffff) << 2;
    words[at + 2] = head;
    words[at + 3] = NONE;
    if (head !== NONE) (this.words[head >>> 16] as Int32Array)[((head & 0xffff) << 2) + 3] = block;
    this.#heads[list] = block;
    this.#freeUnits[block >>> 16] = (this.#freeUnits[block >>> 16] as number) + units;
    this.freeBytes += units << UNIT_BITS;
  }

  #unlink(block: number, list: number): void {
    const words = this.words[block >>> 16] as Int32Array;
    const at = (block & 0xffff) << 2;
    const units = (words[at] as number) >>> 16;
    const next = (words[at + 2] as number) >>> 0;
    const previous = (words[at + 3] as number) >>> 0;
    if (previous === NONE) this.#heads[list] = next;
    else (this.words[previous >>> 16] as Int32Array)[((previous & 0xffff) << 2) + 2] = next;
    if (next !== NONE) (this.words[next >>> 16] as Int32Array)[((next & 0xffff) << 2) + 3] = previous;
    this.#freeUnits[block >>> 16] = (this.#freeUnits[block >>> 16] as number) - units;
    this.freeBytes -= units << UNIT_BITS;
  }
}

const EMPTY_WORDS = new Int32Array(0);
const EMPTY_SPAN = new Span(new Uint8Array(0));

/** Unit 0 of chunk 0 is nobody's: 0 means none. */
function firstUnit(chunk: number): number {
  return chunk === 0 ? UNIT_WORDS / 4 : 0;
}
