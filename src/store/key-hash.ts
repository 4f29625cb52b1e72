import { fold32, mix32 } from '../base/index.ts';

/** CRC16/XMODEM by four bytes at once: CRC[k][b] is the checksum of byte b followed by k zero bytes. */
const CRC = [0, 1, 2, 3].map(() => new Uint16Array(256)) as [
  Uint16Array,
  Uint16Array,
  Uint16Array,
  Uint16Array,
];
const [CRC0, CRC1, CRC2, CRC3] = CRC;
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8;
  for (let k = 0; k < 4; k++) {
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
    (CRC[k] as Uint16Array)[byte] = crc;
  }
}

const SLOT_MASK = 16383;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/**
 * A key's Redis Cluster slot and its 32-bit hash (MurmurHash3_x86_32, seed 0), as `ranges/keys.ts` defines them, of
 * bytes inside a larger buffer and without allocating. Results are fields, valid until the next call.
 */
export class KeyHash {
  slot = 0;
  /** Of the whole key, as a signed 32-bit number. */
  hash = 0;

  of(bytes: Uint8Array, at: number, length: number): void {
    const blocksEnd = at + (length & ~3);
    let crc = 0;
    let hash = 0;
    let braces = 0;
    let i = at;
    for (; i < blocksEnd; i += 4) {
      const a = bytes[i] as number;
      const b = bytes[i + 1] as number;
      const c = bytes[i + 2] as number;
      const d = bytes[i + 3] as number;
      if (a === OPEN || b === OPEN || c === OPEN || d === OPEN) braces = 1;
      crc =
        (CRC3[(crc >> 8) ^ a] as number) ^
        (CRC2[(crc & 0xff) ^ b] as number) ^
        (CRC1[c] as number) ^
        (CRC0[d] as number);
      hash = fold32(hash, a | (b << 8) | (c << 16) | (d << 24));
    }
    const end = at + length;
    if (i < end) {
      let word = 0;
      for (let k = end - 1; k >= i; k--) word = (word << 8) | (bytes[k] as number);
      for (; i < end; i++) {
        const byte = bytes[i] as number;
        if (byte === OPEN) braces = 1;
        crc = ((crc << 8) & 0xffff) ^ (CRC0[(crc >> 8) ^ byte] as number);
      }
      word = Math.imul(word, 0xcc9e2d51);
      word = (word << 15) | (word >>> 17);
      hash ^= Math.imul(word, 0x1b873593);
    }
    this.hash = mix32(hash ^ length) | 0;
    this.slot = braces === 0 ? crc & SLOT_MASK : slotOfTagged(bytes, at, end);
  }
}

/** The slot of a key that has an opening brace. */
function slotOfTagged(bytes: Uint8Array, at: number, end: number): number {
  let open = at;
  while (bytes[open] !== OPEN) open++;
  let close = open + 1;
  while (close < end && bytes[close] !== CLOSE) close++;
  const whole = close >= end || close === open + 1;
  const last = whole ? end : close;
  let crc = 0;
  for (let i = whole ? at : open + 1; i < last; i++)
    crc = ((crc << 8) & 0xffff) ^ (CRC0[(crc >> 8) ^ (bytes[i] as number)] as number);
  return crc & SLOT_MASK;
}
