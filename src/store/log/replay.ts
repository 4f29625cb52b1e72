import { Crowded } from '../crowded.ts';
import { EXPIRES, EXPIRY_BYTES, HEADER_BYTES, KEY_LENGTH_MASK, LENGTH_MASK } from '../record.ts';
import { Span } from '../span.ts';
import type { Stamps } from '../stamps.ts';
import { TILES } from '../stamps.ts';
import type { MessageTable } from '../table.ts';
import { Assembly } from './external.ts';
import { BYTES_MASK, CLEAR, END, KIND_SHIFT, LEASE, PART, PUT, REMOVE } from './format.ts';
import type { BatchReader } from './reader.ts';

/** A dot's counter has 48 bits. */
const COUNTERS = 2 ** 48;

/** Applies batches to the table, in order; every version keeps its own stamp. */
export class Replay {
  readonly #table: MessageTable;
  readonly #stamps: Stamps;
  readonly #assembly = new Assembly();
  #span = new Span(new Uint8Array(0));
  /** The largest clock met. */
  #clockLow = 0;
  #clockHigh = 0;
  /** Counters below these were leased. */
  readonly leases = new Float64Array(TILES);
  records = 0;
  /** Messages left out, as their keys had no room. */
  crowdedOut = 0;
  /** The end of a snapshot was met, and the number of changes it says came before. */
  ended = -1;

  constructor(table: MessageTable, stamps: Stamps) {
    this.#table = table;
    this.#stamps = stamps;
  }

  /** Returns what is wrong with the batch, or null. Its checksum was right: what is wrong here no disk did. */
  apply(reader: BatchReader): string | null {
    if (this.#span.bytes !== reader.bytes) this.#span = new Span(reader.bytes);
    if ((reader.flags & PART) !== 0) return this.#part(reader);
    const { words } = reader;
    let at = reader.recordsAt >> 2;
    const end = (reader.recordsAt + reader.rawBytes) >> 2;
    for (let left = reader.records; left > 0; left--) {
      if (at >= end) return 'it ends before its last record';
      const word = words[at++] as number;
      const bytes = word & BYTES_MASK;
      const next = at + ((bytes + 3) >>> 2);
      if (next > end) return 'a record is longer than what is left of it';
      const wrong = this.#record(word >>> KIND_SHIFT, words, at, bytes);
      if (wrong !== null) return wrong;
      at = next;
      this.records++;
    }
    return null;
  }

  /** What follows does not go on from here: a change whose last parts are missing was never finished, or is lost. */
  interrupt(): void {
    this.#assembly.drop();
  }

  /** The stamps go on where these versions ended, and so much further. */
  finish(leap: number): void {
    this.#stamps.given = null;
    for (let tile = 0; tile < TILES; tile++) this.leases[tile] = (this.leases[tile] as number) + leap;
    this.#stamps.resume(this.leases, this.#clockLow, this.#clockHigh);
  }

  #record(kind: number, words: Int32Array, at: number, bytes: number): string | null {
    switch (kind) {
      case PUT:
        return this.#put(words, at, bytes);
      case REMOVE:
        if (bytes < 16) return 'a removal is too short';
        this.#stamp(words, at);
        this.#remove(this.#span, (at + 4) * 4, bytes - 16);
        return null;
      case LEASE:
        if (bytes !== 4 + TILES * 8) return 'a lease of another length';
        for (let tile = 0; tile < TILES; tile++) {
          const low = (words[at + 1 + tile * 2] as number) >>> 0;
          const upTo = (words[at + 2 + tile * 2] as number) * 2 ** 32 + low;
          if (upTo < 0 || upTo >= COUNTERS) return 'a lease of counters that there are not';
          this.leases[tile] = Math.max(this.leases[tile] as number, upTo);
        }
        return null;
      case CLEAR:
        this.#table.clear();
        return null;
      case END:
        if (bytes !== 8) return 'an end of another length';
        this.ended = ((words[at] as number) >>> 0) + (words[at + 1] as number) * 2 ** 32;
        return null;
      default:
        return `a record of kind ${kind}, which this version does not know`;
    }
  }

  #put(words: Int32Array, at: number, bytes: number): string | null {
    const flags = words[at + 1] as number;
    const expires = (flags & EXPIRES) !== 0;
    const header = HEADER_BYTES + (expires ? EXPIRY_BYTES : 0);
    const keyLength = (words[at] as number) & KEY_LENGTH_MASK;
    const valueLength = flags & LENGTH_MASK;
    if (header + keyLength + valueLength !== bytes) return 'a record whose lengths do not add up';
    this.#stamp(words, at + 2);
    const expiryMs = expires ? ((words[at + 6] as number) >>> 0) + (words[at + 7] as number) * 2 ** 32 : 0;
    const keyAt = at * 4 + header;
    if (this.#names(this.#span, keyAt, keyLength, expiryMs))
      try {
        this.#table.put(this.#span, keyAt + keyLength, valueLength, expiryMs);
      } catch (error) {
        this.#leaveOut(error);
      }
    return null;
  }

  /** Looks the key up to be written; what has expired meanwhile is removed instead. */
  #names(key: Span, at: number, length: number, expiryMs: number): boolean {
    if (expiryMs !== 0 && expiryMs <= this.#table.nowMs) {
      this.#remove(key, at, length);
      return false;
    }
    this.#table.lookup(key, at, length);
    return true;
  }

  #remove(key: Span, at: number, length: number): void {
    if (this.#table.lookup(key, at, length)) this.#table.remove();
  }

  #part(reader: BatchReader): string | null {
    const assembly = this.#assembly;
    const state = assembly.add(reader.words, reader.bytes, reader.recordsAt, reader.rawBytes, reader.size);
    if (state === 'wrong') return 'a part of a large record that does not follow the one before';
    if (state === 'more') return null;
    this.#stamp(assembly.stamp, 0);
    const { removal, expiryMs } = assembly;
    const { key, value } = assembly.take();
    if (removal) this.#remove(key, 0, key.bytes.length);
    else if (this.#names(key, 0, key.bytes.length, expiryMs))
      try {
        this.#table.putRope(value, expiryMs);
      } catch (error) {
        this.#leaveOut(error);
      }
    this.records++;
    return null;
  }

  /**
   * What had room when it was written need not have it here: a snapshot has some keys as they were after changes that the log brings once
   * more, so that there may be keys at once that never were together.
   */
  #leaveOut(error: unknown): void {
    if (!(error instanceof Crowded)) throw error;
    this.crowdedOut++;
  }

  #stamp(words: Int32Array, at: number): void {
    this.#stamps.given = words;
    this.#stamps.givenAt = at;
    const high = (words[at + 1] as number) >>> 0;
    const low = (words[at] as number) >>> 0;
    if (high > this.#clockHigh || (high === this.#clockHigh && low > this.#clockLow)) {
      this.#clockHigh = high;
      this.#clockLow = low;
    }
  }
}
