/** MurmurHash3's 32-bit finalizer: every input bit reaches every output bit. */
export function mix32(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Folds one more 32-bit word into a running hash (the body of MurmurHash3_x86_32, without its length step). */
export function fold32(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  k = Math.imul(k, 0x1b873593);
  let h = hash ^ k;
  h = (h << 13) | (h >>> 19);
  return (Math.imul(h, 5) + 0xe6546b64) | 0;
}

/** MurmurHash3_x86_32 (Appleby, 2011) of bytes. */
export function murmur32(bytes: Uint8Array, seed = 0): number {
  let h = seed | 0;
  const blocks = bytes.length & ~3;
  for (let i = 0; i < blocks; i += 4) {
    const w =
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    h = fold32(h, w);
  }
  let k = 0;
  for (let i = bytes.length - 1; i >= blocks; i--) k = (k << 8) | (bytes[i] as number);
  if (bytes.length > blocks) {
    k = Math.imul(k, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    h ^= Math.imul(k, 0x1b873593);
  }
  return mix32(h ^ bytes.length);
}

/**
 * A 64-bit sum of element hashes, kept as two unsigned 32-bit lanes. Addition makes it independent of order and lets
 * an element be taken out again, so the hash of a whole set is kept up to date in O(1) per change.
 * Against accidents, not against forgers: peers are trusted or sealed off.
 */
export class SetHash {
  hi = 0;
  lo = 0;

  add(hi: number, lo: number): void {
    this.hi = (this.hi + hi) >>> 0;
    this.lo = (this.lo + lo) >>> 0;
  }

  remove(hi: number, lo: number): void {
    this.hi = (this.hi - hi) >>> 0;
    this.lo = (this.lo - lo) >>> 0;
  }

  hex(): string {
    return hex64(this.hi, this.lo);
  }
}

/** 16 lower-case hex digits. */
export function hex64(hi: number, lo: number): string {
  return (hi >>> 0).toString(16).padStart(8, '0') + (lo >>> 0).toString(16).padStart(8, '0');
}
