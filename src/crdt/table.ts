import { fold32, mix32 } from '../base/index.ts';
import type { Entry } from './entry.ts';

const FIRST_SLOTS = 8;

/**
 * One node's entries by (start, end): open addressing with linear probing. The hashes stand in a typed array, so a
 * look-up in a large map misses the cache about three times, half as often as a Map with a text key, and makes no text.
 */
export class RangeTable {
  /** 0: the slot is free. */
  #hashes = new Int32Array(FIRST_SLOTS);
  #entries: (Entry | null)[] = new Array(FIRST_SLOTS).fill(null);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(start: number, end: number): Entry | undefined {
    const hashes = this.#hashes;
    const mask = hashes.length - 1;
    const hash = hashRange(start, end);
    for (let slot = hash & mask; hashes[slot] !== 0; slot = (slot + 1) & mask) {
      if (hashes[slot] !== hash) continue;
      const entry = this.#entries[slot] as Entry;
      if (entry.startBits === (start | 0) && entry.endBits === (end | 0)) return entry;
    }
    return undefined;
  }

  /** The caller knows that it is not there yet. */
  add(entry: Entry): void {
    // Never more than three quarters full, so that every probe ends.
    if (4 * (this.#size + 1) > 3 * this.#hashes.length) this.#grow();
    this.#put(hashRange(entry.startBits, entry.endBits), entry);
    this.#size++;
  }

  /** The caller knows that it is there. */
  delete(entry: Entry): void {
    const hashes = this.#hashes;
    const entries = this.#entries;
    const mask = hashes.length - 1;
    let hole = hashRange(entry.startBits, entry.endBits) & mask;
    while (entries[hole] !== entry) hole = (hole + 1) & mask;
    // Later ones of the same run move back, unless that would put them before the slot where their search begins.
    for (let slot = (hole + 1) & mask; hashes[slot] !== 0; slot = (slot + 1) & mask) {
      const home = (hashes[slot] as number) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      hashes[hole] = hashes[slot] as number;
      entries[hole] = entries[slot] as Entry;
      hole = slot;
    }
    hashes[hole] = 0;
    entries[hole] = null;
    this.#size--;
  }

  *values(): IterableIterator<Entry> {
    for (const entry of this.#entries) if (entry !== null) yield entry;
  }

  #grow(): void {
    const old = this.#entries;
    const slots = 2 * old.length;
    this.#hashes = new Int32Array(slots);
    this.#entries = new Array(slots).fill(null);
    for (const entry of old) if (entry !== null) this.#put(hashRange(entry.startBits, entry.endBits), entry);
  }

  #put(hash: number, entry: Entry): void {
    const hashes = this.#hashes;
    const mask = hashes.length - 1;
    let slot = hash & mask;
    while (hashes[slot] !== 0) slot = (slot + 1) & mask;
    hashes[slot] = hash;
    this.#entries[slot] = entry;
  }
}

/** Signed, never 0. */
function hashRange(start: number, end: number): number {
  return mix32(fold32(fold32(0x51ed270b, start), end)) | 0 || 1;
}
