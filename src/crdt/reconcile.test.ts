import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copyOf, joinInto, steps, World } from '../../test/unit/crdt/history.ts';
import { naiveOf } from '../../test/unit/crdt/naive.ts';
import { reconcile } from '../../test/unit/crdt/wired.ts';
import { LIMITS, type NodeId, parseNodeId, SeededRng } from '../base/index.ts';
import {
  AworMap,
  beginReconcile,
  type PartsMessage,
  type Print,
  type RangeKey,
  type ReconcileMessage,
  respondReconcile,
} from './index.ts';

const DATAGRAM_BYTES = 1150;

/** A map of `registrations` by `actors`, each actor's counters torn apart by `gap` voids after each. */
function build(
  actors: number,
  registrations: number,
  gap = 0,
): { map: AworMap; ids: NodeId[]; keys: RangeKey[] } {
  const rng = new SeededRng(5);
  const map = new AworMap();
  const ids = Array.from({ length: actors }, () => randomId(rng));
  const keys: RangeKey[] = [];
  for (let i = 0; i < registrations; i++) {
    const node = ids[i % actors] as NodeId;
    const start = rng.u32();
    const key = { node, start, end: Math.min(0xffffffff, start + rng.below(2 ** 26)) };
    const counter = map.topOf(node) + 1;
    map.register(node, counter, key, 1 + rng.below(100));
    if (gap > 0) map.voidCounters(node, counter + 1, counter + 1 + rng.below(gap));
    keys.push(key);
  }
  return { map, ids, keys };
}

function randomId(rng: SeededRng): NodeId {
  const word = (): string => rng.u32().toString(16).padStart(8, '0');
  return parseNodeId(word() + word());
}

type Built = ReturnType<typeof build>;

/** Two copies that differ by `differences` adds and releases, made on either. */
function diverge({ map, ids, keys }: Built, differences: number, releases: number): [AworMap, AworMap] {
  const rng = new SeededRng(differences);
  const pair: [AworMap, AworMap] = [copyOf(map), copyOf(map)];
  const tops = new Map<NodeId, number>();
  const released = new Set<number>();
  for (let i = 0; i < differences; i++) {
    const side = pair[rng.below(2)] as AworMap;
    if (rng.unit() < releases) {
      let at = rng.below(keys.length);
      while (released.has(at)) at = rng.below(keys.length);
      released.add(at);
      side.release(keys[at] as RangeKey);
      continue;
    }
    const node = ids[rng.below(ids.length)] as NodeId;
    const counter = (tops.get(node) ?? map.topOf(node)) + 1;
    tops.set(node, counter);
    const start = rng.below(2 ** 31);
    side.register(node, counter, { node, start, end: start + rng.below(2 ** 30) }, 1 + rng.below(100));
  }
  return pair;
}

