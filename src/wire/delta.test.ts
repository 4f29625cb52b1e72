import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copyOf, steps, World } from '../../test/unit/crdt/history.ts';
import { type NodeId, parseNodeId } from '../base/index.ts';
import { AworMap, type Delta, MAX_COUNTER } from '../crdt/index.ts';
import { deltaFromWire, deltaToWire, inOrder, stateFromWire, stateToWire } from './delta.ts';

const ids = fc
  .bigInt({ min: 0n, max: 2n ** 64n - 1n })
  .map((n) => parseNodeId(n.toString(16).padStart(16, '0')));
const counters = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: MAX_COUNTER }));
const priorities = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const spans = fc
  .record({ actor: ids, lo: counters, length: fc.oneof(fc.constant(0), fc.nat(1000)) })
  .map(({ actor, lo, length }) => ({ actor, lo, hi: Math.min(MAX_COUNTER, lo + length) }));
const live = fc.oneof(
  fc.record({ actor: ids, counter: counters, kind: fc.constant('base' as const), amount: priorities }),
  fc.record({
    actor: ids,
    counter: counters,
    kind: fc.constant('increment' as const),
    amount: fc.tuple(priorities, fc.boolean()).map(([size, negative]) => (negative ? -size : size)),
  }),
);
const entries = fc
  .record({
    node: ids,
    ends: fc.tuple(fc.nat(0xffffffff), fc.nat(0xffffffff)),
    live: fc.array(live, { maxLength: 5 }),
    removed: fc.array(spans, { maxLength: 5 }),
  })
  .filter((e) => e.live.length + e.removed.length > 0)
  .map(({ node, ends, live, removed }) => {
    return { node, start: Math.min(...ends), end: Math.max(...ends), live, removed };
  });

/** Entries grouped by node and context in order, as the codec leaves them. */
function grouped(delta: Delta): Delta {
  const nodes: NodeId[] = [...new Set(delta.entries.map((e) => e.node))];
  return {
    entries: nodes.flatMap((node) => delta.entries.filter((e) => e.node === node)),
    context: inOrder(delta.context),
  };
}

describe('the delta codec', () => {
  it('gives back what it was given', () => {
    const deltas = fc.record({ entries: fc.array(entries), context: fc.array(spans) });
    fc.assert(
      fc.property(deltas, (delta) => {
        expect(deltaFromWire(deltaToWire(delta))).toEqual(grouped(delta));
      }),
    );
  });

  it('needs at most 80 bytes for one entry with two removed dots, all by different actors, all numbers the largest', () => {
    const [node, writer, second, third] = ['f', 'e', 'd', 'c'].map((c) => parseNodeId(c.repeat(16)));
    const big = MAX_COUNTER;
    const delta: Delta = {
      entries: [
        {
          node: node as NodeId,
          start: 0xfffffffe,
          end: 0xffffffff,
          live: [{ actor: writer as NodeId, counter: big, kind: 'increment', amount: -(2 ** 31 - 1) }],
          removed: [
            { actor: second as NodeId, lo: big, hi: big },
            { actor: third as NodeId, lo: big, hi: big },
          ],
        },
      ],
      context: [],
    };
    expect(encode(deltaToWire(delta)).length).toBeLessThanOrEqual(80);
    expect(deltaFromWire(deltaToWire(delta))).toEqual(delta);
  });

  it('needs less than 30 bytes for a node that registers its own range', () => {
    const node = parseNodeId('0123456789abcdef');
    const delta = new AworMap().register(node, 1_000_000, { node, start: 0, end: 0x7fffffff }, 100);
    expect(encode(deltaToWire(delta)).length).toBeLessThan(30);
  });

  it('answers null to anything else, and never throws', () => {
    for (const value of [null, undefined, 7, 'x', [], {}, new Uint8Array(0), [new Uint8Array(3)]])
      expect(deltaFromWire(value)).toBeNull();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const delta = deltaFromWire(bytes);
        if (delta !== null) expect(new AworMap().join(delta).refused).toBeNull();
      }),
      { numRuns: 2000 },
    );
  });

  it('recognises every truncation, and survives every flipped byte', () => {
    const node = parseNodeId('0123456789abcdef');
    const map = new AworMap();
    map.register(node, 1, { node, start: 5, end: 9 }, 100);
    const bytes = deltaToWire(map.register(node, 700, { node, start: 5, end: 9 }, 3));
    for (let length = 0; length < bytes.length; length++)
      expect(deltaFromWire(bytes.subarray(0, length))).toBeNull();
    for (let at = 0; at < bytes.length; at++) {
      for (let value = 0; value < 256; value++) {
        const damaged = bytes.slice();
        damaged[at] = value;
        const delta = deltaFromWire(damaged);
        for (const entry of delta?.entries ?? []) {
          expect(entry.start).toBeLessThanOrEqual(entry.end);
          for (const dot of entry.live) expect(dot.counter).toBeGreaterThanOrEqual(1);
        }
      }
    }
  });

  it('refuses amounts that no mutator makes: nothing, and a base below zero', () => {
    const node = parseNodeId('0123456789abcdef');
    const dot = (kind: 'base' | 'increment', amount: number): Delta => ({
      entries: [{ node, start: 1, end: 2, live: [{ actor: node, counter: 1, kind, amount }], removed: [] }],
      context: [],
    });
    for (const bad of [dot('base', 0), dot('increment', 0), dot('base', -1), dot('base', 2 ** 31)])
      expect(deltaFromWire(deltaToWire(bad))).toBeNull();
    expect(deltaFromWire(deltaToWire(dot('increment', -1)))).not.toBeNull();
  });

  it('does not believe announced counts', () => {
    // No ids; then 2^49 groups, and as many bytes as one would take.
    expect(deltaFromWire(Uint8Array.of(0, 255, 255, 255, 255, 255, 255, 127, 0, 0, 0, 0))).toBeNull();
  });

  it('keeps a whole state through a snapshot', () => {
    fc.assert(
      fc.property(steps, (history) => {
        for (const { map } of new World().run(history).replicas) {
          const back = stateFromWire(stateToWire(map)) as AworMap;
          expect(back.digest()).toBe(map.digest());
          expect(copyOf(back).chunks(1e9)).toEqual(map.chunks(1e9));
        }
      }),
      { numRuns: 50 },
    );
    expect(stateFromWire([new Uint8Array(0)])).toBeNull();
    expect(stateFromWire(7)).toBeNull();
  });
});
