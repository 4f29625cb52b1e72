import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRng } from '../base/index.ts';
import { KEY_SPACE_END, OwnershipView, rendezvousWeight, type Segment } from './index.ts';
import { changedSpan, NaiveView, nodeId } from './naive.testkit.ts';

type Op =
  | {
      readonly kind: 'set';
      readonly node: number;
      readonly a: number;
      readonly b: number;
      readonly priority: number;
    }
  | { readonly kind: 'live'; readonly node: number; readonly live: boolean };

/** Few distinct positions, so that ranges meet, nest, touch and repeat; tile borders among them. */
const position = fc.oneof(
  fc.constantFrom(
    0,
    1,
    2,
    100,
    101,
    0xffffff,
    0x1000000,
    0x1000001,
    0x30000000,
    0x80000000,
    0xfffffffe,
    KEY_SPACE_END,
  ),
  fc.integer({ min: 0, max: 20 }),
  fc.integer({ min: 0, max: KEY_SPACE_END }),
);
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('set' as const),
      node: fc.integer({ min: 0, max: 5 }),
      a: position,
      b: position,
      priority: fc.constantFrom(0, 1, 1, 1, 2, 3),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('live' as const),
      node: fc.integer({ min: 0, max: 5 }),
      live: fc.boolean(),
    }),
  },
);

function apply(view: OwnershipView | NaiveView, each: Op): void {
  if (each.kind === 'live') view.setLive(nodeId(each.node), each.live);
  else
    view.setRegistration(
      nodeId(each.node),
      Math.min(each.a, each.b),
      Math.max(each.a, each.b),
      each.priority,
    );
}

function compare(view: OwnershipView, naive: NaiveView, positions: readonly number[]): readonly Segment[] {
  const snapshot = view.snapshot();
  const expected = naive.segments();
  expect(snapshot.segments()).toEqual(expected);
  expect(snapshot.segmentCount).toBe(expected.length);
  expect(snapshot.registrations).toBe(naive.entries.length);
  for (const at of positions) expect(snapshot.ownersAt(at)).toEqual(naive.ownersAt(at));
  for (const border of naive.borders()) {
    expect(snapshot.ownersAt(border)).toEqual(naive.ownersAt(border));
    if (border > 0) expect(snapshot.ownersAt(border - 1)).toEqual(naive.ownersAt(border - 1));
  }
  for (const copies of [0, 1, 2, 3]) {
    const missing = expected.filter((segment) => segment.owners.length < copies);
    const size = missing.reduce((sum, { start, end }) => sum + end - start + 1, 0);
    if (copies === 1) expect(snapshot.unownedPositions).toBe(size);
    const gaps: { start: number; end: number; owners: number }[] = [];
    for (const { start, end, owners } of missing) {
      const last = gaps.at(-1);
      if (last !== undefined && last.end + 1 === start && last.owners === owners.length) last.end = end;
      else gaps.push({ start, end, owners: owners.length });
    }
    expect(snapshot.coverage(copies)).toEqual({ missingPositions: size, gapCount: gaps.length, gaps });
    expect(snapshot.coverage(copies, 1).gaps).toEqual(gaps.slice(0, 1));
  }
  return expected;
}

