import { crc32 } from './crc32.ts';

/**
 * What is in the files, in 32-bit words, little end first (every machine Node runs on here).
 *
 * A file: a header of 48 bytes, then batches. A batch: a header of 48 bytes, then records, then zeros up to a multiple
 * of 16 bytes; the checksum is over all of it but itself and the magic. A record: `kind << 28 | bytes`, then so many
 * bytes, rounded up to words; a message's are those of record.ts.
 *
 * Every batch carries the file's generation and its number in it, so that neither a missing one nor one of another file
 * passes; a random number of the file, so that no message whose value looks like a batch is taken for one; and how many batches of the file were known to be synced when it was written, which tells damage from what a
 * power cut leaves: see recovery.ts.
 */
export const FILE_HEADER_BYTES = 48;
export const BATCH_HEADER_BYTES = 48;
export const BATCH_HEADER_WORDS = BATCH_HEADER_BYTES / 4;
/** A batch with its header, and so the most that a reader must hold. */
export const MAX_BATCH_BYTES = 1 << 20;
/** Batches begin at multiples of it. */
export const ALIGN = 16;

/** "shoalM", the format's version, a newline. */
const FILE_MAGIC = [0x73, 0x68, 0x6f, 0x61, 0x6c, 0x4d, 0x31, 0x0a] as const;
const VERSION_BYTE = 6;
export const BATCH_MAGIC = 0x42534843;

/** Kinds of record. Numbers are never used again. */
export const PUT = 1;
export const REMOVE = 2;
export const LEASE = 3;
export const END = 4;
export const CLEAR = 5;
export const KIND_SHIFT = 28;
export const BYTES_MASK = 0x0fffffff;

/** Flags of a batch. */
export const COMPRESSED = 1;
/** It holds a part of one record too large for the table's arena: see external.ts. */
export const PART = 2;

export type FileKind = 'log' | 'snapshot';

export interface FileHeader {
  readonly kind: FileKind;
  readonly generation: number;
  /** The log before this one could not be written: of its bytes only so many are to be trusted. */
  readonly afterFailure: boolean;
  readonly trustedBytes: number;
  /** A random number that each of its batches repeats: nobody outside can know it. */
  readonly salt: number;
}

export function fileHeader(header: FileHeader): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER_BYTES);
  bytes.set(FILE_MAGIC);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, header.kind === 'log' ? 1 : 2, true);
  view.setUint32(12, header.generation, true);
  view.setUint32(16, header.afterFailure ? 1 : 0, true);
  view.setFloat64(24, header.trustedBytes, true);
  view.setInt32(32, header.salt, true);
  view.setUint32(44, crc32(bytes.subarray(0, 44)), true);
  return bytes;
}

/** Null: not sound. A number: a later version of the format. */
export function readFileHeader(bytes: Uint8Array): FileHeader | number | null {
  if (bytes.length < FILE_HEADER_BYTES) return null;
  const version = (bytes[VERSION_BYTE] as number) - 0x30;
  if (!FILE_MAGIC.every((byte, i) => i === VERSION_BYTE || bytes[i] === byte)) return null;
  if (version > 1 && version <= 9) return version;
  const view = new DataView(bytes.buffer, bytes.byteOffset, FILE_HEADER_BYTES);
  if (view.getUint32(44, true) !== crc32(bytes.subarray(0, 44))) return null;
  return {
    kind: view.getUint32(8, true) === 1 ? 'log' : 'snapshot',
    generation: view.getUint32(12, true),
    afterFailure: view.getUint32(16, true) === 1,
    trustedBytes: view.getFloat64(24, true),
    salt: view.getInt32(32, true),
  };
}

/** What a batch's header says besides its lengths. */
export interface BatchMarks {
  readonly flags: number;
  readonly records: number;
  /** Its number in the file, from 0. */
  readonly number: number;
  readonly generation: number;
  /** Batches of the file that were synced when it was written. */
  readonly synced: number;
  readonly salt: number;
}

/** Bytes of a batch in the file with so many stored bytes of records. */
export function batchBytes(storedBytes: number): number {
  return (BATCH_HEADER_BYTES + storedBytes + ALIGN - 1) & -ALIGN;
}

/** Writes the header of the batch in `words`, whose `storedBytes` stand behind it; returns the bytes to write. */
export function frameBatch(
  words: Int32Array,
  bytes: Uint8Array,
  storedBytes: number,
  rawBytes: number,
  marks: BatchMarks,
): Uint8Array {
  const total = batchBytes(storedBytes);
  bytes.fill(0, BATCH_HEADER_BYTES + storedBytes, total);
  words[0] = BATCH_MAGIC;
  words[2] = storedBytes;
  words[3] = rawBytes;
  words[4] = marks.flags;
  words[5] = marks.records;
  words[6] = marks.number;
  words[7] = marks.generation;
  words[8] = marks.synced;
  words[9] = marks.salt;
  words.fill(0, 10, BATCH_HEADER_WORDS);
  words[1] = crc32(bytes.subarray(8, total));
  return bytes.subarray(0, total);
}

/** Whether a whole, sound batch begins at byte `at` (a multiple of 16) and ends before `end`. */
export function isBatch(words: Int32Array, bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < BATCH_HEADER_BYTES || words[at >> 2] !== BATCH_MAGIC) return false;
  const stored = (words[(at >> 2) + 2] as number) >>> 0;
  const raw = (words[(at >> 2) + 3] as number) >>> 0;
  if (stored > MAX_BATCH_BYTES - BATCH_HEADER_BYTES || raw > MAX_BATCH_BYTES) return false;
  const total = batchBytes(stored);
  if (at + total > end) return false;
  return (words[(at >> 2) + 1] as number) >>> 0 === crc32(bytes.subarray(at + 8, at + total));
}
