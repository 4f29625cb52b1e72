import { inflateRawSync } from 'node:zlib';
import type { StoreFile } from './disk.ts';
import {
  ALIGN,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchBytes,
  COMPRESSED,
  FILE_HEADER_BYTES,
  isBatch,
  MAX_BATCH_BYTES,
} from './format.ts';

const WINDOW_BYTES = 2 * MAX_BATCH_BYTES;
const SECTOR_BYTES = 512;

/** 'end': the file ends behind the batch before. */
export type Found = 'batch' | 'end' | 'unsound';

const NO_WORDS = new Int32Array(0);

/** Reads the batches of one file one after the other, holding two of them at most. */
export class BatchReader {
  readonly #file: StoreFile;
  readonly #generation: number;
  /** See FileHeader; null: the header is lost, and the first batch tells. */
  #salt: number | null;
  readonly #windowBytes: Uint8Array;
  readonly #windowWords: Int32Array;
  #inflatedBytes: Uint8Array | null = null;
  #inflatedWords: Int32Array = NO_WORDS;
  /** The window holds the file from here on, so many bytes; the next batch begins at `#next` in it. */
  #from = FILE_HEADER_BYTES;
  #held = 0;
  #next = 0;
  /** The records of the batch found last: `rawBytes` of `bytes` from `recordsAt` on. */
  bytes: Uint8Array;
  words: Int32Array;
  recordsAt = 0;
  rawBytes = 0;
  flags = 0;
  records = 0;
  /** The number that the next batch has. */
  batches = 0;
  /** Of the file. */
  readonly size: number;

  constructor(file: StoreFile, size: number, generation: number, salt: number | null) {
    this.#file = file;
    this.size = size;
    this.#generation = generation;
    this.#salt = salt;
    // The mask after the bound: a file may well be longer than 31 bits say.
    this.#windowBytes = new Uint8Array(Math.min(WINDOW_BYTES, size + ALIGN) & -ALIGN);
    this.#windowWords = new Int32Array(this.#windowBytes.buffer);
    this.bytes = this.#windowBytes;
    this.words = this.#windowWords;
  }

  /** Where in the file the next batch begins; after 'unsound', where the damage is. */
  get at(): number {
    return this.#from + this.#next;
  }

  async next(): Promise<Found> {
    if (this.at >= this.size) return 'end';
    if (this.#held - this.#next < MAX_BATCH_BYTES) await this.#fill();
    const words = this.#windowWords;
    const first = this.#next >> 2;
    if (!this.#isOurs() || words[first + 6] !== this.batches) return 'unsound';
    const stored = words[first + 2] as number;
    if (!this.#open(stored, words[first + 3] as number)) return 'unsound';
    this.#salt = words[first + 9] as number;
    this.#next += batchBytes(stored);
    this.batches++;
    return 'batch';
  }

  /**
   * After damage: whether the batch is all there but for its checksum. A crash leaves it short, or leaves out whole sectors,
   * which then are zeros; other bytes than were written are a disk's doing.
   */
  async isAllThere(): Promise<boolean> {
    await this.#fill();
    const words = this.#windowWords;
    if (this.#held < BATCH_HEADER_BYTES || words[0] !== BATCH_MAGIC) return false;
    const total = batchBytes(Math.min((words[2] as number) >>> 0, MAX_BATCH_BYTES));
    if (total > Math.min(this.#held, MAX_BATCH_BYTES)) return false;
    for (let at = 0; at < total; ) {
      const end = Math.min(total, at + SECTOR_BYTES - ((this.#from + at) % SECTOR_BYTES));
      if (end - at >= BATCH_HEADER_BYTES && this.#windowBytes.subarray(at, end).every((byte) => byte === 0))
        return false;
      at = end;
    }
    return true;
  }

  /**
   * After damage: whether a sound batch of this file follows that was written when more batches were synced than were
   * found. If so, what is damaged was on the medium once, and a crash is not the reason.
   */
  async syncedBeyond(): Promise<boolean> {
    const { at } = this;
    const found = await this.#seek((word) => (this.#windowWords[word + 8] as number) > this.batches);
    this.#goTo(at);
    return found;
  }

  /** After damage: goes to the next sound batch of this file, or to its end; returns how many batches are passed over, -1: unknown. */
  async skip(): Promise<number> {
    const { batches } = this;
    const number = (word: number): number => this.#windowWords[word + 6] as number;
    await this.#fill();
    // A sound batch that is not the next one stands where others are missing.
    if (!this.#isOurs() || number(this.#next >> 2) <= batches) this.#next += ALIGN;
    const found = await this.#seek((word) => number(word) >= batches);
    if (!found) {
      this.#goTo(this.size);
      return -1;
    }
    this.batches = number(this.#next >> 2);
    return this.batches - batches;
  }

  /** Whether a sound batch of this file is next. */
  #isOurs(): boolean {
    const words = this.#windowWords;
    const first = this.#next >> 2;
    if (words[first + 7] !== this.#generation) return false;
    if (this.#salt !== null && words[first + 9] !== this.#salt) return false;
    return isBatch(words, this.#windowBytes, this.#next, this.#held);
  }

  /** Goes to the next sound batch of this file, whose header begins at a word that `fits`; false at the end. */
  async #seek(fits: (word: number) => boolean): Promise<boolean> {
    const words = this.#windowWords;
    while (this.at + BATCH_HEADER_BYTES <= this.size) {
      await this.#fill();
      const last = this.#from + this.#held >= this.size;
      if (!last && this.#held < WINDOW_BYTES) return false; // The file has become shorter.
      const stop = last ? this.#held : MAX_BATCH_BYTES;
      for (; this.#next < stop; this.#next += ALIGN) {
        const first = this.#next >> 2;
        if (words[first] === BATCH_MAGIC && fits(first) && this.#isOurs()) return true;
      }
      if (last) return false;
    }
    return false;
  }

  #goTo(at: number): void {
    this.#from = at;
    this.#held = 0;
    this.#next = 0;
  }

  /** Moves the window to where the next batch begins, and fills it. */
  async #fill(): Promise<void> {
    const wanted = Math.min(WINDOW_BYTES, this.size - this.at);
    this.#windowBytes.copyWithin(0, this.#next, this.#held);
    const left = this.#held - this.#next;
    this.#from += this.#next;
    this.#next = 0;
    this.#held = left;
    if (left >= wanted) return;
    const room = this.#windowBytes.subarray(left, wanted);
    this.#held += await this.#file.read(room, this.#from + left);
  }

  #open(stored: number, raw: number): boolean {
    const first = this.#next >> 2;
    this.flags = this.#windowWords[first + 4] as number;
    this.records = this.#windowWords[first + 5] as number;
    this.rawBytes = raw;
    this.bytes = this.#windowBytes;
    this.words = this.#windowWords;
    this.recordsAt = this.#next + BATCH_HEADER_BYTES;
    if ((this.flags & COMPRESSED) === 0) return stored === raw;
    if (this.#inflatedBytes === null) {
      this.#inflatedBytes = new Uint8Array(MAX_BATCH_BYTES);
      this.#inflatedWords = new Int32Array(this.#inflatedBytes.buffer);
    }
    try {
      const from = this.#windowBytes.subarray(this.recordsAt, this.recordsAt + stored);
      const records = inflateRawSync(from, { maxOutputLength: MAX_BATCH_BYTES });
      if (records.length !== raw) return false;
      this.#inflatedBytes.set(records);
    } catch {
      return false;
    }
    this.bytes = this.#inflatedBytes;
    this.words = this.#inflatedWords;
    this.recordsAt = 0;
    return true;
  }
}