describe('the ownership view', () => {
  it('agrees with the naive model after every step of a random sequence', () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 25 }), fc.array(position, { maxLength: 5 }), (ops, positions) => {
        const view = new OwnershipView();
        const naive = new NaiveView();
        for (let node = 0; node < 3; node++) apply(view, { kind: 'live', node, live: true });
        for (let node = 0; node < 3; node++) apply(naive, { kind: 'live', node, live: true });
        let before = compare(view, naive, positions);
        for (const each of ops) {
          const { version, registrations } = view.snapshot();
          apply(view, each);
          apply(naive, each);
          const after = compare(view, naive, positions);
          const span = changedSpan(before, after);
          expect(view.takeChanged()).toEqual(span);
          expect(view.takeChanged()).toBeNull();
          if (span !== null || view.snapshot().registrations !== registrations) {
            expect(view.version).toBeGreaterThan(version);
          }
          if (view.version === version) expect(after).toEqual(before);
          before = after;
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is the same whatever order equal inputs came in', () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 40 }), fc.infiniteStream(fc.nat()), (ops, keys) => {
        // Last word per subject, so that the order of the rest does not matter.
        const last = new Map<string, Op>();
        for (const each of ops) {
          const [low, high] =
            each.kind === 'set' ? [Math.min(each.a, each.b), Math.max(each.a, each.b)] : [-1, -1];
          last.set(`${each.node} ${low} ${high}`, each);
        }
        const [one, other] = [new OwnershipView(), new OwnershipView()];
        for (const each of ops) apply(one, each);
        const shuffled = [...last.values()].map((each) => ({ each, key: keys.next().value as number }));
        for (const { each } of shuffled.sort((a, b) => a.key - b.key)) apply(other, each);
        expect(other.snapshot().segments()).toEqual(one.snapshot().segments());
        expect(other.snapshot().segmentCount).toBe(one.snapshot().segmentCount);
        expect(other.snapshot().unownedPositions).toBe(one.snapshot().unownedPositions);
      }),
      { numRuns: 100 },
    );
  });

  it('agrees with the naive model when many ranges grow and shrink the tree', () => {
    const rng = new SeededRng(5);
    const view = new OwnershipView();
    const naive = new NaiveView();
    for (let node = 0; node < 9; node++) apply(view, { kind: 'live', node, live: true });
    for (let node = 0; node < 9; node++) apply(naive, { kind: 'live', node, live: true });
    const ops: Op[] = [];
    for (let i = 0; i < 1200; i++) {
      const a = rng.below(2 ** 32);
      const b = Math.min(KEY_SPACE_END, a + rng.below(2 ** 25));
      ops.push({ kind: 'set', node: rng.below(9), a, b, priority: 1 + rng.below(2) });
    }
    for (const each of ops) apply(view, each);
    for (const each of ops) apply(naive, each);
    const full = compare(view, naive, []);
    expect(full.length).toBeGreaterThan(1500);
    const old = view.snapshot();
    for (let i = ops.length - 1; i > 0; i--) {
      const j = rng.below(i + 1);
      [ops[i], ops[j]] = [ops[j] as Op, ops[i] as Op];
    }
    ops.forEach((each, i) => {
      if (each.kind !== 'set') return;
      apply(view, { ...each, priority: 0 });
      apply(naive, { ...each, priority: 0 });
      if (i % 300 === 299) compare(view, naive, []);
      if (i % 5 === 0) expect(view.snapshot().segmentCount).toBe(view.snapshot().segments().length);
    });
    expect(view.snapshot().segments()).toEqual([{ start: 0, end: KEY_SPACE_END, owners: [] }]);
    expect(old.segments()).toEqual(full);
  });

  it('counts its segments right when a released range leaves its cell to the leaf before', () => {
    const view = new OwnershipView();
    for (const n of [1, 2, 3]) view.setLive(nodeId(n), true);
    for (const n of [1, 2]) view.setRegistration(nodeId(n), 0, KEY_SPACE_END, 1);
    // Leaves are cut every 32 cells; with this one in front they begin with a range that crosses a tile border.
    view.setRegistration(nodeId(3), 0, 20, 1);
    const step = 2 ** 22;
    const set = (i: number, priority: number): void =>
      view.setRegistration(nodeId(3), i * step + 100, (i + 1) * step + 50, priority);
    for (let i = 0; i < 1023; i++) set(i, 1);
    // Every fourth crosses a tile border, where the tie of the other two may turn out differently.
    for (let i = 3; i < 1023; i += 4) {
      set(i, 0);
      expect(view.snapshot().segmentCount).toBe(view.snapshot().segments().length);
      set(i, 1);
      expect(view.snapshot().segmentCount).toBe(view.snapshot().segments().length);
    }
  });

  it('lets equal segments share what a wide registration made of them', () => {
    const view = new OwnershipView();
    for (const n of [1, 2, 3]) view.setLive(nodeId(n), true);
    view.setRegistration(nodeId(2), 0, KEY_SPACE_END, 2);
    for (let i = 0; i < 200; i++) view.setRegistration(nodeId(3), i * 1000, i * 1000 + 500, 1);
    view.setRegistration(nodeId(1), 0, KEY_SPACE_END, 3);
    const snapshot = view.snapshot();
    expect(snapshot.ownersAt(700)).toHaveLength(2);
    expect(snapshot.ownersAt(150_700)).toBe(snapshot.ownersAt(700));
  });

  it('leaves old snapshots as they were', () => {
    fc.assert(
      fc.property(fc.array(op, { minLength: 1, maxLength: 40 }), (ops) => {
        const view = new OwnershipView();
        for (let node = 0; node < 5; node++) apply(view, { kind: 'live', node, live: true });
        const kept = ops.map((each, i) => {
          apply(view, each);
          const snapshot = view.snapshot();
          // Half of them have worked out nothing yet when the view moves on.
          return { snapshot, segments: i % 2 === 0 ? snapshot.segments() : null, naive: ops.slice(0, i + 1) };
        });
        for (const { snapshot, segments, naive } of kept) {
          const again = new OwnershipView();
          for (let node = 0; node < 5; node++) apply(again, { kind: 'live', node, live: true });
          for (const each of naive) apply(again, each);
          const expected = again.snapshot();
          expect(snapshot.segments()).toEqual(segments ?? expected.segments());
          expect(snapshot.segments()).toEqual(expected.segments());
          expect(snapshot.segmentCount).toBe(expected.segmentCount);
          expect(snapshot.unownedPositions).toBe(expected.unownedPositions);
          expect(snapshot.registrations).toBe(expected.registrations);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('gives the same snapshot again while nothing changed', () => {
    const view = new OwnershipView();
    view.setLive(nodeId(1), true);
    view.setRegistration(nodeId(1), 5, 10, 2);
    const snapshot = view.snapshot();
    view.setRegistration(nodeId(1), 5, 10, 2);
    view.setRegistration(nodeId(1), 5, 11, 0);
    view.setLive(nodeId(1), true);
    view.setLive(nodeId(2), false);
    expect(view.snapshot()).toBe(snapshot);
    expect(snapshot.ownersAt(7)).toBe(snapshot.ownersAt(8));
  });

  it('keeps the registrations of a node that is not live, and counts them again when it is back', () => {
    const view = new OwnershipView();
    view.setRegistration(nodeId(1), 0, 99, 1);
    expect(view.snapshot()).toMatchObject({ registrations: 1, unownedPositions: 2 ** 32 });
    view.setLive(nodeId(1), true);
    expect(view.snapshot().unownedPositions).toBe(2 ** 32 - 100);
    view.setLive(nodeId(1), false);
    view.setRegistration(nodeId(1), 0, 99, 7);
    expect(view.snapshot()).toMatchObject({ registrations: 1, unownedPositions: 2 ** 32 });
    view.setLive(nodeId(1), true);
    expect(view.snapshot().ownersAt(99)).toEqual([{ node: nodeId(1), priority: 7 }]);
  });

  it('refuses a range or position out of bounds and stays as it was', () => {
    const view = new OwnershipView();
    expect(() => view.setRegistration(nodeId(1), 9, 8, 1)).toThrow(/below start/);
    expect(() => view.setRegistration(nodeId(1), 0, 2 ** 32, 1)).toThrow(/too large/);
    expect(view.snapshot().registrations).toBe(0);
    expect(() => view.snapshot().ownersAt(2 ** 32)).toThrow(/too large/);
    expect(() => view.snapshot().ownersAt(Number.NaN)).toThrow(/whole number/);
  });
});

describe('ties', () => {
  it('are broken the same way by every release', () => {
    expect([0, 1, 255].map((tile) => rendezvousWeight(tile, 0x01020304, 0xfffefdfc))).toEqual(PINNED_WEIGHTS);
  });

  it('share the first place evenly among 64 nodes that all want everything', () => {
    const view = new OwnershipView();
    const firsts = new Map<string, number>();
    for (let n = 0; n < 64; n++) {
      view.setLive(nodeId(n), true);
      view.setRegistration(nodeId(n), 0, KEY_SPACE_END, 1);
    }
    const segments = view.snapshot().segments();
    for (const { start, end, owners } of segments) {
      expect(owners.length).toBe(64);
      const node = owners[0]?.node ?? '';
      firsts.set(node, (firsts.get(node) ?? 0) + (end - start + 1) / 2 ** 24);
    }
    expect(segments.length).toBe(256);
    expect(firsts.size).toBeGreaterThan(50);
    expect(Math.max(...firsts.values())).toBeLessThanOrEqual(14);
  });

  it('cut a segment at a tile border only where the order really differs', () => {
    const view = new OwnershipView();
    for (const n of [1, 2]) {
      view.setLive(nodeId(n), true);
      view.setRegistration(nodeId(n), 0, KEY_SPACE_END, 1);
    }
    const segments = view.snapshot().segments();
    expect(segments.length).toBeGreaterThan(64);
    expect(segments.length).toBeLessThan(192);
    view.setRegistration(nodeId(1), 0, KEY_SPACE_END, 2);
    expect(view.snapshot().segments()).toHaveLength(1);
  });

  it('are not reordered by a border elsewhere in the tile', () => {
    const view = new OwnershipView();
    for (let n = 0; n < 5; n++) {
      view.setLive(nodeId(n), true);
      view.setRegistration(nodeId(n), 0, 0xffffff, 1);
    }
    const before = view.snapshot().ownersAt(0x1000);
    view.setRegistration(nodeId(9), 0x2000, 0x3000, 1);
    view.setLive(nodeId(9), true);
    expect(view.snapshot().ownersAt(0x1000)).toEqual(before);
    expect(view.snapshot().ownersAt(0x4000)).toEqual(before);
  });
});

const PINNED_WEIGHTS = [455123176, 843934034, 1414100670];
