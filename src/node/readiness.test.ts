import { describe, expect, it } from 'vitest';
import type { Address } from '../base/index.ts';
import { Lab, type Seat } from './testing/lab.ts';

const CONTACT = '10.0.0.0:1' as Address;

function group(): { lab: Lab; seats: Seat[] } {
  const lab = new Lab();
  const seats = [0, 1, 2].map((i) => lab.add({ multicast: false, join: i === 0 ? [] : [CONTACT] }));
  lab.run(10_000);
  return { lab, seats };
}

/** Runs until it is so; how long that took. */
function until(lab: Lab, forMs: number, isSo: () => boolean): number {
  const fromMs = lab.nowMs;
  while (!isSo() && lab.nowMs - fromMs < forMs) lab.run(100);
  return lab.nowMs - fromMs;
}

describe('a node', () => {
  it('that hears nobody any more is not ready until all others are down, then it is the last of its group', () => {
    const { lab, seats } = group();
    const [a, b, c] = seats as [Seat, Seat, Seat];
    b.cut = c.cut = true;
    const down = (): boolean => a.node.memberCounts().down === 2;
    expect(until(lab, 20_000, () => !a.node.ready().ready || down())).toBeGreaterThan(5000);
    if (!down()) expect(a.node.ready().reason).toContain('this node may be cut off');
    until(lab, 30_000, down);
    expect(a.node.memberCounts()).toMatchObject({ alive: 1, down: 2 });
    expect(a.node.ready()).toEqual({ ready: true, reason: 'ready' });
  });

  it('that hears nobody at its start is not ready for a minute, as it may be cut off', () => {
    const { journal } = group().seats[2] as Seat;
    const lab = new Lab();
    for (let i = 0; i < 2; i++) lab.add({ multicast: false }).cut = true;
    const alone = lab.add({ multicast: false }, { leaseFrom: 1025, journal, incarnation: 2 });
    lab.run(1000);
    expect(alone.node.ready()).toEqual({
      ready: false,
      reason: 'nothing is heard of any of the 2 other members: this node may be cut off',
    });
    lab.run(19_000);
    expect(alone.node.memberCounts()).toMatchObject({ alive: 1, down: 2 });
    expect(alone.node.ready()).toMatchObject({ ready: false });
    const tookMs = until(lab, 60_000, () => alone.node.ready().ready);
    expect(tookMs).toBeGreaterThan(38_000);
    expect(alone.node.ready().ready).toBe(true);
  });

  it('that comes back to its group is ready when it has compared its state', () => {
    const { lab, seats } = group();
    const [, , c] = seats as [Seat, Seat, Seat];
    const again = new Lab();
    again.add({ multicast: false });
    const back = again.add(
      { multicast: false, join: [CONTACT] },
      { leaseFrom: 1025, journal: c.journal, incarnation: 2 },
    );
    expect(lab.seats).toHaveLength(3);
    expect(back.node.ready().ready).toBe(false);
    expect(until(again, 5000, () => back.node.ready().ready)).toBeLessThan(3000);
  });
});
