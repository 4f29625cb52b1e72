import { expect, test, vi } from 'vitest';
import type { Address } from '../base/index.ts';
import { positionOf, slotAt, slotRange } from '../ranges/index.ts';
import { Span, Store } from '../store/index.ts';
import { HELD_POSITIONS, Holdings } from './holdings.ts';
import { Peers } from './peers.ts';
import { HELD, SlotMap, UNSETTLED } from './slots.ts';
import { FakeGroup, nodeId } from './testing/fake-group.ts';

const [A, B] = [nodeId(1), nodeId(2)];
const LAST = slotRange(99).end;

/** Node A with slots 0 to 99 and a peer B, whose answers the test gives. */
function setUp() {
  const group = new FakeGroup();
  const store = new Store();
  group.join(A, '127.0.0.1:1' as Address);
  group.join(B, '127.0.0.1:2' as Address);
  const node = group.node(A);
  const peers = new Peers(node);
  const slots = new SlotMap(node, peers);
  const asked: { ranges: readonly number[]; answer: (slots: readonly number[] | null) => void }[] = [];
  let settled = 0;
  const holdings = new Holdings({
    node,
    store,
    peers,
    slots,
    ask: (_peer, ranges) => new Promise((answer) => asked.push({ ranges, answer })),
    nowMs: () => performance.now(),
    settled: () => settled++,
  });
  node.onEvent((event) => {
    if (event.range) slots.changed(event.range.start, event.range.end);
    else peers.changed();
  });
  const refresh = (): void => {
    slots.refresh();
    holdings.follow();
  };
  return { group, store, peers, slots, holdings, asked, refresh, settled: () => settled };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('not within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('slots wait until every peer has answered, and what one holds is marked', async () => {
  const lab = setUp();
  lab.group.register(A, 0, LAST);
  lab.refresh();
  expect(lab.slots.state[5]).toBe(UNSETTLED);
  expect(lab.asked.map(({ ranges }) => ranges)).toEqual([[0, LAST]]);
  lab.asked[0]?.answer([5, 7]);
  await until(() => lab.settled() > 0);
  expect([4, 5, 7].map((slot) => lab.slots.state[slot])).toEqual([0, HELD, HELD]);
  expect(lab.holdings.holdersOf(5)).toMatchObject({ here: [{ id: B }], away: [] });
  expect(lab.holdings.warnings()[0]).toContain('holds data of 2 slots');
  // Asked again and again while it holds something: now it has nothing left.
  await until(() => lab.asked.length > 1);
  lab.asked[1]?.answer([]);
  await until(() => lab.slots.state[5] === 0);
  lab.holdings.close();
});

test('a peer that does not answer is asked again, and one that dies is not waited for', async () => {
  const lab = setUp();
  lab.group.register(A, 0, LAST);
  lab.refresh();
  lab.asked[0]?.answer(null);
  await until(() => lab.asked.length > 1);
  expect(lab.slots.state[5]).toBe(UNSETTLED);
  lab.group.join(B, '127.0.0.1:2' as Address, 'down');
  lab.refresh();
  expect(lab.slots.state[5]).toBe(0);
  lab.holdings.close();
});

test('one that is down and registered as high may hold what is here; a lower one cannot', () => {
  const lab = setUp();
  lab.group.join(B, '127.0.0.1:2' as Address, 'down');
  lab.group.register(A, 0, LAST, 3);
  lab.group.register(B, slotRange(10).start, slotRange(19).end, 3);
  lab.group.register(B, slotRange(20).start, slotRange(29).end, 2);
  lab.refresh();
  expect([9, 10, 19, 20].map((slot) => lab.slots.state[slot])).toEqual([0, HELD, HELD, 0]);
  expect(lab.holdings.holdersOf(10)).toMatchObject({ here: [], away: [expect.any(String)] });
  expect(lab.holdings.absent().map(({ id }) => id)).toEqual([B]);
  // A release gives nothing up while it is down; with force-leave it does.
  lab.group.release(B, slotRange(10).start, slotRange(19).end);
  lab.refresh();
  expect(lab.slots.state[10]).toBe(HELD);
  lab.group.join(B, '127.0.0.1:2' as Address, 'left');
  lab.refresh();
  expect(lab.slots.state[10]).toBe(0);
  lab.holdings.close();
});

