import { expect, it } from 'vitest';
import { murmur32 } from '../base/index.ts';
import { positionOf, slotAt } from '../ranges/index.ts';
import { KeyHash, LARGE_KEY_BYTES, LargeKeyHash, rememberHash } from './key-hash.ts';

const SIZE = LARGE_KEY_BYTES + 7;

function key(text: string): Uint8Array {
  const bytes = new Uint8Array(SIZE);
  for (let i = 0; i < SIZE; i++) bytes[i] = (i * 7) % 100;
  bytes.set(Buffer.from(text), 5);
  return bytes;
}

it.each(['', '{', '{}', '{tag}', '}{', '{a}{b}'])(
  'a large key with %j has the slot and hash of any key',
  (text) => {
    const bytes = key(text);
    const hash = new KeyHash();
    hash.of(bytes, 0, bytes.length);
    expect(hash.slot).toBe(slotAt(positionOf(bytes)));
    expect(hash.hash >>> 0).toBe(murmur32(bytes) >>> 0);
  },
);
