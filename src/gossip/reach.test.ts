import { describe, expect, it } from 'vitest';
import { LIMITS, type NodeId, SeededRng } from '../base/index.ts';
import { Reach } from './reach.ts';
import { idOf } from './testing/bench.ts';

const PEER = idOf(2);

class World {
  readonly reach = new Reach(idOf(1), new SeededRng(1), true);
  readonly beacons: number[] = [];
  readonly asked: { to: NodeId; seqs: readonly number[]; atMs: number }[] = [];
  nowMs = 0;

  hear(seq: number, isPayload = true, bootNonce = 7): boolean {
    return this.reach.heardMulticast(PEER, bootNonce, seq, isPayload, this.nowMs);
  }

  /** Lets deadlines pass up to then. */
  until(untilMs: number): void {
    for (let nextMs = this.reach.nextMs(); nextMs <= untilMs; nextMs = this.reach.nextMs()) {
      this.nowMs = Math.max(this.nowMs, nextMs);
      this.reach.wake(this.nowMs, {
        beacon: (_seq, atMs) => this.beacons.push(atMs),
        askRepair: (to, seqs) => this.asked.push({ to, seqs, atMs: this.nowMs }),
      });
    }
    this.nowMs = untilMs;
  }
}

describe('a gap in a sender\u2019s sequence', () => {
  it('is asked for a little later, and not at all when the missing one comes meanwhile', () => {
    const world = new World();
    world.hear(1);
    world.hear(4);
    world.until(4);
    expect(world.asked).toEqual([]);
    world.hear(2);
    world.until(16);
    expect(world.asked.map((a) => a.seqs)).toEqual([[3]]);
    world.reach.repaired(PEER, 3);
    world.until(2000);
    expect(world.asked.length).toBe(1);
  });

  it('is asked for six times at growing pauses, then left to anti-entropy and counted', () => {
    const world = new World();
    world.hear(1);
    world.hear(3);
    world.until(5000);
    expect(world.asked.map((a) => a.seqs)).toEqual(new Array(6).fill([2]));
    const [a, b, c] = world.asked.map((x) => x.atMs) as [number, number, number];
    expect(c - b).toBeGreaterThan(b - a);
    expect(world.reach.counters).toMatchObject({ gaps: 1, repairsAsked: 6, repairsGivenUp: 1 });
  });

  it('shows in a beacon, which names the latest payload', () => {
    const world = new World();
    world.hear(1);
    world.hear(2, false);
    world.until(20);
    expect(world.asked.map((a) => a.seqs)).toEqual([[2]]);
  });

  it('is not what a sender had sent before it was first heard, or before it was started again', () => {
    const world = new World();
    world.hear(9);
    world.hear(3, true, 8);
    world.until(1000);
    expect(world.asked).toEqual([]);
  });

  it('joins others of the sender in one question: ten gaps at once are not asked for ten times', () => {
    const world = new World();
    world.hear(1);
    for (let seq = 3; seq <= 21; seq += 2) {
      world.hear(seq);
      world.nowMs += 0.2;
    }
    world.until(30);
    expect(world.asked.length).toBe(1);
    expect(world.asked[0]?.seqs.length).toBe(10);
    world.until(5000);
    expect(world.asked.length).toBe(6);
  });

  it('that comes while older ones are asked for again does not wait for their pause', () => {
    const world = new World();
    world.hear(1);
    world.hear(3);
    world.until(200);
    const before = world.asked.length;
    world.hear(5);
    world.until(216);
    expect(world.asked.length).toBe(before + 1);
    expect(world.asked.at(-1)?.seqs).toEqual([2, 4]);
  });

  it('is asked for up to a limit; what is older is given up and counted', () => {
    const world = new World();
    world.hear(1);
    world.hear(1000);
    world.until(20);
    expect(world.asked[0]?.seqs.length).toBeLessThanOrEqual(LIMITS.multicastRepairs);
    expect(world.asked[0]?.seqs.at(-1)).toBe(999);
    expect(world.reach.counters.repairsGivenUp).toBe(998 - (world.asked[0]?.seqs.length ?? 0));
  });
});

