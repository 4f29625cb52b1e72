import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Address } from '../base/index.ts';
import { KEY_SPACE_END, slotRange } from '../ranges/index.ts';
import { Peers } from './peers.ts';
import { ELSEWHERE, KIND_MASK, MINE, PART, SlotMap, SPLIT, UNOWNED, UNSETTLED } from './slots.ts';
import { FakeGroup, nodeId } from './testing/fake-group.ts';

const at = (port: number): Address => `127.0.0.1:${port}` as Address;
const [A, B, C] = [nodeId(1), nodeId(2), nodeId(3)];

function setUp(): { group: FakeGroup; slots: SlotMap } {
  const group = new FakeGroup();
  for (const [i, id] of [A, B, C].entries()) group.join(id, at(7000 + i));
  const node = group.node(A);
  const peers = new Peers(node);
  const slots = new SlotMap(node, peers);
  node.onEvent((event) => {
    if (event.type === 'owners-changed' && event.range) slots.changed(event.range.start, event.range.end);
    if (event.type.startsWith('member-')) peers.changed();
  });
  return { group, slots };
}

const kind = (slots: SlotMap, slot: number): number => (slots.state[slot] as number) & KIND_MASK;

test('slots are mine, elsewhere, or nobody’s, by their first owner that has a store', () => {
  const { group, slots } = setUp();
  group.register(A, 0, slotRange(99).end);
  group.register(B, slotRange(100).start, slotRange(199).end, 5);
  group.register(A, slotRange(150).start, slotRange(199).end, 2);
  slots.refresh();
  expect([0, 99, 100, 150, 199, 200].map((slot) => kind(slots, slot))).toEqual([
    MINE,
    MINE,
    ELSEWHERE,
    ELSEWHERE,
    ELSEWHERE,
    UNOWNED,
  ]);
  expect(slots.runs()).toEqual([
    { start: 0, end: 99, server: A },
    { start: 100, end: 199, server: B },
  ]);
  group.join(B, null);
  expect(slots.refresh()).toBe(true);
  expect([100, 149, 150, 199].map((slot) => kind(slots, slot))).toEqual([UNOWNED, UNOWNED, MINE, MINE]);
  group.join(B, at(7001), 'down');
  slots.refresh();
  expect(kind(slots, 150)).toBe(MINE);
});

test('a slot whose owners are all away is shown at the first of them, and stays nobody’s', () => {
  const { group, slots } = setUp();
  group.register(A, 0, slotRange(99).end);
  group.register(B, slotRange(50).start, slotRange(299).end);
  group.register(C, slotRange(200).start, slotRange(399).end, 5);
  group.join(B, at(7001), 'down');
  group.join(C, at(7002), 'left');
  slots.refresh();
  const shown = (): (string | number)[][] =>
    slots.runs().map(({ start, end, server }) => [start, end, server]);
  const ofA = [0, 99, A];
  expect(shown()).toEqual([ofA, [100, 199, B], [200, 399, C]]);
  expect([99, 100, 300, 400].map((slot) => kind(slots, slot))).toEqual([MINE, UNOWNED, UNOWNED, UNOWNED]);
  expect(slots.serverOf(100)).toBe(null);
  // What absent nodes have registered changes no owner, and is seen all the same.
  group.release(C, slotRange(200).start, slotRange(399).end);
  slots.refresh();
  expect(shown()).toEqual([ofA, [100, 299, B]]);
  group.join(B, null, 'down');
  slots.refresh();
  expect(shown()).toEqual([ofA]);
  group.join(B, at(7001), 'suspect');
  slots.refresh();
  expect([shown().length, kind(slots, 100)]).toEqual([2, ELSEWHERE]);
});

test('a slot split between owners is served by the owner of its first owned position', () => {
  const { group, slots } = setUp();
  const { start, end } = slotRange(7);
  group.register(A, start + 10, start + 99);
  group.register(B, start + 100, end);
  slots.refresh();
  expect(kind(slots, 7)).toBe(SPLIT);
  expect(slots.serverAt(start + 50)).toBe(A);
  expect(slots.serverAt(start + 100)).toBe(B);
  expect(slots.serverAt(start)).toBe(null);
  group.register(C, start, start + 9);
  slots.refresh();
  expect([kind(slots, 7), slots.serverOf(7)]).toEqual([PART, C]);
});

test('slots that became mine are unsettled, and stay what they were told to be while they are mine', () => {
  const { group, slots } = setUp();
  group.register(A, 0, slotRange(9).end);
  slots.refresh();
  expect(slots.takeAcquired()).toBe(true);
  expect(slots.state[3]).toBe(UNSETTLED);
  slots.state.fill(MINE, 0, 10);
  group.register(A, slotRange(10).start, slotRange(11).end);
  slots.refresh();
  expect([slots.state[3], slots.state[10]]).toEqual([MINE, UNSETTLED]);
  group.register(B, 0, KEY_SPACE_END, 9);
  slots.refresh();
  expect([slots.state[3], slots.state[10]]).toEqual([ELSEWHERE, ELSEWHERE]);
});

test('a change costs the segments it touches, and nothing changed costs nothing', () => {
  const { group, slots } = setUp();
  for (let slot = 0; slot < 2000; slot++)
    group.register(slot % 2 === 0 ? A : B, slotRange(slot).start, slotRange(slot).end);
  slots.refresh();
  const before = slots.counters.segments;
  expect(slots.refresh()).toBe(false);
  group.register(C, slotRange(700).start, slotRange(701).end, 4);
  slots.refresh();
  expect(slots.counters.segments - before).toBeLessThan(10);
  expect(slots.serverOf(701)).toBe(C);
});

test('whatever is registered and released, the map is what a lookup of every position says', () => {
  const position = fc.integer({ min: 0, max: 40 }).map((n) => n << 16);
  const step = fc.record({
    node: fc.constantFrom(A, B, C),
    from: position,
    to: position,
    priority: fc.integer({ min: 0, max: 3 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const { group, slots } = setUp();
      for (const { node, from, to, priority } of steps) {
        const [start, end] = [Math.min(from, to), Math.max(from, to) + 0xffff];
        if (priority === 0) group.release(node, start, end);
        else group.register(node, start, end, priority);
        slots.refresh();
      }
      for (let slot = 0; slot <= 11; slot++) {
        const servers = [0, 1, 2, 3].map((part) => slots.serverAt((slot << 18) + (part << 16)));
        const first = servers.find((server) => server !== null) ?? null;
        expect(slots.serverOf(slot)).toBe(first);
        const whole = servers.every((server) => server === A);
        const part = servers.includes(A) ? PART : ELSEWHERE;
        const wanted = first === null ? UNOWNED : first !== A ? part : whole ? MINE : SPLIT;
        expect(kind(slots, slot)).toBe(wanted);
      }
    }),
    { numRuns: 60 },
  );
});
