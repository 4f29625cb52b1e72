import { describe, expect, it } from 'vitest';
import type { Address } from '../base/index.ts';
import { Lab, type Seat } from './testing/lab.ts';

const MINUTE_MS = 60_000;
const at = (seat: number): Address => `10.0.0.${seat}:1` as Address;
const alive = (lab: Lab): number[] => lab.seats.map((seat) => seat.node.memberCounts().alive);

describe('a contact that did not answer while another one did', () => {
  it('is tried for ever: two groups that only it joins become one when it comes', () => {
    const lab = new Lab();
    lab.add({ multicast: false });
    const scout = lab.add({ multicast: false, join: [at(0), at(3)] });
    lab.add({ multicast: false });
    lab.run(20 * MINUTE_MS);
    expect(alive(lab)).toEqual([2, 2, 1]);
    expect(scout.node.ready()).toMatchObject({ ready: true });
    // A refused call each minute.
    const before = scout.node.sessions.counters.called;
    lab.run(60 * MINUTE_MS);
    expect(scout.node.sessions.counters.called - before).toBeLessThanOrEqual(90);
    expect(scout.node.sessions.counters.called - before).toBeGreaterThanOrEqual(45);
    lab.add({ multicast: false, join: [at(2)] });
    lab.run(1.5 * MINUTE_MS);
    expect(alive(lab)).toEqual([4, 4, 4, 4]);
    expect(lab.digests().size).toBe(1);
  });

  it('is tried within seconds first', () => {
    const lab = new Lab();
    lab.add({ multicast: false });
    lab.add({ multicast: false, join: [at(0), at(3)] });
    lab.add({ multicast: false });
    lab.run(1000);
    lab.add({ multicast: false, join: [at(2)] });
    lab.run(0.2 * MINUTE_MS);
    expect(alive(lab)).toEqual([4, 4, 4, 4]);
  });

  it('is left alone once it answered, or while its address is a member\u2019s, this node\u2019s own included', () => {
    const lab = new Lab();
    for (let i = 0; i < 4; i++) lab.add({ multicast: false, join: [at(0), at(1), at(2), at(3)] });
    lab.run(5 * MINUTE_MS);
    const called = (seat: Seat): number => seat.node.sessions.counters.called;
    const before = lab.seats.map(called);
    lab.run(60 * MINUTE_MS);
    expect(lab.seats.map(called)).toEqual(before);
    expect(alive(lab)).toEqual([4, 4, 4, 4]);
  });
});

describe('asking whether all agree', () => {
  it('is shared by those who ask within a twentieth of a second, and answered within it', () => {
    const lab = new Lab();
    for (let i = 0; i < 5; i++) lab.add();
    lab.run(MINUTE_MS);
    const [a] = lab.seats as [Seat];
    let sent = 0;
    const { comparison } = a.node;
    const send = comparison.send.bind(comparison);
    comparison.send = (...args) => {
      sent++;
      return send(...args);
    };
    // As many readers as may wait, each asking again as soon as it has its answer.
    const startMs = lab.nowMs;
    const tokens = new Map<number, number>();
    let answered = 0;
    while (lab.nowMs - startMs < 1000) {
      while (tokens.size < 8) tokens.set(lab.command(a, { kind: 'converged', waitMs: 0 }), lab.nowMs);
      lab.run(1);
      for (const [token, askedMs] of tokens) {
        const answer = a.answers.get(token);
        if (answer === undefined) continue;
        expect(answer).toMatchObject({ ok: { converged: true } });
        expect(lab.nowMs - askedMs).toBeLessThan(60);
        tokens.delete(token);
        answered++;
      }
    }
    expect(answered).toBeGreaterThan(8 * 15);
    expect(sent).toBeLessThanOrEqual(4 * 21);
    expect(sent).toBeGreaterThan(4 * 5);
    // Alone it is asked at once.
    lab.run(1000);
    const lastMs = lab.nowMs;
    lab.ask(a, { kind: 'converged', waitMs: 0 });
    expect(lab.nowMs - lastMs).toBeLessThan(10);
  });
});
