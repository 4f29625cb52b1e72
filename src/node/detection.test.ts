import { describe, expect, it } from 'vitest';
import type { Address, NodeId } from '../base/index.ts';
import { DETECTION } from '../members/index.ts';
import { ENVELOPE_BYTES, KIND } from '../wire/index.ts';
import type { NodeOptions } from './machine.ts';
import { Lab, type Seat } from './testing/lab.ts';

const CONTACT = '10.0.0.0:1' as Address;

/** A group by the tree alone, settled. */
function group(count: number, over: Partial<NodeOptions> = {}): { lab: Lab; seats: Seat[] } {
  const lab = new Lab();
  const seats: Seat[] = [];
  for (let i = 0; i < count; i++)
    seats.push(lab.add({ multicast: false, join: i === 0 ? [] : [CONTACT], ...over }));
  lab.run(8000);
  return { lab, seats };
}

const statusOf = (seat: Seat, id: NodeId): string | undefined =>
  seat.node.members(0).find((member) => member.id === id)?.status;

describe('the verdict over a dead member', () => {
  it('names who accused and who decided, on every node, and its return names itself', () => {
    const { lab, seats } = group(5);
    const dead = seats[4] as Seat;
    const others = seats.slice(0, 4);
    dead.cut = true;
    lab.run(8000);
    const living = new Set(others.map(({ node }) => node.id));
    const origins = (type: string): (NodeId | null | undefined)[] =>
      others.map(
        ({ events }) => events.findLast((e) => e.type === type && e.subject === dead.node.id)?.origin,
      );
    for (const type of ['member-suspect', 'member-down']) {
      for (const origin of origins(type)) expect(living, type).toContain(origin);
    }
    expect(new Set(origins('member-down')).size).toBe(1);
    dead.cut = false;
    lab.run(60_000);
    expect(origins('member-join')).toEqual(others.map(() => dead.node.id));
    expect(lab.digests().size).toBe(1);
    expect(others.map((seat) => statusOf(seat, dead.node.id))).toEqual(others.map(() => 'alive'));
  });

  it('comes within the documented time of the settings, sooner with a shorter probe period', () => {
    const took = (probePeriodMs: number): number => {
      const { lab, seats } = group(6, { detection: { probePeriodMs } });
      const dead = seats[5] as Seat;
      dead.cut = true;
      const fromMs = lab.nowMs;
      while (statusOf(seats[0] as Seat, dead.node.id) !== 'down' && lab.nowMs < fromMs + 120_000) lab.run(20);
      return lab.nowMs - fromMs;
    };
    // Two periods to the first probe (they are jittered), seven answer times to the suspicion, S periods to the verdict.
    const bound = (periodMs: number): number => (2.2 + DETECTION.suspicionPeriods) * periodMs + 7 * 90;
    const [slow, usual, fast] = [8000, 800, 200].map(took) as [number, number, number];
    expect(fast).toBeLessThan(usual);
    expect(usual).toBeLessThan(slow);
    expect(slow).toBeLessThan(bound(8000));
    expect(usual).toBeLessThan(bound(800));
    expect(fast).toBeLessThan(bound(200));
  });
});

describe('a node that is not answered', () => {
  it('says so in its warnings, and with what to do, until it is answered again', () => {
    const { lab, seats } = group(5);
    const alone = seats[0] as Seat;
    expect(alone.node.warnings().join()).not.toContain('answers come late');
    for (const seat of seats.slice(1)) seat.cut = true;
    lab.run(1500);
    expect(alone.node.healthScore()).toBeGreaterThan(0);
    expect(alone.node.warnings().join()).toMatch(
      /answers come late or not at all \(health \d of 8\).*later: see whether/,
    );
    // Whoever can forge a datagram can make it look as if a key were missing: that must not hide it.
    expect(alone.node.warnings(true).join()).toMatch(
      /answers come late or not at all \(health \d of 8\).*want of a key, as said before, see whether/,
    );
    for (const seat of seats.slice(1)) seat.cut = false;
    lab.run(120_000);
    expect(alone.node.warnings().join()).not.toContain('answers come late');
  });
});

describe('a leave', () => {
  it('is known to all and over in some milliseconds, with multicast and without', () => {
    for (const multicast of [true, false]) {
      const lab = new Lab();
      const seats = Array.from({ length: 6 }, (_, i) =>
        lab.add({ multicast, join: i === 0 ? [] : [CONTACT] }),
      );
      lab.run(15_000);
      const leaver = seats[2] as Seat;
      lab.command(leaver, { kind: 'leave', release: false });
      lab.run(15);
      expect(leaver.node.hasLeft).toBe(true);
      const others = seats.filter((seat) => seat !== leaver);
      expect(others.map((seat) => statusOf(seat, leaver.node.id))).toEqual(others.map(() => 'left'));
    }
  });
});

