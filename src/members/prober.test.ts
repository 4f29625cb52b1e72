import { describe, expect, it } from 'vitest';
import { type Address, type NodeId, SeededRng } from '../base/index.ts';
import { MemberList } from './list.ts';
import { DETECTION, Prober } from './prober.ts';
import { type MemberRecord, type MemberState, STATE } from './record.ts';
import { suspicionMs } from './suspicion.ts';

const idOf = (n: number): NodeId => n.toString(16).padStart(16, '0') as NodeId;

function recordOf(n: number, state: MemberState = STATE.alive, incarnation = 1): MemberRecord {
  return {
    id: idOf(n),
    incarnation,
    state,
    reachVersion: 0,
    reach: idOf(n),
    name: `n${n}`,
    addresses: [`10.0.0.${n}:1` as Address],
    resp: null,
    tags: {},
    capacity: {},
    version: '1',
    bootNonce: n,
  };
}

/** The prober of node 1 among `count`. Who is in `dead` answers nothing; answers and nacks take 1 ms. */
class Lab {
  readonly members = new MemberList(recordOf(1));
  readonly prober: Prober;
  readonly probes: { to: NodeId; atMs: number }[] = [];
  readonly asks: NodeId[] = [];
  readonly reports: { to: NodeId; nonce: number; answered: boolean }[] = [];
  readonly verdicts: { what: string; id: NodeId; atMs: number; accusers: readonly NodeId[] }[] = [];
  readonly dead = new Set<NodeId>();
  /** Helpers say when they got no answer. */
  nacks = true;
  answerMs = 1;
  nowMs = 0;
  #queue: { atMs: number; run: () => void }[] = [];

  constructor(count: number, seed = 1) {
    for (let n = 2; n <= count; n++) this.members.merge(recordOf(n));
    this.prober = new Prober(this.members, new SeededRng(seed), DETECTION, {
      probe: (to, nonce, atMs) => {
        this.probes.push({ to, atMs });
        if (!this.dead.has(to))
          this.#later(this.answerMs, () => this.prober.answered(to, nonce, null, this.nowMs));
      },
      ask: (helper, target, nonce) => {
        this.asks.push(helper);
        const answered = !this.dead.has(target);
        if (answered || this.nacks)
          this.#later(answered ? 2 * this.answerMs : 50, () =>
            this.prober.reported(helper, nonce, answered, this.nowMs),
          );
      },
      report: (to, nonce, answered) => this.reports.push({ to, nonce, answered }),
      suspect: (id, accusers, atMs) => this.#verdict('suspect', STATE.suspect, id, accusers, atMs),
      down: (id, atMs) => this.#verdict('down', STATE.down, id, [], atMs),
    });
    this.prober.start(0);
    this.prober.wake(0);
  }

  run(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    for (;;) {
      this.#queue.sort((a, b) => a.atMs - b.atMs);
      const event = this.#queue[0];
      const atMs = Math.min(event?.atMs ?? Infinity, this.prober.nextMs());
      if (atMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, atMs);
      if (event !== undefined && event.atMs <= this.nowMs) {
        this.#queue.shift();
        event.run();
      }
      this.prober.wake(this.nowMs);
    }
    this.nowMs = untilMs;
  }

  /** The process does not run; what came meanwhile is read after its timers, as on a real event loop. */
  stall(forMs: number): void {
    this.nowMs += forMs;
    this.prober.wake(this.nowMs);
  }

  learn(record: MemberRecord): void {
    this.members.merge(record);
    this.prober.changed(record, this.nowMs);
  }

  #verdict(what: string, state: MemberState, id: NodeId, accusers: readonly NodeId[], atMs: number): void {
    this.verdicts.push({ what, id, atMs, accusers });
    const member = this.members.get(id);
    if (member !== undefined) this.learn({ ...member.record, state });
  }

  #later(ms: number, run: () => void): void {
    this.#queue.push({ atMs: this.nowMs + ms, run });
  }
}

const minMs = DETECTION.suspicionPeriods * DETECTION.probePeriodMs;

