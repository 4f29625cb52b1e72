import { LIMITS } from '../../base/index.ts';
import { crc32c } from './crc32c.ts';

/**
 * File formats. Journal: 8 bytes of magic, then records `length u32, crc32c u32 (of length and payload), payload`, big
 * endian. Snapshot: 8 bytes of magic (the digit is the version), generation u32, length u32, crc32c u32 (of generation,
 * length and payload), payload.
 */
export const JOURNAL_MAGIC = Uint8Array.from([0x73, 0x68, 0x6f, 0x61, 0x6c, 0x4a, 0x31, 0x0a]); // shoalJ1\n
export const SNAPSHOT_MAGIC = Uint8Array.from([0x73, 0x68, 0x6f, 0x61, 0x6c, 0x53, 0x31, 0x0a]); // shoalS1\n
export const RECORD_HEADER_BYTES = 8;
const SNAPSHOT_HEADER_BYTES = 20;

/** Writes one record's frame at `at` in `out`, which has room for it; returns where the next one goes. */
export function writeFrame(out: Uint8Array, at: number, record: Uint8Array): number {
  const view = new DataView(out.buffer, out.byteOffset + at, RECORD_HEADER_BYTES);
  view.setUint32(0, record.length);
  view.setUint32(4, crc32c(record, crc32c(out.subarray(at, at + 4))));
  out.set(record, at + RECORD_HEADER_BYTES);
  return at + RECORD_HEADER_BYTES + record.length;
}

export interface JournalScan {
  readonly records: Uint8Array[];
  /** Bytes from the start that are sound; 0 when not even the magic is. */
  readonly soundBytes: number;
  /** What follows is not the start of a record cut short by a crash, but damage: good records may be lost behind it. */
  readonly damaged: boolean;
}

/** Reads records up to the first that is not whole and sound: nothing after it can be trusted to be framed. */
export function scanJournal(bytes: Uint8Array): JournalScan {
  const records: Uint8Array[] = [];
  if (!startsWith(bytes, JOURNAL_MAGIC))
    return { records, soundBytes: 0, damaged: bytes.length >= JOURNAL_MAGIC.length };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = JOURNAL_MAGIC.length;
  while (bytes.length - at >= RECORD_HEADER_BYTES) {
    const length = view.getUint32(at);
    const end = at + RECORD_HEADER_BYTES + length;
    if (length > LIMITS.journalRecordBytes) return { records, soundBytes: at, damaged: true };
    if (end > bytes.length) break;
    const record = bytes.slice(at + RECORD_HEADER_BYTES, end);
    if (view.getUint32(at + 4) !== crc32c(record, crc32c(bytes.subarray(at, at + 4)))) {
      // Zeros up to the end are what a power cut leaves where a file had grown but was not yet written.
      return { records, soundBytes: at, damaged: bytes.subarray(at).some((byte) => byte !== 0) };
    }
    records.push(record);
    at = end;
  }
  return { records, soundBytes: at, damaged: false };
}

export function snapshotHeader(generation: number, payload: Uint8Array): Uint8Array {
  const header = new Uint8Array(SNAPSHOT_HEADER_BYTES);
  header.set(SNAPSHOT_MAGIC);
  const view = new DataView(header.buffer);
  view.setUint32(8, generation);
  view.setUint32(12, payload.length);
  view.setUint32(16, crc32c(payload, crc32c(header.subarray(8, 16))));
  return header;
}

/** Null when it is damaged or of another version. */
export function readSnapshot(bytes: Uint8Array): { generation: number; payload: Uint8Array } | null {
  if (bytes.length < SNAPSHOT_HEADER_BYTES || !startsWith(bytes, SNAPSHOT_MAGIC)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(12) !== bytes.length - SNAPSHOT_HEADER_BYTES) return null;
  const payload = bytes.slice(SNAPSHOT_HEADER_BYTES);
  if (view.getUint32(16) !== crc32c(payload, crc32c(bytes.subarray(8, 16)))) return null;
  return { generation: view.getUint32(8), payload };
}

/** The version digit of a file that shoal wrote in a later format, or null; `magic` is the format this version knows. */
export function newerFormat(bytes: Uint8Array, magic: Uint8Array): number | null {
  const digit = magic.length - 2;
  const same = bytes.length >= magic.length && magic.every((byte, i) => i === digit || bytes[i] === byte);
  const version = (bytes[digit] ?? 0) - 0x30;
  return same && version <= 9 && version > (magic[digit] as number) - 0x30 ? version : null;
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, i) => bytes[i] === byte);
}
