import { describe, expect, it } from 'vitest';
import { SeededRng, utf8 } from '../base/index.ts';
import { positionOf, slotAt } from '../ranges/index.ts';
import { MessageTable, Reaper, Span, Stamps, showRandom, Walk } from './index.ts';

function newTable(): MessageTable {
  const table = new MessageTable(new Stamps(1));
  table.nowMs = 1;
  return table;
}

function put(table: MessageTable, key: string, expiryMs = 0, value = 'v'): void {
  const bytes = utf8(key);
  table.lookup(new Span(bytes), 0, bytes.length);
  table.put(new Span(utf8(value)), 0, value.length, expiryMs);
}

function remove(table: MessageTable, key: string): void {
  const bytes = utf8(key);
  if (table.lookup(new Span(bytes), 0, bytes.length)) table.remove();
}

function shownKey(table: MessageTable): string {
  return Buffer.from(table.key.bytes.slice(table.keyAt, table.keyAt + table.keyLength)).toString();
}

/** All keys a walk meets, in steps of `count`; `between` is called after each. */
function keysOf(table: MessageTable, walk: Walk, count: number, between?: () => void): string[] {
  const keys: string[] = [];
  const refs: number[] = [];
  while (!walk.done) {
    refs.length = 0;
    walk.step(refs, count, count * 10);
    for (const ref of refs) {
      table.show(ref);
      keys.push(shownKey(table));
    }
    between?.();
  }
  return keys;
}

describe('a walk', () => {
  it.each([1, 7, 1000])('meets every record once when nothing changes, %i at a time', (count) => {
    const table = newTable();
    const keys = new Set<string>();
    for (let i = 0; i < 5000; i++) keys.add(i % 3 === 0 ? `{one}${i}` : `k${i}`);
    for (const key of keys) put(table, key);
    put(table, 'large', 0, 'x'.repeat(100_000));
    keys.add('large');
    const met = keysOf(table, new Walk(table), count);
    expect(met.length).toBe(keys.size);
    expect(new Set(met)).toEqual(keys);
  });

  it('goes on from its cursor alone', () => {
    const table = newTable();
    for (let i = 0; i < 3000; i++) put(table, i % 2 === 0 ? `{t}${i}` : `k${i}`);
    const met = new Set<number>();
    let cursor = 0;
    let steps = 0;
    do {
      const walk = new Walk(table);
      walk.goTo(cursor);
      const refs: number[] = [];
      walk.step(refs, 10, 100);
      for (const ref of refs) met.add(ref);
      cursor = walk.cursor;
      expect(Number.isSafeInteger(cursor) && cursor < 2 ** 47).toBe(true);
      steps++;
    } while (cursor !== 0);
    expect(met.size).toBe(3000);
    expect(steps).toBeGreaterThan(200);
  });

  it.each([1, 2, 3, 4])('misses nothing that stays, while tables grow, split and shrink, seed %i', (seed) => {
    const rng = new SeededRng(seed);
    const table = newTable();
    const stay = new Set<string>();
    for (let i = 0; i < 3000; i++) stay.add(`{t}stay${i}`);
    for (const key of stay) put(table, key);
    let high = 0;
    let low = 0;
    const growing = seed % 2 === 0;
    if (!growing) for (; high < 60_000; high++) put(table, `{t}go${high}`);
    const met = new Set(
      keysOf(table, new Walk(table), 50, () => {
        for (let i = rng.below(300); i > 0; i--) {
          if (growing) put(table, `{t}go${high++}`);
          else remove(table, `{t}go${low++}`);
        }
      }),
    );
    expect([...stay].filter((key) => !met.has(key))).toEqual([]);
  });

  it('keeps to a range of positions, whole slots or parts of them', () => {
    const table = newTable();
    const keys: string[] = [];
    for (let i = 0; i < 20_000; i++) keys.push(`k${i}`);
    for (const key of keys) put(table, key);
    const rng = new SeededRng(5);
    for (let round = 0; round < 30; round++) {
      const a = rng.below(2 ** 32);
      const b = round % 2 === 0 ? a + rng.below(2 ** 20) : rng.below(2 ** 32);
      const range = { start: Math.min(a, b), end: Math.min(Math.max(a, b), 0xffffffff) };
      const expected = keys.filter((key) => positionOf(key) >= range.start && positionOf(key) <= range.end);
      expect(keysOf(table, new Walk(table, range), 100).sort()).toEqual(expected.sort());
    }
  });

  it('goes through the slots in order', () => {
    const table = newTable();
    for (let i = 0; i < 2000; i++) put(table, `k${i}`);
    const slots = keysOf(table, new Walk(table), 10).map((key) => slotAt(positionOf(key)));
    expect(slots).toEqual([...slots].sort((a, b) => a - b));
  });

  it('takes any cursor that somebody makes up', () => {
    const table = newTable();
    for (let i = 0; i < 100; i++) put(table, `k${i}`);
    for (const cursor of [1, 12345, 2 ** 47 - 1, 2 ** 47, 2 ** 52, 2 ** 63, 2 ** 64]) {
      const walk = new Walk(table);
      walk.goTo(cursor);
      const refs: number[] = [];
      while (!walk.done) walk.step(refs, 1000, 1000);
      expect(refs.length).toBeLessThanOrEqual(100);
    }
  });

  it('draws random records, each in its turn', () => {
    const table = newTable();
    for (let i = 0; i < 50; i++) put(table, i % 2 === 0 ? `{t}${i}` : `k${i}`);
    put(table, 'gone', 5);
    table.nowMs = 10;
    const rng = new SeededRng(3);
    const met = new Map<string, number>();
    for (let i = 0; i < 4000; i++) {
      expect(showRandom(table, () => rng.unit(), 100)).toBe(true);
      met.set(shownKey(table), (met.get(shownKey(table)) ?? 0) + 1);
    }
    expect(met.size).toBe(50);
    expect(met.has('gone')).toBe(false);
    expect(Math.min(...met.values())).toBeGreaterThan(10);
    expect(showRandom(newTable(), () => rng.unit(), 100)).toBe(false);
  });
});

