import { fold32 } from '../../base/index.ts';

const TARGET = 0x5eed;

/** `count` keys of 12 bytes with one slot and one hash, made by running MurmurHash3's last step backwards. */
export function collidingKeys(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const bytes = Buffer.from('{a}:....####');
    bytes.writeInt32LE(i, 4);
    const before = fold32(fold32(0, bytes.readInt32LE(0)), i);
    bytes.writeInt32LE(wordBetween(before, TARGET), 8);
    return bytes;
  });
}

/** The word that `fold32` takes from one hash to another. */
function wordBetween(from: number, to: number): number {
  let k = Math.imul((to - 0xe6546b64) | 0, inverse(5));
  k = ((k >>> 13) | (k << 19)) ^ from;
  k = Math.imul(k, inverse(0x1b873593));
  k = (k >>> 15) | (k << 17);
  return Math.imul(k, inverse(0xcc9e2d51));
}

/** Of an odd number modulo 2^32, by Newton's method. */
function inverse(odd: number): number {
  let x = odd;
  for (let i = 0; i < 5; i++) x = Math.imul(x, 2 - Math.imul(odd, x));
  return x;
}
