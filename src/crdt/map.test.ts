import { encode } from '@msgpack/msgpack';
import { describe, expect, it } from 'vitest';
import { copyOf } from '../../test/unit/crdt/history.ts';
import { LIMITS, parseNodeId, ShoalError } from '../base/index.ts';
import { stateToWire } from '../wire/delta.ts';
import { AworMap, type Delta, MAX_COUNTER, type RangeKey } from './index.ts';

const x = parseNodeId('00000000000000aa');
const y = parseNodeId('ffffffffffffffff');
const key: RangeKey = { node: x, start: 0, end: 0x7fffffff };

/** Two copies that agree, with `key` registered at `priority` by x, dot 1. */
function twoCopies(priority: number): [AworMap, AworMap] {
  const a = new AworMap();
  a.register(x, 1, key, priority);
  return [a, copyOf(a)];
}

/** Each gets what the other did; both then show the same. */
function exchange(a: AworMap, fromA: (Delta | null)[], b: AworMap, fromB: (Delta | null)[]): void {
  for (const delta of fromB) if (delta !== null) a.join(delta);
  for (const delta of fromA) if (delta !== null) b.join(delta);
  expect(a.digest()).toBe(b.digest());
  expect(a.priority(key)).toBe(b.priority(key));
}

function refusalOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof ShoalError) return error.code;
    throw error;
  }
  return 'none';
}

describe('the priority of an entry', () => {
  it('is the larger of two concurrent registers, not their sum', () => {
    const [a, b] = twoCopies(1);
    exchange(a, [a.register(x, 2, key, 30)], b, [b.register(y, 1, key, 20)]);
    expect(a.priority(key)).toBe(30);
  });

  it('gains every concurrent increase', () => {
    const [a, b] = twoCopies(10);
    const fromA = [a.adjust(x, 2, key, 5), a.adjust(x, 3, key, 7)];
    exchange(a, fromA, b, [b.adjust(y, 1, key, 100), b.adjust(y, 2, key, -50)]);
    expect(a.priority(key)).toBe(72);
  });

  it('keeps a concurrent increase, with its own amount and nothing more, when it is released', () => {
    const [a, b] = twoCopies(10);
    const before = b.adjust(x, 2, key, 90);
    exchange(a, [], b, [before]);
    // The same actor increased before: the release has seen that, and a later increase must not bring it back.
    exchange(a, [a.release(key)], b, [b.adjust(x, 3, key, 4)]);
    expect(a.priority(key)).toBe(4);
  });

  it('keeps a concurrent register when it is released: add wins', () => {
    const [a, b] = twoCopies(10);
    exchange(a, [a.release(key)], b, [b.register(y, 1, key, 3)]);
    expect(a.priority(key)).toBe(3);
  });

  it('of an absent entry is what it is increased by', () => {
    const a = new AworMap();
    a.adjust(x, 1, key, 6);
    expect([a.priority(key), a.size]).toEqual([6, 1]);
  });

  it('is a release when a decrease takes it to zero or below, and then uses no dot', () => {
    for (const by of [-10, -11]) {
      const [a] = twoCopies(10);
      const delta = a.adjust(x, 2, key, by);
      expect(delta?.entries[0]?.live).toEqual([]);
      expect([a.priority(key), a.size, a.entryCount]).toEqual([0, 0, 0]);
      expect(a.hasSeen(x, 2)).toBe(false);
    }
  });

  it('is nothing to decrease or release where there is nothing', () => {
    const a = new AworMap();
    expect(a.adjust(x, 1, key, -1)).toBeNull();
    expect(a.release(key)).toBeNull();
    expect(a.sweep(key)).toBeNull();
    expect(a.digest()).toBe(new AworMap().digest());
  });

  it('counts as released when concurrent decreases join below zero, and every sweep of it converges', () => {
    const [a, b] = twoCopies(10);
    exchange(a, [a.adjust(x, 2, key, -6)], b, [b.adjust(y, 1, key, -7)]);
    expect([a.priority(key), a.size, a.entryCount, a.needsSweep(key)]).toEqual([0, 0, 1, true]);
    exchange(a, [a.sweep(key)], b, [b.sweep(key)]);
    expect([a.entryCount, a.needsSweep(key), a.sweep(key)]).toEqual([0, false, null]);
  });

  it('starts from nothing when it is increased from below zero', () => {
    const [a, b] = twoCopies(10);
    exchange(a, [a.adjust(x, 2, key, -6)], b, [b.adjust(y, 1, key, -7)]);
    a.adjust(x, 3, key, 2);
    expect(a.priority(key)).toBe(2);
  });

  it('below zero has nothing to decrease', () => {
    const [a, b] = twoCopies(10);
    exchange(a, [a.adjust(x, 2, key, -6)], b, [b.adjust(y, 1, key, -7)]);
    const digest = a.digest();
    expect([a.adjust(x, 3, key, -1), a.digest(), a.needsSweep(key)]).toEqual([null, digest, true]);
  });

  it('survives a sweep that did not see the increase', () => {
    const [a, b] = twoCopies(10);
    exchange(a, [a.adjust(x, 2, key, -6)], b, [b.adjust(y, 1, key, -7)]);
    exchange(a, [a.sweep(key)], b, [b.adjust(y, 2, key, 8)]);
    expect(a.priority(key)).toBe(8);
  });
});

