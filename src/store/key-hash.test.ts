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

it('a large key is hashed in steps, to the same, and what is remembered is not computed again', () => {
  const bytes = new Uint8Array(SIZE + 13);
  bytes.set(key('{x}'), 13);
  const whole = new KeyHash();
  whole.of(key('{x}'), 0, SIZE);
  const steps = new LargeKeyHash(bytes, 13, SIZE);
  let count = 1;
  while (steps.step()) count++;
  expect(count).toBeGreaterThan(10);
  expect(steps.hash).toBe(whole.hash);
  expect(steps.slot).toBe(whole.slot);
  rememberHash(bytes, steps);
  // Written to, which nobody may: the hash is the one remembered.
  bytes.fill(0);
  const again = new KeyHash();
  again.of(bytes, 13, SIZE);
  expect(again.hash).toBe(whole.hash);
  again.of(bytes, 12, SIZE);
  expect(again.hash).not.toBe(whole.hash);
});
