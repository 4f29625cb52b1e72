import { describe, expect, it } from 'vitest';
import { type NodeId, SeededRng } from '../base/index.ts';
import { MemberList, STATE } from '../members/index.ts';
import { AntiEntropy } from './anti-entropy.ts';
import { idOf, recordOf } from './testing/bench.ts';

/** Node 1 among `count`; `answers` tells how a peer answers a digest: equal, different, or not at all. */
class World {
  readonly members = new MemberList(recordOf(idOf(1)));
  readonly sent: { to: NodeId; nonce: number; atMs: number }[] = [];
  readonly rounds: { to: NodeId; atMs: number }[] = [];
  readonly sync: AntiEntropy;
  nowMs = 0;
  answers: (to: NodeId) => 'equal' | 'different' | null = () => 'equal';

  constructor(count: number, seed = 1, returning = false) {
    for (let i = 2; i <= count; i++) this.members.merge(recordOf(idOf(i)));
    this.sync = new AntiEntropy(this.members, new SeededRng(seed), {
      ours: () => 'ours',
      digest: (to, nonce, atMs) => {
        if (this.sent.at(-1)?.nonce !== nonce) this.rounds.push({ to, atMs });
        this.sent.push({ to, nonce, atMs });
      },
    });
    this.sync.start(0, returning);
  }

  until(untilMs: number): void {
    for (let nextMs = this.sync.nextMs(); nextMs <= untilMs; nextMs = this.sync.nextMs()) {
      this.nowMs = Math.max(this.nowMs, nextMs);
      const before = this.sent.length;
      this.sync.wake(this.nowMs);
      const asked = this.sent.length > before ? this.sent.at(-1) : undefined;
      const answer = asked === undefined ? null : this.answers(asked.to);
      if (asked === undefined || answer === null) continue;
      const member = this.members.get(asked.to);
      if (member !== undefined) {
        member.heardMs = this.nowMs + 1;
        member.reported(answer === 'equal' ? 'ours' : 'theirs', this.nowMs + 1);
      }
      this.sync.answered(asked.to, asked.nonce, answer === 'equal', this.nowMs + 1);
    }
    this.nowMs = untilMs;
  }

  /** As if the time until then had passed in rounds like the last ones. */
  skip(toMs: number): void {
    this.nowMs = toMs;
    this.sync.wake(toMs);
  }

  pauses(fromMs = 0): number[] {
    const times = this.rounds.map((r) => r.atMs).filter((atMs) => atMs >= fromMs);
    return times.slice(1).map((atMs, i) => atMs - (times[i] as number));
  }
}