describe('a suspicion', () => {
  it('lasts three minima without confirmation, one with all wanted, and less with each', () => {
    const lasts = [0, 1, 2, 3, 4].map((confirmations) => suspicionMs(1000, confirmations, 3));
    expect(lasts).toEqual([3000, 2000, expect.closeTo(1415, 0), 1000, 1000]);
    expect(suspicionMs(1000, 0, 0)).toBe(1000);
  });
});

describe('the prober', () => {
  it('probes the next in the ring every other period, and everybody within a walk of its list', () => {
    const lab = new Lab(20);
    lab.run(2 * 20 * DETECTION.probePeriodMs * 1.1);
    const ring = lab.probes.filter((probe) => probe.to === idOf(2)).map((probe) => probe.atMs);
    const pauses = ring.slice(1).map((atMs, i) => atMs - (ring[i] as number));
    expect(Math.max(...pauses)).toBeLessThan(2 * DETECTION.probePeriodMs * 1.11);
    expect(new Set(lab.probes.map((probe) => probe.to)).size).toBe(19);
    expect(lab.probes.length).toBeLessThan(2 * 20 * 1.3);
    expect(lab.verdicts).toEqual([]);
  });

  it('suspects a dead member with the helpers that confirm it, and calls it down after one minimum', () => {
    const lab = new Lab(10);
    lab.run(10_000);
    const { nowMs } = lab;
    lab.dead.add(idOf(2));
    lab.run(6000);
    const [suspect, down] = lab.verdicts;
    expect(lab.verdicts.map((verdict) => verdict.what)).toEqual(['suspect', 'down']);
    expect(suspect?.id).toBe(idOf(2));
    expect(suspect?.accusers).toHaveLength(4);
    expect(suspect?.accusers).not.toContain(idOf(2));
    expect((down?.atMs ?? 0) - (suspect?.atMs ?? 0)).toBeCloseTo(minMs, -1);
    expect((down?.atMs ?? 0) - nowMs).toBeLessThan(2 * DETECTION.probePeriodMs + 500 + minMs);
    expect(lab.prober.health.score).toBe(0);
  });

  it('trusts itself less when the helpers do not even say that there was no answer, and waits longer', () => {
    const lab = new Lab(10);
    lab.run(10_000);
    lab.nacks = false;
    lab.dead.add(idOf(2));
    lab.run(3000);
    expect(lab.verdicts.map((verdict) => verdict.what)).toEqual(['suspect']);
    expect(lab.prober.health.score).toBeGreaterThan(0);
    lab.run(60_000);
    const [suspect, down] = lab.verdicts;
    expect((down?.atMs ?? 0) - (suspect?.atMs ?? 0)).toBeGreaterThan(2 * minMs);
  });

  it('trusts itself again, a point a period, when the one other member is down and nobody is left to ask', () => {
    const lab = new Lab(2);
    lab.run(2000);
    lab.dead.add(idOf(2));
    lab.run(30_000);
    expect(lab.verdicts.map(({ what }) => what)).toEqual(['suspect', 'down']);
    lab.prober.health.worsen(8);
    const worst = lab.prober.health.score;
    lab.run(9 * DETECTION.probePeriodMs);
    expect(lab.prober.health.score).toBeLessThan(worst);
    lab.run(60_000);
    expect(lab.prober.health.score).toBe(0);
  });

  it('never calls down whom it reaches while it accuses, whether or not the refutation is heard', () => {
    const lab = new Lab(10);
    lab.run(5000);
    lab.dead.add(idOf(2));
    for (let i = 0; i < 40 && lab.verdicts.length === 0; i++) lab.run(100);
    lab.dead.clear();
    lab.run(60_000);
    expect(lab.verdicts.map((verdict) => verdict.what)).toEqual(['suspect']);
  });

  it('drops its accusation at a refutation', () => {
    const lab = new Lab(10);
    lab.run(5000);
    lab.dead.add(idOf(2));
    for (let i = 0; i < 40 && lab.verdicts.length === 0; i++) lab.run(100);
    expect(lab.prober.suspected).toBe(1);
    lab.learn(recordOf(2, STATE.alive, 2));
    expect(lab.prober.suspected).toBe(0);
    lab.run(300);
    expect(lab.verdicts).toHaveLength(1);
  });

  it('accuses nobody for what went unanswered while its own process stood still', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const lab = new Lab(10, seed);
      lab.run(5000 + 37 * seed);
      for (let n = 2; n <= 10; n++) lab.dead.add(idOf(n));
      // All probes of a round are out, and the process stops before any answer is read.
      lab.nacks = false;
      const open = (): boolean => new Set(lab.probes.slice(-4).map((probe) => probe.to)).size === 1;
      for (let i = 0; i < 400 && !open(); i++) lab.run(5);
      lab.dead.clear();
      lab.stall(5000);
      lab.run(10_000);
      expect(lab.verdicts, `seed ${seed}`).toEqual([]);
      expect(lab.prober.counters.stalls).toBe(1);
    }
  });

  it('takes no round trip from what was out while its own process stood still', () => {
    for (const timersFirst of [true, false]) {
      const lab = new Lab(5);
      lab.run(10_000);
      lab.prober.errand(idOf(3), 77, idOf(2), lab.nowMs);
      if (timersFirst) lab.stall(10_000);
      else lab.nowMs += 10_000;
      lab.run(1000);
      expect(lab.prober.counters.stalls).toBe(1);
      expect(lab.members.get(idOf(2))?.srttMs).toBeCloseTo(1, 5);
      expect(lab.members.get(idOf(2))?.rtt.timeoutMs()).toBe(60);
    }
  });

  it('takes no round trip from one that stood still under suspicion, but gives it more time until it is measured', () => {
    const lab = new Lab(5);
    lab.run(10_000);
    lab.dead.add(idOf(2));
    for (let i = 0; i < 40 && lab.prober.suspected === 0; i++) lab.run(100);
    lab.answerMs = 700;
    lab.dead.clear();
    const rtt = lab.members.get(idOf(2))?.rtt;
    for (let i = 0; i < 100 && rtt?.timeoutMs() === 60; i++) lab.run(10);
    expect(rtt?.srttMs).toBeCloseTo(1, 5);
    expect(rtt?.timeoutMs()).toBe(120);
    lab.answerMs = 1;
    lab.learn(recordOf(2, STATE.alive, 2));
    lab.run(10_000);
    expect(rtt?.timeoutMs()).toBe(60);
  });

  it('learns that a network has become slower than its timeouts', () => {
    const lab = new Lab(5);
    lab.run(10_000);
    lab.answerMs = 700;
    for (let i = 0; i < 60; i++) {
      lab.run(1000);
      for (let n = 2; n <= 5; n++) {
        const { state, incarnation } = lab.members.get(idOf(n))?.record ?? recordOf(n);
        if (state !== STATE.alive) lab.learn(recordOf(n, STATE.alive, incarnation + 1));
      }
    }
    lab.verdicts.length = 0;
    lab.run(30_000);
    expect(lab.verdicts).toEqual([]);
    expect(lab.members.get(idOf(2))?.srttMs).toBeGreaterThan(500);
  });

  it('probes for another, and says whether there was an answer', () => {
    const lab = new Lab(5);
    lab.prober.errand(idOf(3), 77, idOf(2), lab.nowMs);
    lab.run(100);
    expect(lab.reports).toEqual([{ to: idOf(3), nonce: 77, answered: true }]);
    lab.dead.add(idOf(2));
    lab.prober.errand(idOf(3), 78, idOf(2), lab.nowMs);
    lab.run(2000);
    expect(lab.reports[1]).toEqual({ to: idOf(3), nonce: 78, answered: false });
  });

  it('looks for itself when a suspicion of others is neither refuted nor decided', () => {
    const lab = new Lab(200);
    lab.run(1000);
    lab.dead.add(idOf(150));
    lab.learn(recordOf(150, STATE.suspect));
    expect(lab.verdicts).toEqual([]);
    lab.run(15_000);
    expect(lab.verdicts.map(({ what, id }) => [what, id])).toEqual([
      ['suspect', idOf(150)],
      ['down', idOf(150)],
    ]);
  });

  it('runs a bounded number of errands at once', () => {
    const lab = new Lab(5);
    lab.dead.add(idOf(2));
    for (let i = 0; i < 1000; i++) lab.prober.errand(idOf(3), i, idOf(2), lab.nowMs);
    expect(lab.prober.counters.errandsRefused).toBe(1000 - 64);
    lab.run(5000);
    expect(lab.reports).toHaveLength(64);
  });
});