test('a question is answered by what is there, of a part of a slot too, and is kept serving until it is gone', () => {
  const lab = setUp();
  const key = new TextEncoder().encode('k');
  const slot = slotAt(positionOf(key));
  const position = positionOf(key);
  const { start, end } = slotRange(slot);
  const span = new Span(key);
  lab.store.begin(1);
  lab.store.table.lookup(span, 0, 1);
  lab.store.table.put(span, 0, 1, 0);
  expect(lab.holdings.answer([0, 0xffffffff])).toEqual([slot]);
  expect(lab.holdings.answer([start, position])).toEqual([slot]);
  expect(lab.holdings.answer([position + 1, end])).toEqual([]);
  lab.store.table.lookup(span, 0, 1);
  lab.store.table.remove();
  expect(lab.holdings.keeps(slot)).toBe(true);
  expect(lab.holdings.answer([start, end])).toEqual([]);
  expect(lab.holdings.keeps(slot)).toBe(false);
});

test('who is asked about what it thinks its own, and has nothing of, stops serving it for a moment', async () => {
  const lab = setUp();
  lab.group.register(A, 0, LAST);
  lab.refresh();
  lab.asked[0]?.answer([]);
  await until(() => lab.slots.state[3] === 0);
  expect(lab.holdings.answer([slotRange(3).start, slotRange(3).end])).toEqual([]);
  expect([lab.slots.state[3], lab.slots.state[4]]).toEqual([UNSETTLED, 0]);
  await until(() => lab.asked.length > 1);
  lab.asked[1]?.answer([]);
  await until(() => lab.slots.state[3] === 0);
  lab.holdings.close();
});

test('a peer that is asked while a question is under way is asked once more, however often that was', async () => {
  vi.useFakeTimers();
  try {
    const lab = setUp();
    lab.group.register(A, 0, LAST);
    lab.refresh();
    for (let i = 1; i <= 5; i++) {
      lab.group.register(A, slotRange(100 + i).start, slotRange(100 + i).end);
      lab.refresh();
    }
    await vi.advanceTimersByTimeAsync(100);
    expect(lab.asked.length).toBe(1);
    lab.asked[0]?.answer([]);
    await vi.advanceTimersByTimeAsync(100);
    expect(lab.asked.length).toBe(2);
    expect(lab.slots.state[5]).toBe(UNSETTLED);
    lab.asked[1]?.answer([]);
    await vi.advanceTimersByTimeAsync(100);
    expect(lab.asked.length).toBe(2);
    expect(lab.slots.state[5]).toBe(0);
    lab.holdings.close();
  } finally {
    vi.useRealTimers();
  }
});

test('more positions than one question takes are asked in several, of which each must be answered', async () => {
  const lab = setUp();
  const ranges = HELD_POSITIONS / 2 + 1;
  for (let i = 0; i < ranges; i++) lab.group.register(A, i << 18, i << 18);
  lab.refresh();
  expect(lab.asked[0]?.ranges.length).toBe(HELD_POSITIONS);
  lab.asked[0]?.answer([3]);
  await until(() => lab.asked.length === 2);
  expect(lab.slots.state[3] as number).toBeGreaterThanOrEqual(UNSETTLED);
  expect(lab.asked[1]?.ranges).toEqual([(ranges - 1) << 18, (ranges - 1) << 18]);
  lab.asked[1]?.answer([ranges - 1]);
  await until(() => lab.settled() > 0);
  const held = [3, 4, ranges - 1].map((slot) => ((lab.slots.state[slot] as number) & HELD) !== 0);
  expect(held).toEqual([true, false, true]);
  lab.holdings.close();
});

test('what an absent node may hold is what it has registered at least as strongly, of any ranges of both', () => {
  const lab = setUp();
  lab.group.join(B, '127.0.0.1:2' as Address, 'down');
  let seed = 7;
  const draw = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  // Of half slots; those of one node do not overlap.
  const registered = [A, B].map((id) => {
    const ranges: { start: number; end: number; priority: number }[] = [];
    for (let at = draw(4); at < 400; at += 1 + draw(4)) {
      const halves = 1 + draw(6);
      const range = { start: at * 2 ** 17, end: (at + halves) * 2 ** 17 - 1, priority: 1 + draw(3) };
      lab.group.register(id, range.start, range.end, range.priority);
      ranges.push(range);
      at += halves;
    }
    return ranges;
  });
  lab.refresh();
  const [mine = [], theirs = []] = registered;
  for (let slot = 0; slot < 200; slot++) {
    const { start, end } = slotRange(slot);
    const presumed = mine.some((own) =>
      theirs.some((other) => {
        const from = Math.max(own.start, other.start, start);
        return from <= Math.min(own.end, other.end, end) && own.priority <= other.priority;
      }),
    );
    const state = lab.slots.state[slot] as number;
    expect([slot, (state & HELD) !== 0]).toEqual([slot, presumed]);
  }
  lab.holdings.close();
});
