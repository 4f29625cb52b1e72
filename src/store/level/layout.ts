import { ShoalError } from '../../base/index.ts';
import { EXPIRES, EXPIRY_BYTES, HEADER_BYTES } from '../record.ts';

/**
 * What is in LevelDB. A message's key: epoch (4 bytes), slot (2), hash (4), then its key; so a slot's messages lie together, slots
 * in the order of positions, and one mark (slot, hash) is one place. Its value: the record (record.ts) from word 1 on, without
 * the key. The epoch counts how often everything was deleted: what is of an earlier one is gone at once, and removed by and by.
 * Numbers in keys begin with the large end, in values with the little one. Under META_EPOCH there are values of the store itself.
 */
export const PREFIX_BYTES = 10;
/** Of a value, before its expiry. */
const VALUE_HEADER_BYTES = HEADER_BYTES - 4;
/** No epoch of messages. */
export const META_EPOCH = 0xffffffff;
const HASHES = 2 ** 32;

export function metaKey(name: 'format' | 'epoch' | 'lease' | 'clock'): Uint8Array {
  const key = Buffer.from(`....${name}`);
  key.writeUInt32BE(META_EPOCH);
  return key;
}

export function placeKey(epoch: number, slot: number, hash: number, keyBytes = 0): Buffer {
  const key = Buffer.allocUnsafe(PREFIX_BYTES + keyBytes);
  key.writeUInt32BE(epoch, 0);
  key.writeUInt16BE(slot, 4);
  key.writeInt32BE(hash | 0, 6);
  return key;
}

/** A slot and hash as one number, in the order of keys; `slot + 1, 0` is the place after the last of a slot. */
export function placeOf(slot: number, hash: number): number {
  return slot * HASHES + (hash >>> 0);
}

export function keyOfPlace(epoch: number, place: number): Buffer {
  return placeKey(epoch, Math.floor(place / HASHES), place % HASHES);
}

/** The first key of an epoch, and so the end of the one before it. */
export function epochKey(epoch: number): Buffer {
  return placeKey(epoch, 0, 0).subarray(0, 4);
}

/** A message read from LevelDB. */
export class Message {
  readonly slot: number;
  readonly hash: number;
  readonly key: Uint8Array;
  /** Clock and dot. */
  readonly stamp = new Int32Array(4);
  readonly expiryMs: number;
  readonly value: Uint8Array;

  constructor(key: Uint8Array, record: Uint8Array) {
    const view = new DataView(key.buffer, key.byteOffset, PREFIX_BYTES);
    this.slot = view.getUint16(4);
    this.hash = view.getInt32(6);
    this.key = key.subarray(PREFIX_BYTES);
    if (record.length < headerBytes(record))
      throw new ShoalError('store-damaged', `a message of slot ${this.slot} in the store is cut short`);
    const words = new DataView(record.buffer, record.byteOffset, record.length);
    for (let i = 0; i < 4; i++) this.stamp[i] = words.getInt32(4 + i * 4, true);
    const valueAt = headerBytes(record);
    this.expiryMs =
      valueAt === VALUE_HEADER_BYTES
        ? 0
        : words.getUint32(VALUE_HEADER_BYTES, true) + words.getInt32(VALUE_HEADER_BYTES + 4, true) * 2 ** 32;
    this.value = record.subarray(valueAt);
  }
}

/** Of a record as it is on disk. */
function headerBytes(record: Uint8Array): number {
  return (record[2] as number) & (EXPIRES >> 16) ? VALUE_HEADER_BYTES + EXPIRY_BYTES : VALUE_HEADER_BYTES;
}

/** Room for the value of a message, its header filled from the record's words (from word 1 on, at `at`). */
export function valueRoom(words: Int32Array, at: number, expires: boolean, valueLength: number): Buffer {
  const headerBytes = VALUE_HEADER_BYTES + (expires ? EXPIRY_BYTES : 0);
  const value = Buffer.allocUnsafe(headerBytes + valueLength);
  value.writeInt32LE(expires ? EXPIRES : 0, 0);
  for (let i = 1; i * 4 < headerBytes; i++) value.writeInt32LE(words[at + i] as number, i * 4);
  return value;
}
