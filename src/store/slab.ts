import { assert } from '../base/index.ts';
import type { Regions } from './regions.ts';

/** Words of a page: 1 MiB. */
const PAGE_WORDS = 1 << 18;
/** The smallest piece: 64 bytes, a cache line. */
const UNIT_WORDS = 16;
const PAGE_UNITS = PAGE_WORDS / UNIT_WORDS;
const MAX_ORDER = 14;
/** A page is whole: 2^14 units. */
const NONE = -1;

/**
 * A buddy allocator (Knuth, TAOCP 2.5) of 32-bit words outside the JavaScript heap: pieces of 64 bytes times a power of
 * two, at most a page. Freed neighbours are joined again, so that the small index tables of a growing store become room
 * for its larger ones. A piece is named by its first unit; all of allocate and free is O(orders).
 */
export class Slab {
  readonly pages: Int32Array[] = [];
  readonly #regions: Regions;
  /** Of each page and unit: 1 + order where a free piece begins, else 0. */
  readonly #free: Uint8Array[] = [];
  /** First free piece of each order; a free piece holds the next and the previous in its first two words. */
  readonly #heads = new Int32Array(MAX_ORDER + 1).fill(NONE);

  /** Bytes of pieces given out. */
  usedBytes = 0;

  constructor(regions: Regions) {
    this.#regions = regions;
  }

  get bytes(): number {
    return this.pages.length * PAGE_WORDS * 4;
  }

  /** A piece of `UNIT << order` bytes; what it held before is still in it. */
  allocate(order: number): number {
    let from = order;
    while (from <= MAX_ORDER && this.#heads[from] === NONE) from++;
    if (from > MAX_ORDER) {
      this.#addPage();
      from = MAX_ORDER;
    }
    const unit = this.#heads[from] as number;
    this.#unlink(unit, from);
    while (from > order) {
      from--;
      this.#link(unit + (1 << from), from);
    }
    this.usedBytes += (UNIT_WORDS * 4) << order;
    return unit;
  }

  free(unit: number, order: number): void {
    this.usedBytes -= (UNIT_WORDS * 4) << order;
    let piece = unit;
    let size = order;
    while (size < MAX_ORDER) {
      const buddy = piece ^ (1 << size);
      if (this.#mark(buddy) !== size + 1) break;
      this.#unlink(buddy, size);
      piece &= ~(1 << size);
      size++;
    }
    this.#link(piece, size);
  }

  #addPage(): void {
    const page = this.pages.length;
    assert(page < 1 << 13, 'index below 8 GiB');
    const piece = this.#regions.take();
    this.pages.push(new Int32Array(piece.buffer, piece.offset, PAGE_WORDS));
    this.#free.push(new Uint8Array(PAGE_UNITS));
    this.#link(page * PAGE_UNITS, MAX_ORDER);
  }

  #mark(unit: number): number {
    return (this.#free[unit >>> 14] as Uint8Array)[unit & 0x3fff] as number;
  }

  #link(unit: number, order: number): void {
    const head = this.#heads[order] as number;
    const page = this.pages[unit >>> 14] as Int32Array;
    const at = (unit & 0x3fff) << 4;
    page[at] = head;
    page[at + 1] = NONE;
    if (head !== NONE) (this.pages[head >>> 14] as Int32Array)[((head & 0x3fff) << 4) + 1] = unit;
    this.#heads[order] = unit;
    (this.#free[unit >>> 14] as Uint8Array)[unit & 0x3fff] = order + 1;
  }

  #unlink(unit: number, order: number): void {
    const page = this.pages[unit >>> 14] as Int32Array;
    const at = (unit & 0x3fff) << 4;
    const next = page[at] as number;
    const previous = page[at + 1] as number;
    if (previous === NONE) this.#heads[order] = next;
    else (this.pages[previous >>> 14] as Int32Array)[(previous & 0x3fff) << 4] = next;
    if (next !== NONE) (this.pages[next >>> 14] as Int32Array)[((next & 0x3fff) << 4) + 1] = previous;
    (this.#free[unit >>> 14] as Uint8Array)[unit & 0x3fff] = 0;
  }
}