describe('a leave right after the start', () => {
  it('is known to all who heard of the node, whenever in its first second it comes', () => {
    for (const multicast of [true, false]) {
      const lab = new Lab();
      const seats = Array.from({ length: 3 }, (_, i) =>
        lab.add({ multicast, join: i === 0 ? [] : [CONTACT] }),
      );
      lab.run(15_000);
      let met = 0;
      for (const afterMs of [0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 30, 200, 230, 260, 300, 1000]) {
        for (const join of [[CONTACT], multicast ? [] : [CONTACT]]) {
          const hasty = lab.add({ multicast, join });
          lab.run(afterMs);
          lab.command(hasty, { kind: 'leave', release: false });
          lab.run(60);
          const how = `${afterMs} ms, ${join.length} contacts, ${multicast}`;
          expect(hasty.node.hasLeft, how).toBe(true);
          hasty.cut = true;
          lab.run(6000);
          for (const seat of seats) {
            const seen = statusOf(seat, hasty.node.id);
            expect([undefined, 'left'], how).toContain(seen);
            if (seen === 'left') met++;
          }
        }
      }
      expect(met).toBeGreaterThan(60);
    }
  });
});

describe('a group with nodes of other versions', () => {
  const PROBES: readonly (number | undefined)[] = [
    KIND.probe,
    KIND.probeAck,
    KIND.probeAsk,
    KIND.probeReport,
  ];

  it('counts kinds of message it does not know, and does nothing else with them', () => {
    const { lab, seats } = group(2);
    const [a, b] = seats as [Seat, Seat];
    const before = { received: [...a.node.receivedMessages], digest: a.node.digest() };
    const bytes = b.node.link.codec.encode({ kind: KIND.askRepair, seqs: [1] });
    bytes[ENVELOPE_BYTES + 1] = 120;
    a.node.datagram(bytes, CONTACT, false, lab.nowMs);
    expect(a.node.drops['unknown-kind']).toBe(1);
    expect(a.node.receivedMessages).toEqual(before.received);
    expect(a.node.digest()).toBe(before.digest);
    const family = a.node.metrics(lab.nowMs).find(({ name }) => name === 'shoal_messages_dropped_total');
    expect(family?.samples).toContainEqual({ labels: { reason: 'unknown-kind' }, value: 1 });
  });

  it('holds together when one of them does not know what a probe is: it is suspected, says no, and all agree', () => {
    const { lab, seats } = group(4);
    const old = seats[3] as Seat;
    const datagram = old.node.datagram.bind(old.node);
    old.node.datagram = (bytes, from, via, nowMs) => {
      if (!PROBES.includes(bytes[ENVELOPE_BYTES + 1])) datagram(bytes, from, via, nowMs);
    };
    lab.run(120_000);
    lab.ask(seats[0] as Seat, { kind: 'register', start: 1, end: 2, priority: 3 });
    lab.run(10_000);
    expect(lab.digests().size).toBe(1);
    expect(old.node.ranges()).toHaveLength(1);
    for (const seat of seats.slice(0, 3)) {
      for (const other of seats.slice(0, 3))
        expect(['alive', 'suspect']).toContain(statusOf(seat, other.node.id));
      expect(seat.events.some((e) => e.type === 'member-suspect' && e.subject === old.node.id)).toBe(true);
    }
  });
});

describe('a member down for longer than forget_after', () => {
  const HOUR_MS = 3_600_000;

  it('is marked left on all nodes by whoever sees it first, and comes back when it lives after all', () => {
    const { lab, seats } = group(4, { forgetAfterMs: HOUR_MS });
    const gone = seats[3] as Seat;
    const others = seats.slice(0, 3);
    gone.cut = true;
    lab.run(0.9 * HOUR_MS);
    expect(others.map((seat) => statusOf(seat, gone.node.id))).toEqual(['down', 'down', 'down']);
    // Alone among four it forgets nobody.
    lab.run(0.2 * HOUR_MS);
    expect(others.map((seat) => statusOf(seat, gone.node.id))).toEqual(['left', 'left', 'left']);
    expect(gone.node.memberCounts()).toMatchObject({ alive: 1, down: 3, left: 0 });
    const leaves = others.map(({ events }) => events.find((e) => e.type === 'member-leave')?.origin);
    expect(new Set(leaves).size).toBe(1);
    expect(others.map(({ node }) => node.id)).toContain(leaves[0]);
    gone.cut = false;
    lab.run(60_000);
    expect(others.map((seat) => statusOf(seat, gone.node.id))).toEqual(['alive', 'alive', 'alive']);
    expect(lab.digests().size).toBe(1);
  });

  it('is remembered for ever when nothing is set', () => {
    const { lab, seats } = group(3);
    const gone = seats[2] as Seat;
    gone.cut = true;
    lab.run(8 * HOUR_MS);
    expect(statusOf(seats[0] as Seat, gone.node.id)).toBe('down');
  });

  it('counts from the start of a process that found it down already', () => {
    const { lab, seats } = group(3);
    const gone = seats[2] as Seat;
    gone.cut = true;
    lab.run(20_000);
    const journal = [...(seats[0] as Seat).journal];
    const second = new Lab();
    const again = second.add({ multicast: false, forgetAfterMs: HOUR_MS }, { journal, incarnation: 2 });
    // Its peer of before, so that the living are more than the dead.
    second.add({ multicast: false, join: [CONTACT] }, { incarnation: 2 });
    second.run(0.9 * HOUR_MS);
    expect(statusOf(again, gone.node.id)).toBe('down');
    second.run(0.2 * HOUR_MS);
    expect(statusOf(again, gone.node.id)).toBe('left');
  });
});
