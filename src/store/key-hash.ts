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

/** Longer keys are hashed once, in steps if it can be. */
export const LARGE_KEY_BYTES = 1 << 20;
const STEP_BYTES = 65_536;

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
    if (length > LARGE_KEY_BYTES) {
      const known = hashedBefore(bytes, at, length) ?? new LargeKeyHash(bytes, at, length).all();
      this.hash = known.hash;
      this.slot = known.slot;
      return;
    }
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

interface Hashed {
  readonly at: number;
  readonly length: number;
  readonly slot: number;
  readonly hash: number;
}

/** Hashes of large keys, by the array that they are in. */
const HASHED = new WeakMap<Uint8Array, Hashed[]>();

export function hashedBefore(bytes: Uint8Array, at: number, length: number): Hashed | undefined {
  return HASHED.get(bytes)?.find((one) => one.at === at && one.length === length);
}

/** Keeps the hash of a large key for as long as there is the array that it is in, which nobody may write to from now on. */
export function rememberHash(bytes: Uint8Array, { at, length, slot, hash }: Hashed): void {
  const known = HASHED.get(bytes) ?? [];
  HASHED.set(bytes, known);
  known.push({ at, length, slot, hash });
}

/** The hash of a key that is too long for one turn of the event loop. */
export class LargeKeyHash {
  readonly at: number;
  readonly length: number;
  slot = 0;
  hash = 0;
  readonly #bytes: Uint8Array;
  readonly #crcFrom: number;
  readonly #crcEnd: number;
  #i: number;
  #crc = 0;

  constructor(bytes: Uint8Array, at: number, length: number) {
    this.at = at;
    this.length = length;
    this.#bytes = bytes;
    this.#i = at;
    const end = at + length;
    const open = indexOf(bytes, OPEN, at, end);
    const close = open < 0 ? -1 : indexOf(bytes, CLOSE, open + 1, end);
    const hasTag = close > open + 1;
    this.#crcFrom = hasTag ? open + 1 : at;
    this.#crcEnd = hasTag ? close : end;
  }

  /** True while there is more to do. */
  step(): boolean {
    const bytes = this.#bytes;
    const end = this.at + this.length;
    const blocksEnd = this.at + (this.length & ~3);
    const last = Math.min(this.#i + STEP_BYTES, end);
    let crc = this.#crc;
    for (let i = Math.max(this.#i, this.#crcFrom); i < Math.min(last, this.#crcEnd); i++)
      crc = ((crc << 8) & 0xffff) ^ (CRC0[(crc >> 8) ^ (bytes[i] as number)] as number);
    this.#crc = crc;
    let hash = this.hash;
    let i = this.#i;
    for (; i < Math.min(last, blocksEnd); i += 4)
      hash = fold32(
        hash,
        (bytes[i] as number) |
          ((bytes[i + 1] as number) << 8) |
          ((bytes[i + 2] as number) << 16) |
          ((bytes[i + 3] as number) << 24),
      );
    this.hash = hash;
    this.#i = i;
    if (i < blocksEnd) return true;
    this.hash = mix32(withTail(hash, bytes, blocksEnd, end) ^ this.length) | 0;
    this.slot = this.#crc & SLOT_MASK;
    return false;
  }

  all(): this {
    while (this.step());
    return this;
  }
}

function indexOf(bytes: Uint8Array, byte: number, from: number, end: number): number {
  const found = bytes.indexOf(byte, from);
  return found < end ? found : -1;
}

/** With the bytes behind the last whole word. */
function withTail(hash: number, bytes: Uint8Array, from: number, end: number): number {
  if (from === end) return hash;
  let word = 0;
  for (let k = end - 1; k >= from; k--) word = (word << 8) | (bytes[k] as number);
  word = Math.imul(word, 0xcc9e2d51);
  word = (word << 15) | (word >>> 17);
  return hash ^ Math.imul(word, 0x1b873593);
}
