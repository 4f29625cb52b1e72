import * as zlib from 'node:zlib';

type Crc32 = (bytes: Uint8Array, seed?: number) => number;

/** TABLE[k * 256 + b]: the checksum of byte b followed by k zero bytes, so that four bytes are taken at once. */
const TABLE = new Uint32Array(1024);
for (let i = 0; i < 256; i++) {
  let c = i;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  TABLE[i] = c;
}
for (let i = 256; i < 1024; i++) {
  const c = TABLE[i - 256] as number;
  TABLE[i] = (TABLE[c & 0xff] as number) ^ (c >>> 8);
}

/** In JavaScript, for Node before 20.15; a batch takes milliseconds rather than tenths of one. */
export function slowCrc32(bytes: Uint8Array, seed = 0): number {
  let c = ~seed;
  let i = 0;
  for (const end = bytes.length & ~3; i < end; i += 4) {
    c ^=
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    c =
      (TABLE[768 + (c & 0xff)] as number) ^
      (TABLE[512 + ((c >>> 8) & 0xff)] as number) ^
      (TABLE[256 + ((c >>> 16) & 0xff)] as number) ^
      (TABLE[c >>> 24] as number);
  }
  for (; i < bytes.length; i++) c = (TABLE[(c ^ (bytes[i] as number)) & 0xff] as number) ^ (c >>> 8);
  return ~c >>> 0;
}

/** CRC-32 (IEEE 802.3, as in gzip): native where Node has it, the same checksum either way. */
export const crc32: Crc32 = (zlib as { crc32?: Crc32 }).crc32 ?? slowCrc32;