describe('active expiry', () => {
  it('removes what is due, and nothing else, in bounded calls', () => {
    const table = newTable();
    const rng = new SeededRng(1);
    const later = new Set<string>();
    for (let i = 0; i < 50_000; i++) {
      const key = i % 4 === 0 ? `{t}${i}` : `k${i}`;
      const kind = rng.below(3);
      put(table, key, kind === 0 ? 0 : kind === 1 ? 1000 + rng.below(1000) : 5000);
      if (kind !== 1) later.add(key);
    }
    const reaper = new Reaper(table);
    expect(reaper.run(999)).toBeGreaterThan(0);
    expect(table.counters.expired).toBe(0);
    let calls = 0;
    while (table.size > later.size) {
      const before = table.size;
      reaper.run(2000);
      expect(before - table.size).toBeLessThan(1000);
      expect(++calls).toBeLessThan(1000);
    }
    expect(new Set(keysOf(table, new Walk(table), 1000))).toEqual(later);
    expect(reaper.run(2000)).toBeGreaterThan(0);
    for (let i = 0; i < 2000; i++) reaper.run(5000);
    expect(table.expiring).toBe(0);
    expect(reaper.run(5000)).toBeGreaterThan(0);
  });

  it('goes on at once while every sixth record is due, and rests when one of fifty is', () => {
    const rests = (every: number): number => {
      const table = newTable();
      for (let i = 0; i < 20_000; i++)
        put(table, `{${i % 20}}${i}`, Math.floor(i / 20) % every === 0 ? 10 : 0);
      const reaper = new Reaper(table);
      let count = 0;
      while (table.expiring > 0) if (reaper.run(11) > 0) count++;
      return count;
    };
    // The last call of all meets less than it may.
    expect(rests(6)).toBeLessThan(3);
    expect(rests(50)).toBeGreaterThan(20);
  });

  it('removes nothing while the disk is behind', () => {
    const table = newTable();
    for (let i = 0; i < 100; i++) put(table, `k${i}`, 10);
    let behind = true;
    const reaper = new Reaper(table, { sweep: () => {}, isBehind: () => behind });
    expect(reaper.run(11)).toBeGreaterThan(0);
    expect(table.size).toBe(100);
    behind = false;
    reaper.run(11);
    expect(table.size).toBe(0);
  });

  it('runs by itself from start to stop', async () => {
    const table = newTable();
    for (let i = 0; i < 5000; i++) put(table, `k${i}`, 10);
    const reaper = new Reaper(table);
    reaper.start(() => 11);
    for (const until = Date.now() + 20_000; table.size > 0; ) {
      expect(Date.now()).toBeLessThan(until);
      await new Promise((resolve) => setImmediate(resolve));
    }
    reaper.stop();
    expect(table.counters.expired).toBe(5000);
  });

  it('sees what is given an expiry while it is on its way through a slot', () => {
    const table = newTable();
    for (let i = 0; i < 20_000; i++) put(table, `{t}${i}`, 10);
    const reaper = new Reaper(table);
    for (let i = 0; i < 3; i++) reaper.run(11);
    for (let i = 20_000; i < 20_500; i++) put(table, `{t}${i}`, 12 + (i % 100));
    for (let i = 0; i < 200; i++) reaper.run(200);
    expect(table.size).toBe(0);
  });
});

