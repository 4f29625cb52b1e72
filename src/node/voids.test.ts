import { expect, it } from 'vitest';
import { type Address, LIMITS, type NodeId } from '../base/index.ts';
import { type MemberRecord, STATE } from '../members/index.ts';
import { GroupState } from './state.ts';
import { Voids } from './voids.ts';

const idOf = (n: number): NodeId => n.toString(16).padStart(16, '0') as NodeId;

function recordOf(n: number): MemberRecord {
  const addresses = [`10.0.0.${n}:1` as Address];
  const rest = { resp: null, tags: {}, capacity: {}, version: '1', bootNonce: n, addresses };
  const order = { incarnation: 1, state: STATE.alive, reachVersion: 0, reach: idOf(n) };
  return { id: idOf(n), name: `board-${n}`, ...order, ...rest };
}

/** A node after so many lives with one change each; members 2 and 3, of which 3 is down. */
function after(lives: number) {
  const state = new GroupState(recordOf(1), () => {});
  for (let life = 1; life <= lives; life++)
    state.map.register(idOf(1), 10 * life, { node: idOf(1), start: life, end: life }, 1);
  state.merge(recordOf(2), null);
  state.merge({ ...recordOf(3), state: STATE.down }, null);
  const voids = new Voids(
    state,
    () => 10 * lives + 1,
    () => false,
  );
  voids.start(0);
  return { state, voids };
}

const HOUR = 3_600_000;

it('many gaps are told of, with who keeps them open and what to do, until they are closed', () => {
  const { state, voids } = after(300);
  expect(voids.warnings(0).join()).toMatch(/300 gaps.*board-2, board-3 \(they are looked at 10 minutes/);
  expect(voids.caughtUp(idOf(2), HOUR)).toBe(null);
  expect(voids.warnings(HOUR)).toEqual([
    "the change counters of this node have 300 gaps, at 4096 it refuses changes: not yet caught up with since its start: board-3; bring back or 'shoal force-leave' what is down",
  ]);
  state.merge({ ...recordOf(3), state: STATE.left }, null);
  expect(voids.caughtUp(idOf(2), HOUR)).not.toBe(null);
  expect(voids.warnings(HOUR)).toEqual([]);
  expect(state.map.seenOf(idOf(1)).length).toBe(2);
});

it('few gaps are nothing to tell of', () => {
  expect(after(200).voids.warnings(HOUR)).toEqual([]);
});

it('a change refused for too many gaps says where to look', () => {
  const { state } = after(LIMITS.contextIntervals);
  const key = { node: idOf(1), start: 0, end: 0 };
  expect(() => state.map.register(idOf(1), 10 * LIMITS.contextIntervals + 10, key, 1)).toThrow(
    /as many gaps as they can \(4096\): its warnings tell/,
  );
});