describe('own multicasts', () => {
  it('are kept for those who missed them, up to a limit, with their age', () => {
    const { reach } = new World();
    for (let i = 1; i <= LIMITS.multicastHistory + 5; i++)
      expect(reach.sending(100 + i, 2, Uint8Array.of(i), i)).toBe(i);
    expect(reach.history([5, 6], 200)).toEqual([{ seq: 6, id: 106, ageMs: 196, payload: Uint8Array.of(6) }]);
    expect(reach.counters).toMatchObject({ repairsServed: 1, repairsUnknown: 1 });
  });

  it('are sent again once per question, and no more of them than a gap is asked for', () => {
    const { reach } = new World();
    for (let i = 1; i <= 64; i++) reach.sending(i, 0, Uint8Array.of(i), i);
    expect(reach.history(new Array(64).fill(9), 100).length).toBe(1);
    const all = Array.from({ length: 64 }, (_, i) => i + 1);
    expect(reach.history(all, 100).length).toBe(LIMITS.multicastRepairs);
  });

  it('are followed by a beacon that tells of them', () => {
    const world = new World();
    world.reach.start(0);
    world.until(60_000);
    const before = world.beacons.length;
    const atMs = world.nowMs;
    world.reach.sending(1, 0, new Uint8Array(1), atMs);
    world.until(atMs + 35);
    expect(world.beacons.length).toBe(before + 1);
  });
});

describe('reach', () => {
  it('expires on both sides when it is not confirmed', () => {
    const world = new World();
    expect(world.hear(1)).toBe(true);
    expect(world.reach.confirm(PEER, true, 0)).toBe(true);
    expect(world.reach.confirm(PEER, true, 1)).toBe(false);
    const lastMs = 3 * world.reach.pauseMs() + 1000;
    expect(world.reach.hearsUs(PEER, lastMs)).toBe(true);
    expect(world.reach.weHear(PEER, lastMs - 1)).toBe(true);
    expect(world.reach.hearsUs(PEER, lastMs + 1)).toBe(false);
    expect(world.reach.weHear(PEER, lastMs)).toBe(false);
    expect(world.reach.hears(lastMs)).toEqual([]);
    expect(world.reach.heardBy(lastMs + 1)).toEqual([]);
  });

  it('ends at once when the peer says that it does not hear us, or is gone', () => {
    const { reach } = new World();
    reach.confirm(PEER, true, 0);
    expect(reach.confirm(PEER, false, 1)).toBe(true);
    expect(reach.hearsUs(PEER, 1)).toBe(false);
    reach.confirm(PEER, true, 2);
    reach.forget(PEER);
    expect(reach.hearsUs(PEER, 2)).toBe(false);
  });

  it('labels the set by the lowest id that hears us and is heard', () => {
    const reach = new Reach(idOf(5), new SeededRng(1), true);
    reach.confirm(idOf(2), true, 0);
    reach.heardMulticast(idOf(3), 1, 1, false, 0);
    expect(reach.label(1)).toBe(idOf(5));
    reach.confirm(idOf(3), true, 0);
    expect(reach.label(1)).toBe(idOf(3));
    reach.heardMulticast(idOf(2), 1, 1, false, 0);
    expect(reach.label(1)).toBe(idOf(2));
  });
});

describe('beacons', () => {
  it('come often while young, then at a pause in proportion to the group', () => {
    const world = new World();
    world.reach.start(0);
    world.until(4000);
    expect(world.beacons.length).toBeGreaterThanOrEqual(4);
    world.until(60_000);
    const before = world.beacons.length;
    world.until(110_000);
    expect(world.beacons.length - before).toBeGreaterThanOrEqual(8);
    expect(world.beacons.length - before).toBeLessThanOrEqual(13);
  });

  it('stay few on the link however large the group, also while members keep coming', () => {
    for (const members of [40, 500, 5000]) {
      const world = new World();
      world.reach.setGroupSize(members);
      world.reach.start(0);
      for (let at = 0; at < 60_000; at += 100) {
        world.reach.refresh(world.nowMs);
        world.until(at);
      }
      const perSecond = (members * world.beacons.length) / 60;
      expect(perSecond).toBeLessThan(500);
    }
  });
});