describe('a changed expiry', () => {
  it('leaves key and value as they were, whatever the record is', () => {
    const rng = new SeededRng(9);
    const table = newTable();
    const model = new Map<string, { value: string; expiryMs: number }>();
    for (let i = 0; i < 3000; i++) {
      const key = 'k'.repeat(1 + (i % 40)) + i;
      const size = i % 500 === 0 ? 70_000 : i % 300 === 0 ? 65_200 + (i % 100) : rng.below(400);
      model.set(key, { value: String.fromCharCode(97 + (i % 26)).repeat(size), expiryMs: 0 });
      put(table, key, 0, model.get(key)?.value);
    }
    for (let round = 0; round < 4; round++)
      for (const [key, entry] of model) {
        const bytes = utf8(key);
        expect(table.lookup(new Span(bytes), 0, bytes.length)).toBe(true);
        entry.expiryMs = rng.below(2) === 0 ? 0 : 2 ** 41 + rng.below(100_000);
        table.setExpiry(entry.expiryMs);
        expect(table.expiryMs).toBe(entry.expiryMs);
      }
    let expiring = 0;
    for (const [key, entry] of model) {
      const bytes = utf8(key);
      expect(table.lookup(new Span(bytes), 0, bytes.length)).toBe(true);
      expect(table.expiryMs).toBe(entry.expiryMs);
      if (entry.expiryMs !== 0) expiring++;
      const value = Buffer.from(table.value.bytes.slice(table.valueAt, table.valueAt + table.valueLength));
      expect(value.toString() === entry.value).toBe(true);
    }
    expect(table.expiring).toBe(expiring);
    for (const key of model.keys()) remove(table, key);
    expect([table.size, table.expiring, table.usedBytes]).toEqual([0, 0, 16]);
  });

  it('is gone with everything else when the table is cleared', () => {
    const table = newTable();
    for (let i = 0; i < 1000; i++) put(table, `k${i}`, i % 2);
    put(table, 'large', 0, 'x'.repeat(100_000));
    table.clear();
    expect([table.size, table.expiring, table.usedBytes]).toEqual([0, 0, 0]);
    put(table, 'again');
    expect(keysOf(table, new Walk(table), 10)).toEqual(['again']);
  });
});
