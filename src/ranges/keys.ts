/**
 * Keys to positions. `slot` is Redis Cluster's: CRC16/XMODEM of the key's tag, modulo 16384. The lower 18 bits of the
 * position are those of h32 of the tag, where h32 is MurmurHash3_x86_32 with seed 0. So keys that share a tag share a
 * position, and slot s is exactly the range [s << 18, s << 18 | 0x3ffff].
 */
import { murmur32, utf8 } from '../base/index.ts';
import type { Range } from './range.ts';

export const SLOT_COUNT = 16384;
const OFFSET_BITS = 18;
const OFFSET_MASK = 0x3ffff;
const OPEN = 0x7b;
const CLOSE = 0x7d;

const CRC16 = new Uint16Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  CRC16[byte] = crc;
}

/** CRC16/XMODEM: polynomial 0x1021, initial value 0, nothing reflected. */
export function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (let i = 0; i < bytes.length; i++) {
    crc = ((crc << 8) & 0xffff) ^ (CRC16[(crc >> 8) ^ (bytes[i] as number)] as number);
  }
  return crc;
}

/** The slot of a tag (see {@link hashTag}); give it a whole key only when the key has no braces. */
export function slotOf(tag: Uint8Array): number {
  return crc16(tag) & (SLOT_COUNT - 1);
}

/**
 * The part of a key that is hashed: what is between the first `{` and the first `}` after it, when that is not empty;
 * else the whole key.
 */
export function hashTag(key: Uint8Array): Uint8Array {
  const open = key.indexOf(OPEN);
  if (open < 0) return key;
  const close = key.indexOf(CLOSE, open + 1);
  return close <= open + 1 ? key : key.subarray(open + 1, close);
}

/** The position of a key; a string is taken as its UTF-8 bytes. */
export function positionOf(key: Uint8Array | string): number {
  const tag = hashTag(typeof key === 'string' ? utf8(key) : key);
  return ((slotOf(tag) << OFFSET_BITS) | (murmur32(tag) & OFFSET_MASK)) >>> 0;
}

/** The slot a position lies in. */
export function slotAt(position: number): number {
  return position >>> OFFSET_BITS;
}

/** All positions of a slot. */
export function slotRange(slot: number): Range {
  const start = (slot << OFFSET_BITS) >>> 0;
  return { start, end: (start | OFFSET_MASK) >>> 0 };
}
