import { fold32 } from '../../base/index.ts';

/** `count` keys of 12 bytes in one slot, with one hash or those asked for, made by running MurmurHash3's last steps backwards. */
export function collidingKeys(count: number, hashOf = (_: number): number => 0x5eed): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const bytes = Buffer.from('{a}:....####');
    bytes.writeInt32LE(i, 4);
    const before = fold32(fold32(0, bytes.readInt32LE(0)), i);
    bytes.writeInt32LE(wordBetween(before, unmixed(hashOf(i)) ^ 12), 8);
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

/** What `mix32` makes this of. */
function unmixed(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), inverse(0xc2b2ae35));
  h = Math.imul(h ^ (h >>> 13) ^ (h >>> 26), inverse(0x85ebca6b));
  return h ^ (h >>> 16);
}

/** Of an odd number modulo 2^32, by Newton's method. */
function inverse(odd: number): number {
  let x = odd;
  for (let i = 0; i < 5; i++) x = Math.imul(x, 2 - Math.imul(odd, x));
  return x;
}
