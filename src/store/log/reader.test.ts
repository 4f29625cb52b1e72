import { expect, it } from 'vitest';
import { Batch } from './batch.ts';
import type { StoreFile } from './disk.ts';
import { BATCH_HEADER_BYTES, batchBytes, FILE_HEADER_BYTES, frameBatch } from './format.ts';
import { BatchReader } from './reader.ts';

const RAW_BYTES = 64;
const MARKS = { flags: 0, records: 1, generation: 1, synced: 0, salt: 7 };

/** A file of such a length that holds three batches and then nothing. */
function fileOf(size: number): StoreFile {
  const { words, bytes } = new Batch();
  const step = batchBytes(RAW_BYTES);
  const held = new Uint8Array(3 * step);
  for (let number = 0; number < 3; number++) {
    bytes.fill(number + 1, BATCH_HEADER_BYTES, BATCH_HEADER_BYTES + RAW_BYTES);
    held.set(frameBatch(words, bytes, RAW_BYTES, RAW_BYTES, { ...MARKS, number }), number * step);
  }
  const never = (): never => {
    throw new Error('only read');
  };
  return {
    size: async () => size,
    read: async (into, at) => {
      into.fill(0);
      into.set(held.subarray(at - FILE_HEADER_BYTES).subarray(0, into.length));
      return Math.min(into.length, size - at);
    },
    write: never,
    truncate: never,
    sync: never,
    close: async () => {},
  };
}

it.each([100_000, 2 ** 31 - 5, 2 ** 31, 3 * 2 ** 30, 2 ** 32 + 16, 5 * 2 ** 32 + 48])(
  'the batches of a file of %i bytes are found, and what is none',
  async (size) => {
    const reader = new BatchReader(fileOf(size), size, MARKS.generation, MARKS.salt);
    for (let number = 0; number < 3; number++) {
      expect(await reader.next()).toBe('batch');
      expect(reader.bytes[reader.recordsAt]).toBe(number + 1);
    }
    expect(await reader.next()).toBe('unsound');
  },
);
