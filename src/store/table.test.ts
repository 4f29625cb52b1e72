import { describe, expect, it } from 'vitest';
import { SeededRng, utf8 } from '../base/index.ts';
import { positionOf, slotAt } from '../ranges/index.ts';
import { Crowded, MessageTable, Span, Stamps } from './index.ts';
import { collidingKeys } from './testing/colliding.ts';

/** The table beside a plain Map, driven by random calls. */
class Pair {
  readonly table = new MessageTable(new Stamps(1));
  readonly model = new Map<string, { value: string; expiryMs: number }>();

  constructor() {
    this.table.nowMs = 1;
  }

  put(key: string, value: string, expiryMs = 0): void {
    const bytes = utf8(value);
    this.#find(key);
    this.table.put(new Span(bytes), 0, bytes.length, expiryMs);
    this.model.set(key, { value, expiryMs });
  }

  remove(key: string): void {
    const there = this.#find(key);
    expect(there).toBe(this.#live(key) !== undefined);
    if (there) this.table.remove();
    this.model.delete(key);
  }

  check(key: string): void {
    const expected = this.#live(key);
    expect(this.#find(key)).toBe(expected !== undefined);
    if (expected === undefined) return;
    const { table } = this;
    const at = table.valueAt;
    const value = Buffer.from(table.value.bytes.slice(at, at + table.valueLength)).toString();
    expect(value === expected.value).toBe(true);
    expect(table.expiryMs).toBe(expected.expiryMs);
  }

  checkAll(): void {
    for (const key of this.model.keys()) this.check(key);
    const live = [...this.model.keys()].filter((key) => this.#live(key) !== undefined);
    expect(this.table.size).toBe(live.length);
    const counts = new Map<number, number>();
    for (const key of live) {
      const slot = slotAt(positionOf(key));
      counts.set(slot, (counts.get(slot) ?? 0) + 1);
    }
    for (let slot = 0; slot < 16384; slot++) {
      if (this.table.countInSlot(slot) !== (counts.get(slot) ?? 0))
        expect(`slot ${slot}: ${this.table.countInSlot(slot)}`).toBe(
          `slot ${slot}: ${counts.get(slot) ?? 0}`,
        );
    }
  }

  #live(key: string): { value: string; expiryMs: number } | undefined {
    const entry = this.model.get(key);
    return entry === undefined || (entry.expiryMs !== 0 && entry.expiryMs <= this.table.nowMs)
      ? undefined
      : entry;
  }

  #find(key: string): boolean {
    const bytes = utf8(`..${key}`);
    return this.table.lookup(new Span(bytes), 2, bytes.length - 2);
  }
}

function text(rng: SeededRng, length: number): string {
  return String.fromCharCode(97 + rng.below(26)).repeat(length);
}

describe('the message table', () => {
  it.each([1, 2, 3])('holds what a Map holds, seed %i', (seed) => {
    const rng = new SeededRng(seed);
    const pair = new Pair();
    for (let step = 0; step < 30_000; step++) {
      const key = rng.below(3) === 0 ? `{tag}${rng.below(4000)}` : `key:${rng.below(8000)}`;
      const kind = rng.below(10);
      if (kind < 6) {
        const size = rng.below(400) === 0 ? rng.below(200_000) : rng.below(300);
        const expiryMs = rng.below(4) === 0 ? pair.table.nowMs + 1 + rng.below(5000) : 0;
        pair.put(key, text(rng, size), expiryMs);
      } else if (kind < 8) pair.remove(key);
      else pair.check(key);
      if (step % 100 === 0) pair.table.nowMs += 50;
      if (step % 500 === 0) pair.table.compact(200);
    }
    pair.checkAll();
    for (const key of [...pair.model.keys()]) pair.remove(key);
    expect(pair.table.size).toBe(0);
    expect(pair.table.usedBytes).toBe(16);
  });

  it('takes keys of any length, the empty one too', () => {
    const pair = new Pair();
    for (const length of [0, 1, 3, 4, 5, 254, 65_534, 65_535, 65_536, 200_000])
      pair.put('k'.repeat(length), `v${length}`);
    pair.checkAll();
  });

  it('gives a slot of one tag as many tables as it needs', () => {
    const pair = new Pair();
    for (let i = 0; i < 40_000; i++) pair.put(`{one}${i}`, `${i}`);
    pair.checkAll();
    for (let i = 0; i < 40_000; i += 2) pair.remove(`{one}${i}`);
    pair.checkAll();
  });

  it.each([
    ['64 with one hash', 64, () => 0x5eed],
    ['6144 whose hashes begin with the same 16 bits', 6144, (i: number) => 7 * i],
  ])('has room for %s, made for it, and no more, says so, and is whole', (_, most, hashOf) => {
    const table = new MessageTable(new Stamps(1));
    table.nowMs = 1;
    const keys = collidingKeys(most + 10, hashOf);
    const value = new Span(utf8('v'.repeat(100)));
    const put = (key: Uint8Array): void => {
      table.lookup(new Span(key), 0, key.length);
      table.put(value, 0, 100, 0);
    };
    const taken = keys.findIndex((key) => {
      try {
        put(key);
        return false;
      } catch (error) {
        return error instanceof Crowded;
      }
    });
    expect(taken).toBe(most);
    const { usedBytes } = table;
    const refused = keys[taken] as Uint8Array;
    const external = new Span(new Uint8Array(200_000));
    table.lookup(new Span(refused), 0, refused.length);
    expect(() => table.put(external, 0, 200_000, 0)).toThrow(Crowded);
    expect([table.size, table.usedBytes]).toEqual([most, usedBytes]);
    // Other keys of the slot have room, and so have these again when one is gone; those there can be written.
    put(utf8('{a}:other'));
    put(keys[0] as Uint8Array);
    table.lookup(new Span(keys[1] as Uint8Array), 0, 12);
    table.put(external, 0, 200_000, 0);
    table.lookup(new Span(keys[2] as Uint8Array), 0, 12);
    table.remove();
    put(refused);
    expect(table.size).toBe(most + 1);
  });

  it('gives memory back when the sizes of values change', () => {
    const pair = new Pair();
    for (let i = 0; i < 100_000; i++) pair.put(`k${i}`, 'a'.repeat(100));
    const before = pair.table.heldBytes;
    for (let i = 0; i < 100_000; i++) {
      pair.put(`k${i}`, 'b'.repeat(180 + (i % 3)));
      if (i % 100 === 0) pair.table.compact(400);
    }
    while (pair.table.compact(1000));
    expect(pair.table.heldBytes).toBeLessThan(before * 2);
    pair.checkAll();
  });
});
