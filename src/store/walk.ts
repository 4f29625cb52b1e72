import { positionOf, type Range, slotAt, slotRange } from '../ranges/index.ts';
import { PLACES, SLOTS } from './slot-index.ts';
import type { MessageTable } from './table.ts';

/** Upper hash bits that a cursor holds: no directory is indexed by more. */
const HASH_BITS = 20;
const HASH_UNIT = 2 ** (32 - HASH_BITS);
const HASHES = 2 ** HASH_BITS;

const EVERYTHING: Range = { start: 0, end: 0xffffffff };

/**
 * A walk through the records of a range of positions, slot by slot, in steps, while the table changes: what is there from the
 * first step to the last is met, once if nothing around it changed; what comes or goes meanwhile may be met or not.
 *
 * Its place is one number below 2^47 (`cursor`; 0 at the beginning and, of a walk that is done, again), the same on every node
 * with the same records: SCAN's cursor. Order: slot, upper bits of the hash, then the place of {@link SlotIndex.scan}. So positions
 * come in order from slot to slot, and not within one: its table is a hash, and a table in order would cost every write. Who needs (position,
 * key) in order takes a slot as a whole and sorts it: a few hundred records of ten million, a few thousand of a hundred million. A range that
 * ends within a slot costs a look at the whole slot.
 */
export class Walk {
  readonly #table: MessageTable;
  readonly #range: Range;
  readonly #lastSlot: number;
  #slot: number;
  #hash = 0;
  #place = 0;

  constructor(table: MessageTable, range: Range = EVERYTHING) {
    this.#table = table;
    this.#range = range;
    this.#slot = slotAt(range.start);
    this.#lastSlot = slotAt(range.end);
  }

  get done(): boolean {
    return this.#slot > this.#lastSlot;
  }

  /** The slot it is in. */
  get slot(): number {
    return this.#slot;
  }

  get cursor(): number {
    return this.done ? 0 : (this.#slot * HASHES + this.#hash / HASH_UNIT) * PLACES + this.#place;
  }

  /** Goes to a cursor; one that no walk gave leads to some place, or to the end. */
  goTo(cursor: number): void {
    const rest = Math.floor(cursor / PLACES);
    this.#place = cursor - rest * PLACES;
    this.#slot = Math.floor(rest / HASHES);
    this.#hash = (rest - this.#slot * HASHES) * HASH_UNIT;
  }

  /**
   * Adds records to `refs` until it has `count` of them, or has looked at `homes` homes of the index; the records of one home
   * come together. They may be shown (`MessageTable.show`) until the table changes. What has expired may be among them.
   */
  step(refs: number[], count: number, homes: number): void {
    const table = this.#table;
    for (let left = homes; left > 0 && refs.length < count && !this.done; ) {
      if (table.countInSlot(this.#slot) === 0) {
        this.#enter(this.#slot + 1);
        continue;
      }
      const before = refs.length;
      table.scan(this.#slot, this.#hash, this.#place, refs);
      if (refs.length > before && !this.#isWhole(this.#slot)) this.#filter(refs, before);
      left--;
      this.#place = table.nextPlace;
      if (table.nextHash === 2 ** 32) this.#enter(this.#slot + 1);
      else this.#hash = table.nextHash;
    }
  }

  #enter(slot: number): void {
    this.#slot = slot;
    this.#hash = 0;
    this.#place = 0;
  }

  #isWhole(slot: number): boolean {
    const { start, end } = slotRange(slot);
    return start >= this.#range.start && end <= this.#range.end;
  }

  #filter(refs: number[], from: number): void {
    let kept = from;
    for (let i = from; i < refs.length; i++) {
      const ref = refs[i] as number;
      this.#table.show(ref);
      const { key, keyAt, keyLength } = this.#table;
      const position = positionOf(key.bytes.subarray(keyAt, keyAt + keyLength));
      if (position >= this.#range.start && position <= this.#range.end) refs[kept++] = ref;
    }
    refs.length = kept;
  }
}

/** A record drawn at random among those that have not expired, shown; false when `tries` draws met none. */
export function showRandom(table: MessageTable, draw: () => number, tries: number): boolean {
  const refs: number[] = [];
  for (let left = tries; left > 0 && table.size > 0; left--) {
    let rest = Math.floor(draw() * table.size);
    let slot = 0;
    while (slot < SLOTS - 1 && rest >= table.countInSlot(slot)) rest -= table.countInSlot(slot++);
    refs.length = 0;
    const walk = new Walk(table, slotRange(slot));
    const cursor = slot * HASHES * PLACES + Math.floor(draw() * HASHES) * PLACES;
    walk.goTo(cursor + Math.floor(draw() * PLACES));
    walk.step(refs, 1, PLACES);
    if (refs.length === 0) {
      walk.goTo(slot * HASHES * PLACES);
      walk.step(refs, 1, PLACES);
    }
    if (refs.length === 0) continue;
    table.show(refs[Math.floor(draw() * refs.length)] as number);
    if (!table.isDue) return true;
  }
  return false;
}