describe('reconciliation of two maps', () => {
  it('makes both of any two states their join', () => {
    fc.assert(
      fc.property(steps, fc.nat(), (history, salt) => {
        const [a, b] = new World().run(history).replicas.map((r) => r.map) as [AworMap, AworMap];
        const joined = joinInto(copyOf(a), b);
        reconcile(a, b, salt);
        for (const map of [a, b]) {
          expect(naiveOf(map).dump()).toEqual(naiveOf(joined).dump());
          expect(map.digest()).toBe(joined.digest());
        }
      }),
      { numRuns: 300 },
    );
  });

  it('makes both their join when the states are large and torn, whoever opens', () => {
    for (const [actors, gap] of [
      [1, 0],
      [7, 300],
      [300, 3],
    ] as const) {
      const built = build(actors, 3000, gap);
      const [a, b] = diverge(built, 500, 0.6);
      const joined = joinInto(copyOf(a), b);
      reconcile(b, a, 77);
      expect([a.digest(), b.digest()]).toEqual([joined.digest(), joined.digest()]);
    }
  });

  it('says nothing to an equal state, in any salt', () => {
    fc.assert(
      fc.property(steps, fc.nat(), (history, salt) => {
        for (const { map } of new World().run(history).replicas) {
          const response = respondReconcile(copyOf(map), beginReconcile(map, salt));
          expect(response).toEqual({ reply: null, changes: [], inflated: false, refused: null, gone: [] });
        }
      }),
      { numRuns: 50 },
    );
  });

  it('opens with one datagram, however many actors there are', () => {
    const { map } = build(600, 600);
    const traffic = reconcile(map, copyOf(map));
    expect(traffic.messages).toBe(1);
    expect(traffic.largest).toBeLessThanOrEqual(DATAGRAM_BYTES);
  });

  it('settles after any loss and repetition once one round comes through', () => {
    fc.assert(
      fc.property(steps, fc.nat(), fc.nat(), (history, salt, seed) => {
        const [a, b] = new World().run(history).replicas.map((r) => r.map) as [AworMap, AworMap];
        const joined = joinInto(copyOf(a), b);
        const rng = new SeededRng(seed);
        for (let round = 0; round < 3; round++) reconcile(a, b, salt + round, () => rng.below(3));
        // Whatever came through is part of the truth.
        for (const map of [a, b]) expect(joinInto(copyOf(joined), map).digest()).toBe(joined.digest());
        reconcile(b, a, salt + 3);
        expect([a.digest(), b.digest()]).toEqual([joined.digest(), joined.digest()]);
      }),
      { numRuns: 200 },
    );
  });

  it('takes answers that are late: of an older state, into a newer one', () => {
    const key = (i: number, node: NodeId): RangeKey => ({ node, start: i, end: i });
    const [x, y] = [parseNodeId('00000000000000aa'), parseNodeId('1000000000000bbb')];
    const [a, b] = [new AworMap(), new AworMap()];
    for (let i = 1; i <= 300; i++) b.join(a.register(x, i, key(i, x), 1));
    a.release(key(7, x));
    const late: { to: AworMap; message: ReconcileMessage }[] = [{ to: b, message: beginReconcile(a, 1) }];
    const kept: typeof late = [];
    // The conversation runs on while both sides change between any two messages.
    for (let i = 1; late.length > 0 && i < 100; i++) {
      const { to, message } = late.shift() as (typeof late)[number];
      kept.push({ to, message });
      for (const answer of respondReconcile(to, message).reply ?? [])
        late.push({ to: to === a ? b : a, message: answer });
      a.release(key(10 + i, x));
      b.register(y, i, key(i, y), 2);
    }
    const joined = joinInto(copyOf(a), b);
    for (const { to, message } of kept.reverse()) respondReconcile(to, message);
    for (const map of [a, b]) expect(joinInto(copyOf(joined), map).digest()).toBe(joined.digest());
    reconcile(a, b, 9);
    expect([a.digest(), b.digest()]).toEqual([joined.digest(), joined.digest()]);
    expect(a.size).toBe(joined.size);
  });

  for (const [actors, gap, what] of [
    [100, 0, '100 actors'],
    [1, 0, '1 actor'],
    [500, 0, '500 actors'],
    [100, 200, '100 actors whose counters are far apart'],
    [1, 200, '1 actor whose counters are far apart'],
  ] as const) {
    it(`costs at most 2 KB and 100 bytes per difference: 20,000 registrations by ${what}`, () => {
      const built = build(actors, 20_000, gap);
      for (const differences of [1, 30, 1000]) {
        for (const releases of [0.5, 1]) {
          const [a, b] = diverge(built, differences, releases);
          const { bytes } = reconcile(a, b, differences);
          expect(a.digest()).toBe(b.digest());
          expect(bytes).toBeLessThanOrEqual(2048 + 100 * differences);
        }
      }
    });
  }

  it('fills an empty map with 20,000 registrations for at most 600 KB, whoever opens, in chunks that fit their frame', () => {
    for (const [actors, gap] of [
      [100, 200],
      [1, 0],
    ] as const) {
      const { map } = build(actors, 20_000, gap);
      for (const emptyOpens of [true, false]) {
        const empty = new AworMap();
        const traffic = emptyOpens ? reconcile(empty, map) : reconcile(map, empty);
        expect(empty.digest()).toBe(map.digest());
        expect(traffic.bytes).toBeLessThanOrEqual(600_000);
        expect(traffic.largest).toBeLessThanOrEqual(2 * LIMITS.syncChunkBytes);
      }
    }
  });

  it('ships chunks that are true alone: each by itself, in any order, leads to the whole', () => {
    const { map } = build(3, 8000, 5);
    const empty = new AworMap();
    const opening = beginReconcile(empty, 3);
    const chunks = respondReconcile(map, opening).reply ?? [];
    expect(chunks.length).toBeGreaterThan(2);
    for (const chunk of chunks) {
      const one = new AworMap();
      respondReconcile(one, chunk);
      expect(joinInto(copyOf(map), one).digest()).toBe(map.digest());
    }
    for (const chunk of [...chunks].reverse()) respondReconcile(empty, chunk);
    expect(empty.digest()).toBe(map.digest());
  });

  it('goes on by itself where one answer would be too long', () => {
    const { map } = build(2, 130_000);
    const empty = new AworMap();
    const first = respondReconcile(map, beginReconcile(empty, 3)).reply ?? [];
    expect(first.length).toBeLessThanOrEqual(LIMITS.syncChunksPerReply + 1);
    const traffic = reconcile(empty, map);
    expect(traffic.messages).toBeGreaterThan(first.length);
    expect(empty.digest()).toBe(map.digest());
  });

  it('lets a listing remove only what its sender has seen, ships it the rest, and asks for what it has more', () => {
    const x = parseNodeId('00000000000000aa');
    const range = (i: number): RangeKey => ({ node: x, start: i, end: i });
    const map = new AworMap();
    for (let i = 1; i <= 4; i++) map.register(x, i, range(i), i);
    map.release(range(2));
    // The sender has seen 1 to 3 and 6; of these 2, 3 and 6 are live there. It has not seen 4.
    const listing = { actor: x, lo: 1, hi: 10, seen: [1, 3, 6, 6], live: [2, 3, 6] };
    const nothing = { entries: [], context: [] };
    const { reply, changes, gone } = respondReconcile(map, {
      kind: 'parts',
      salt: 1,
      delta: nothing,
      records: [],
      prints: [],
      listings: [listing],
    });
    expect(changes).toEqual([{ ...range(1), before: 1, after: 0 }]);
    expect(gone).toEqual([{ actor: x, lo: 1, hi: 1 }]);
    expect([2, 3, 4].map((i) => map.priority(range(i)))).toEqual([0, 3, 4]);
    const there = new AworMap();
    there.join({
      entries: [{ ...range(2), live: [{ actor: x, counter: 2, kind: 'base', amount: 2 }], removed: [] }],
      context: [],
    });
    for (const message of reply ?? []) respondReconcile(there, message);
    // 4 came, 2 went.
    expect([2, 4].map((i) => there.priority(range(i)))).toEqual([0, 4]);
    expect(reply?.flatMap((m) => (m.kind === 'parts' ? m.records.map((r) => r.seen) : []))).toEqual([[1, 4]]);
  });

  it('describes no range twice when it is asked about a whole actor and about a part of it at once', () => {
    const { map, ids } = build(1, 2000);
    const actor = ids[0] as NodeId;
    const { reply } = respondReconcile(map, {
      kind: 'parts',
      salt: 1,
      delta: { entries: [], context: [] },
      records: [{ actor, seen: [1, 2000], hash: 1 }],
      prints: [{ actor, lo: 100, hi: 1000, hash: 1 }],
      listings: [],
    });
    expect(reply).toHaveLength(1);
    const [answer] = reply as [PartsMessage];
    answer.prints.forEach((print, i) => {
      expect(print.lo).toBe(i === 0 ? 1 : (answer.prints[i - 1] as Print).hi + 1);
    });
  });
});
