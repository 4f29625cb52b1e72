import { describe, expect, it } from 'vitest';
import type { Address } from '../base/index.ts';
import { Lab, type Seat } from './testing/lab.ts';

/** Nobody is at the first address; the second is where the seat is. */
const DEAD = '10.0.0.99:1' as Address;

describe('a member with several addresses', () => {
  it('is reached at a later one when nobody answers at the first, by members that only heard of it', () => {
    const lab = new Lab();
    const a = lab.add({ multicast: false });
    const join = ['10.0.0.0:1' as Address];
    const b = lab.add({ multicast: false, join, advertise: DEAD, alternates: ['10.0.0.1:1' as Address] });
    const c = lab.add({ multicast: false, join });
    lab.run(20_000);
    for (const seat of [a, c]) {
      expect(seat.node.link.addressOf(b.node.id)).toBe('10.0.0.1:1');
      expect(seat.node.memberCounts()).toMatchObject({ alive: 3, down: 0 });
    }
    lab.ask(c, { kind: 'register', start: 0, end: 9, priority: 1 });
    lab.run(100);
    expect(b.node.ranges()).toHaveLength(1);
  });

  it('that moves while it runs is followed, at its first address again', () => {
    const lab = new Lab();
    const [a, b] = [lab.add(), lab.add({ advertise: DEAD, alternates: ['10.0.0.1:1' as Address] })] as [
      Seat,
      Seat,
    ];
    lab.run(10_000);
    b.node.described({ addresses: ['10.0.0.1:1' as Address] }, lab.nowMs);
    lab.run(5000);
    expect(a.node.state.members.get(b.node.id)?.record.addresses).toEqual(['10.0.0.1:1']);
    expect(a.node.link.addressOf(b.node.id)).toBe('10.0.0.1:1');
    expect(lab.digests().size).toBe(1);
    expect(a.node.warnings().join()).not.toMatch(/copied|restored/);
  });
});
