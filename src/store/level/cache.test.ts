import { expect, it } from 'vitest';
import { KeyHash } from '../key-hash.ts';
import { markOf } from '../marks.ts';
import { Span } from '../span.ts';
import { Stamps } from '../stamps.ts';
import { MessageTable } from '../table.ts';
import { collidingKeys } from '../testing/colliding.ts';
import { Cache } from './cache.ts';
import { Message, PREFIX_BYTES, placeKey, valueRoom } from './layout.ts';

const NOW_MS = 1_795_268_169_000;

/** As it is read from disk. */
function message(key: Uint8Array, slot: number, hash: number, expiryMs: number): Message {
  const diskKey = placeKey(0, slot, hash, key.length);
  diskKey.set(key, PREFIX_BYTES);
  const words = Int32Array.of(0, 1, 2, 3, 4, expiryMs | 0, Math.floor(expiryMs / 2 ** 32));
  return new Message(diskKey, valueRoom(words, 0, expiryMs !== 0, 0));
}

it('what has expired, or was removed, leaves the marks of others with its hash alone', () => {
  const [over, other] = collidingKeys(2) as [Uint8Array, Uint8Array];
  const { slot, hash } = hashed(over);
  const stamps = new Stamps(1);
  const table = new MessageTable(stamps);
  table.nowMs = NOW_MS;
  const cache = new Cache(table, stamps, 0, 1);
  const span = new Span(over);
  table.lookup(span, 0, over.length);
  table.put(span, 0, 0, NOW_MS + 5);
  table.insides.index.insert(slot, hash, markOf(0));
  table.nowMs += 10;
  // In memory too until it is looked for; then on disk only, until that knows.
  for (let i = 0; i < 2; i++) {
    expect(cache.fill(message(over, slot, hash, NOW_MS + 5))).toBe(false);
    expect(cache.isMarked(slot, hash)).toBe(true);
  }
  expect(cache.fill(message(other, slot, hash, 0))).toBe(true);
  expect(cache.isMarked(slot, hash)).toBe(false);
  expect(table.size).toBe(1);
});

function hashed(key: Uint8Array): KeyHash {
  const hash = new KeyHash();
  hash.of(key, 0, key.length);
  return hash;
}
