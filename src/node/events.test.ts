import { describe, expect, it } from 'vitest';
import type { Address, NodeId } from '../base/index.ts';
import { LIMITS } from '../base/index.ts';
import { KIND } from '../wire/index.ts';
import { decodeGroup, Outbox } from './group.ts';
import { Lab, type Seat } from './testing/lab.ts';

const register = (start: number) => ({ kind: 'register', start, end: start, priority: 1 }) as const;

describe('an event', () => {
  it('that came by a session names no node that did not make the change', () => {
    const lab = new Lab();
    const a = lab.add({ multicast: false });
    const b = lab.add({ multicast: false, join: ['10.0.0.0:1' as Address] });
    lab.run(3000);
    lab.ask(b, register(5));
    lab.ask(a, { kind: 'force-leave', node: b.node.id });
    b.cut = true;
    lab.run(45_000);
    const late = lab.add({ multicast: false, join: ['10.0.0.0:1' as Address] });
    lab.run(5000);
    const of = (type: string, subject: NodeId) =>
      late.events.find((e) => e.type === type && e.subject === subject);
    expect(late.node.ranges().length).toBe(1);
    expect(of('range-registered', b.node.id)?.origin).toBe(b.node.id);
    expect(of('member-join', a.node.id)?.origin).toBe(a.node.id);
  });

  it('of a release found by comparing is of unknown origin', () => {
    const lab = new Lab();
    const a = lab.add({ multicast: false });
    const b = lab.add({ multicast: false, join: ['10.0.0.0:1' as Address] });
    const c = lab.add({ multicast: false, join: ['10.0.0.0:1' as Address] });
    lab.run(3000);
    lab.ask(a, register(5));
    lab.run(500);
    c.cut = true;
    lab.ask(a, { kind: 'release', start: 5, end: 5 });
    lab.run(45_000);
    a.cut = true;
    c.cut = false;
    lab.run(20_000);
    expect(c.node.ranges()).toEqual([]);
    const event = c.events.find((e) => e.type === 'range-released');
    expect(event?.origin).not.toBe(b.node.id);
  });
});

describe('the figures of what was sent', () => {
  it('leave out what did not fit a datagram', () => {
    const lab = new Lab();
    const { node } = lab.add();
    const sent = node.link.sentMessages[KIND.multicast];
    const payload = new Uint8Array(LIMITS.datagramBytes);
    const m = { kind: KIND.multicast, bootNonce: 1, seq: 1, id: 1, ageMs: 0, payload } as const;
    expect(node.link.multicast(m)).toBe(false);
    expect(node.link.sentMessages[KIND.multicast]).toBe(sent);
    expect(node.link.counters.oversized).toBe(0);
  });
});

describe('owners that changed', () => {
  const trio = () => {
    const lab = new Lab();
    const [a, b, c] = [lab.add(), lab.add(), lab.add()];
    lab.run(8000);
    return { lab, a, b, c };
  };
  const owners = (seat: Seat) => seat.events.filter((event) => event.type === 'owners-changed');

  it('are told with whose registration it was and which node\u2019s delta changed it, here and elsewhere', () => {
    const { lab, a, b, c } = trio();
    lab.ask(a, { kind: 'register', start: 5, end: 9, priority: 1, node: c.node.id });
    lab.run(500);
    const told = {
      type: 'owners-changed',
      subject: c.node.id,
      name: 'n2',
      origin: a.node.id,
      range: { start: 5, end: 9, priority: null },
    };
    for (const seat of [a, b, c]) expect(owners(seat)).toEqual([told]);
    lab.ask(b, { kind: 'release', start: 5, end: 9, node: c.node.id });
    lab.run(500);
    for (const seat of [a, b, c]) expect(owners(seat)).toEqual([told, { ...told, origin: b.node.id }]);
  });

  it('by a member that left name it, and no delta', () => {
    const { lab, a, b, c } = trio();
    lab.ask(c, register(7));
    lab.ask(c, { kind: 'leave', release: false });
    lab.run(500);
    for (const seat of [a, b]) {
      expect(owners(seat).at(-1)).toMatchObject({
        subject: c.node.id,
        origin: null,
        range: { start: 7, end: 7 },
      });
    }
  });

  it('are told once for each node that moved, however many ranges came at once', () => {
    const { lab, a, c } = trio();
    for (let i = 0; i < 20; i++) {
      lab.command(a, register(10 * i));
      lab.command(a, { ...register(10 * i + 5), node: c.node.id });
    }
    lab.run(1000);
    const late = lab.add({ multicast: false, join: ['10.0.0.1:1' as Address] });
    lab.run(3000);
    expect(late.node.ranges().length).toBe(40);
    const told = owners(late).map(({ subject, origin, range }) => [
      subject,
      origin,
      range?.start,
      range?.end,
    ]);
    expect(told).toEqual(
      expect.arrayContaining([
        [a.node.id, a.node.id, 0, 190],
        [c.node.id, a.node.id, 5, 195],
      ]),
    );
    expect(told.length).toBe(2);
  });

  it('are not told of what was on the disk before', () => {
    const lab = new Lab();
    const a = lab.add();
    lab.ask(a, register(3));
    lab.run(100);
    const again = lab.add({}, { leaseFrom: 1025, journal: a.journal });
    again.cut = true;
    expect(again.node.ranges().length).toBe(1);
    expect(owners(again)).toEqual([]);
  });
});

describe('an outbox', () => {
  const record = (seat: Seat, i: number, tag = '') => ({
    ...seat.node.state.members.me().record,
    id: i.toString(16).padStart(16, '0') as NodeId,
    tags: tag === '' ? {} : { tag },
  });

  const flushed = (outbox: Outbox, nowMs: number): Uint8Array[] => {
    const payloads: Uint8Array[] = [];
    outbox.flush(nowMs, { congested: false, originate: (payload) => payloads.push(payload) });
    return payloads;
  };

  it('keeps records that one flush has no room for', () => {
    const seat = new Lab().add();
    const outbox = new Outbox(seat.node.id, 1);
    for (let i = 1; i <= 300; i++) outbox.addRecord(record(seat, i), 0);
    let got = 0;
    for (let at = 0; at < 1000; at += 10)
      for (const payload of flushed(outbox, at)) got += decodeGroup(payload)?.records.length ?? 0;
    expect(got).toBe(300);
    expect(outbox.waiting).toBe(0);
  });

  it('cuts groups by what records really take', () => {
    const seat = new Lab().add();
    const outbox = new Outbox(seat.node.id, 1);
    for (let i = 1; i <= 9; i++) outbox.addRecord(record(seat, i, 'x'.repeat(120)), 0);
    for (const payload of flushed(outbox, 0)) expect(payload.length).toBeLessThan(LIMITS.datagramBytes - 50);
  });
});