describe('anti-entropy', () => {
  it('backs off while states are equal, up to a pause bounded by the size of the group', () => {
    for (const [count, maxMs] of [
      [4, 3000],
      [50, 20_000],
      [500, 30_000],
    ] as const) {
      const world = new World(count);
      expect(world.sync.maxPauseMs()).toBe(maxMs);
      world.until(600_000);
      const late = world.pauses(300_000);
      expect(Math.min(...late)).toBeGreaterThan(0.7 * maxMs);
      expect(Math.max(...late)).toBeLessThan(1.3 * maxMs);
      expect(world.pauses()[0]).toBeLessThan(2500);
    }
  });

  it('starts again from a second on a change, and stays there while answers differ', () => {
    const world = new World(50);
    world.until(300_000);
    world.sync.changed(world.nowMs);
    world.answers = () => 'different';
    const fromMs = world.nowMs;
    world.until(fromMs + 10_000);
    expect(world.rounds.find((r) => r.atMs > fromMs)?.atMs).toBeLessThan(fromMs + 1300);
    expect(Math.max(...world.pauses(fromMs + 1))).toBeLessThan(1300);
    expect(world.sync.counters.differed).toBeGreaterThanOrEqual(7);
  });

  it('of a node that comes back asks all of a small group at once, those that differ until they agree', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new World(5, seed, true);
      let differing = 2;
      world.answers = (to) => (to === idOf(3) && differing-- > 0 ? 'different' : 'equal');
      world.until(800);
      expect(new Set(world.rounds.map((r) => r.to)).size).toBe(4);
      expect(world.rounds.filter((r) => r.to === idOf(3)).length).toBeGreaterThanOrEqual(3);
      // Then it is as quiet as others.
      expect(world.rounds.length).toBeLessThanOrEqual(8);
      const fresh = new World(5, seed);
      fresh.until(800);
      expect(fresh.rounds.length).toBeLessThanOrEqual(2);
    }
  });

  it('of a node that comes back falls into the usual pauses when answers go on to differ, or do not come', () => {
    for (const answer of ['different', null] as const) {
      const world = new World(5, 1, true);
      world.answers = () => answer;
      world.until(60_000);
      expect(world.rounds.filter((r) => r.atMs < 2000).length).toBeLessThanOrEqual(answer === null ? 1 : 18);
      expect(Math.min(...world.pauses(3500))).toBeGreaterThan(200);
    }
    const large = new World(500, 1, true);
    large.answers = () => 'different';
    large.until(10_000);
    expect(Math.min(...large.pauses())).toBeGreaterThan(200);
  });

  it('asks three times at growing timeouts before it calls a round unanswered', () => {
    const world = new World(2);
    world.answers = () => null;
    world.until(2500);
    const [a, b, c] = world.sent.map((s) => s.atMs) as [number, number, number];
    expect(new Set(world.sent.slice(0, 3).map((s) => s.nonce)).size).toBe(1);
    expect(c - b).toBeGreaterThan(b - a);
    world.until(60_000);
    expect(world.sync.counters.unanswered).toBeGreaterThan(5);
    expect(world.sync.counters.equal).toBe(0);
    expect(world.sent.length).toBeLessThanOrEqual(3 * world.rounds.length);
  });

  it('takes a round trip only from the first question of the present round', () => {
    const world = new World(2);
    world.answers = () => null;
    world.until(200);
    const { to, nonce, atMs } = world.sent[0] as { to: NodeId; nonce: number; atMs: number };
    expect(world.sync.answered(to, nonce + 1, true, atMs + 4)).toBe(-1);
    expect(world.sync.answered(idOf(9), nonce, true, atMs + 4)).toBe(-1);
    expect(world.sync.answered(to, nonce, true, atMs + 4)).toBe(4);
    expect(world.sync.answered(to, nonce, true, atMs + 5)).toBe(-1);
  });

  it('has no round trip from an answer to a question asked twice', () => {
    const world = new World(2);
    world.answers = () => null;
    while (world.sent.length < 2) world.until(world.sync.nextMs());
    const { to, nonce, atMs } = world.sent[1] as { to: NodeId; nonce: number; atMs: number };
    expect(world.sync.answered(to, nonce, true, atMs + 4)).toBe(-1);
    expect(world.sync.counters.equal).toBe(1);
  });

  it('gives silent members a share of the rounds, and meets the other side of a partition in time', () => {
    let late = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const world = new World(4, seed);
      const away = new Set([idOf(3), idOf(4)]);
      world.answers = (to) => (away.has(to) ? null : 'equal');
      world.until(120_000);
      const asked = world.rounds.filter((r) => r.atMs > 60_000);
      const share = asked.filter((r) => away.has(r.to)).length / asked.length;
      expect(share).toBeGreaterThan(0.2);
      expect(share).toBeLessThan(0.75);
      world.answers = () => 'equal';
      world.until(135_000);
      if (!world.rounds.some((r) => r.atMs > 120_000 && away.has(r.to))) late++;
    }
    expect(late).toBe(0);
  });

  it('spreads its rounds over all that answer, not over those heard last', () => {
    const world = new World(60);
    world.answers = () => 'different';
    world.until(120_000);
    expect(new Set(world.rounds.map((r) => r.to)).size).toBeGreaterThan(40);
  });

  it('leaves those that left alone while there is anybody else, and looks for them when there is not', () => {
    const world = new World(3);
    world.members.merge({ ...recordOf(idOf(3)), state: STATE.left });
    world.until(120_000);
    expect(new Set(world.rounds.map((r) => r.to))).toEqual(new Set([idOf(2)]));
    const alone = new World(2);
    alone.members.merge({ ...recordOf(idOf(2)), state: STATE.left });
    alone.answers = () => null;
    alone.until(60_000);
    expect(alone.rounds.length).toBeGreaterThan(1);
  });

  it('of a node that knows nobody sends nothing and does not spin', () => {
    const world = new World(1);
    for (let wakes = 0; wakes < 100 && world.nowMs < 60_000; wakes++) world.until(world.sync.nextMs());
    expect(world.nowMs).toBeGreaterThan(60_000);
    expect(world.sent).toEqual([]);
  });

  const HOUR_MS = 3_600_000;

  /** A group in which the last `down` of `count` died at the beginning. */
  function bereaved(count: number, down: number): { world: World; dead: Set<NodeId> } {
    const world = new World(count);
    const dead = new Set<NodeId>();
    for (let i = count - down + 1; i <= count; i++) {
      dead.add(idOf(i));
      world.members.merge({ ...recordOf(idOf(i)), state: STATE.down });
      const member = world.members.get(idOf(i));
      if (member !== undefined) member.stateMs = 0;
    }
    world.answers = (to) => (dead.has(to) ? null : 'equal');
    return { world, dead };
  }

  it('contacts a dead member for ever, and the more rarely the longer it has been dead', () => {
    const { world, dead } = bereaved(20, 1);
    const contacts = (fromMs: number): number => {
      world.until(fromMs + HOUR_MS);
      return world.rounds.filter((r) => r.atMs >= fromMs && dead.has(r.to)).length;
    };
    const [first, third, yearLater, after] = [0, 2 * HOUR_MS, 365 * 24 * HOUR_MS, 400 * 24 * HOUR_MS].map(
      (fromMs) => {
        // Nothing happens meanwhile that is worth walking through.
        if (fromMs > world.nowMs + 24 * HOUR_MS) world.skip(fromMs);
        return contacts(fromMs);
      },
    ) as [number, number, number, number];
    expect(first).toBeGreaterThan(2 * third);
    expect(third).toBeGreaterThanOrEqual(yearLater);
    for (const late of [yearLater, after]) {
      expect(late).toBeGreaterThan(4);
      expect(late).toBeLessThan(20);
    }
  });

  it('costs the same with a thousand dead members as with a few, and comes round to all of them', () => {
    const hours = 200;
    const sentFor = (down: number): { perHour: number; met: number } => {
      const { world, dead } = bereaved(100 + down, down);
      world.until(hours * HOUR_MS);
      const met = new Set(world.rounds.filter((r) => dead.has(r.to)).map((r) => r.to)).size;
      return { perHour: world.sent.length / hours, met };
    };
    const few = sentFor(60);
    const many = sentFor(1000);
    expect(many.perHour).toBeLessThan(1.1 * few.perHour);
    // At most three digests each of the longest pauses.
    expect(many.perHour).toBeLessThan((3 * HOUR_MS) / 24_000);
    expect(many.met).toBe(1000);
  });
});