describe('bounds of the map', () => {
  it('an entry takes so many separate increments and no more, until it is registered', () => {
    const a = new AworMap();
    for (let i = 1; i <= LIMITS.incrementsPerEntry; i++) a.adjust(x, i, key, 1);
    const digest = a.digest();
    const next = LIMITS.incrementsPerEntry + 1;
    expect(refusalOf(() => a.adjust(x, next, key, 1))).toBe('too-many-increments');
    expect(a.digest()).toBe(digest);
    a.register(x, next, key, a.priority(key));
    expect(a.adjust(x, next + 1, key, 1)).not.toBeNull();
    expect(a.priority(key)).toBe(LIMITS.incrementsPerEntry + 1);
  });

  it('a priority above the greatest is refused', () => {
    const [a] = twoCopies(LIMITS.priority);
    expect(refusalOf(() => a.adjust(x, 2, key, 1))).toBe('bad-amount');
    expect(a.priority(key)).toBe(LIMITS.priority);
  });

  it('a dot is never used twice', () => {
    const [a] = twoCopies(1);
    expect(() => a.register(x, 1, key, 2)).toThrow('was used before');
    a.voidCounters(x, 5, 9);
    expect(() => a.adjust(x, 7, key, 2)).toThrow('was used before');
    for (const counter of [0, -1, 1.5, Number.NaN, MAX_COUNTER + 1])
      expect(() => a.register(x, counter, key, 2)).toThrow('counter');
  });

  it('a delta that tears a context too far is refused whole, and what mends one is not', () => {
    const a = new AworMap();
    const odd = (from: number, count: number): Delta => ({
      entries: [],
      context: Array.from({ length: count }, (_, i) => ({ actor: x, lo: from + 2 * i, hi: from + 2 * i })),
    });
    expect(a.join(odd(1, LIMITS.contextIntervals)).refused).toBeNull();
    const digest = a.digest();
    expect(a.join(odd(3 * LIMITS.contextIntervals, 1))).toEqual({
      changes: [],
      inflated: false,
      refused: 'context-too-torn',
    });
    expect(a.digest()).toBe(digest);
    expect(a.join({ entries: [], context: [{ actor: x, lo: 1, hi: 1e6 }] }).refused).toBeNull();
    expect(a.seenOf(x)).toEqual([1, 1e6]);
  });

  it('a delta that names a removed dot twice removes it once', () => {
    const [a] = twoCopies(4);
    a.register(x, 2, { ...key, start: 1 }, 3);
    const once = { actor: x, lo: 1, hi: 1 };
    const { changes } = a.join({
      entries: [{ ...key, live: [], removed: [once, once] }],
      context: [once],
    });
    expect(changes).toEqual([{ ...key, before: 4, after: 0 }]);
    expect([a.size, a.entryCount, a.chunks(1e9).length]).toEqual([1, 1, 1]);
    expect(copyOf(a).digest()).toBe(a.digest());
  });

  it('a void leaves live dots alone', () => {
    const a = new AworMap();
    a.register(x, 5, key, 2);
    const delta = a.voidCounters(x, 1, 10);
    expect(delta.context).toEqual([
      { actor: x, lo: 1, hi: 4 },
      { actor: x, lo: 6, hi: 10 },
    ]);
    expect([a.priority(key), a.topOf(x)]).toEqual([2, 10]);
    expect(a.seenOf(x)).toEqual([1, 10]);
  });

  it('a million cycles of register and release leave the state at most 1 KB larger', () => {
    const a = new AworMap();
    a.register(x, 1, key, 1);
    const size = (): number => encode(stateToWire(a)).length;
    const before = size();
    for (let i = 2; i <= 1_000_001; i++) {
      a.release(key);
      a.register(x, i, key, 1);
    }
    expect(size()).toBeLessThanOrEqual(before + 1024);
    expect([a.size, a.topOf(x)]).toEqual([1, 1_000_001]);
  });
});
