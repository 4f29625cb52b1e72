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
