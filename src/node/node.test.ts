import { describe, expect, it } from 'vitest';
import type { Address } from '../base/index.ts';
import { STATE } from '../members/index.ts';
import { Codec, KIND } from '../wire/index.ts';
import type { ConvergedView, JoinView } from './contract.ts';
import type { Answer } from './machine.ts';
import { Lab, type Seat } from './testing/lab.ts';

const code = (answer: Answer): string | null => ('error' in answer ? answer.error.code : null);
const register = (start: number, end: number, priority = 1, node?: string) =>
  ({ kind: 'register', start, end, priority, ...(node === undefined ? {} : { node }) }) as const;
const settled = (count: number, multicast = true): Lab => {
  const lab = new Lab();
  for (let i = 0; i < count; i++)
    lab.add({ multicast, join: i === 0 || multicast ? [] : ['10.0.0.0:1' as Address] });
  lab.run(10_000);
  return lab;
};
const treeMessages = (lab: Lab): number =>
  lab.seats.reduce(
    (sum, s) => sum + (s.node.link.sentMessages[KIND.tree] ?? 0) + (s.node.link.sentMessages[KIND.list] ?? 0),
    0,
  );
const multicasts = (lab: Lab): number =>
  lab.seats.reduce((sum, s) => sum + (s.node.link.sentMessages[KIND.multicast] ?? 0), 0);

describe('a group', () => {
  it('finds itself by multicast alone, and by one contact without multicast', () => {
    for (const multicast of [true, false]) {
      const lab = settled(6, multicast);
      for (const { node } of lab.seats) expect(node.memberCounts().alive).toBe(6);
      expect(lab.digests().size).toBe(1);
      for (const { node } of lab.seats) expect(node.ready()).toEqual({ ready: true, reason: 'ready' });
    }
  });

  it('spreads a change on one link by one multicast and one directed message', () => {
    const lab = settled(12);
    const [tree, multi] = [treeMessages(lab), multicasts(lab)];
    lab.ask(lab.seats[4] as Seat, register(0, 9));
    lab.run(20);
    expect(multicasts(lab) - multi).toBe(1);
    expect(treeMessages(lab) - tree).toBe(1);
    for (const { node } of lab.seats) expect(node.ranges()).toHaveLength(1);
  });

  it('counts what a member missed while it was cut off apart from what spreading brought', () => {
    for (const multicast of [true, false]) {
      const lab = settled(4, multicast);
      const [maker, away] = [lab.seats[0] as Seat, lab.seats[3] as Seat];
      const { intake } = away.node;
      const count = (counts: readonly number[]): number => counts.reduce((sum, n) => sum + n, 0);
      const before = count(intake.repaired.counts);
      away.cut = true;
      lab.ask(maker, register(0, 9));
      lab.run(3_000);
      away.cut = false;
      lab.run(20_000);
      expect(away.node.ranges()).toHaveLength(1);
      expect(count(intake.repaired.counts)).toBeGreaterThan(before);
      expect(intake.repaired.sumSeconds).toBeGreaterThan(1);
      const spread = count(intake.propagation.counts);
      lab.ask(maker, register(10, 19));
      lab.run(100);
      expect(count(intake.propagation.counts)).toBe(spread + 1);
      for (const ms of away.node.propagationMs()) expect(ms).toBeLessThan(500);
    }
  });

  it('spreads a change without multicast by exactly n-1 messages', () => {
    const lab = settled(23, false);
    const before = treeMessages(lab);
    lab.ask(lab.seats[7] as Seat, register(0, 9));
    lab.run(20);
    expect(treeMessages(lab) - before).toBe(22);
    for (const { node } of lab.seats) expect(node.ranges()).toHaveLength(1);
  });

  it('takes changes made within a few milliseconds as one group', () => {
    const lab = settled(3);
    const seat = lab.seats[0] as Seat;
    const before = seat.node.outbox.counters.groups;
    for (let i = 0; i < 10; i++) lab.command(seat, register(i * 10, i * 10 + 5));
    lab.run(50);
    expect(seat.node.outbox.counters.groups - before).toBeLessThanOrEqual(2);
    for (const { node } of lab.seats) expect(node.ranges()).toHaveLength(10);
  });

  it('tells a joiner of another cluster so, and itself apart from others', () => {
    const lab = settled(2);
    const stranger = lab.add({ cluster: 'elsewhere', multicast: false });
    const answer = lab.ask(stranger, { kind: 'join', addresses: ['10.0.0.0:1', '10.0.0.2:1'] });
    expect((answer as { ok: JoinView }).ok).toEqual({
      reached: 0,
      failed: [
        { address: '10.0.0.0:1', message: "that node is of cluster 'lab', not 'elsewhere'" },
        { address: '10.0.0.2:1', message: 'that address is this node itself' },
      ],
    });
    expect(lab.seats[0]?.node.memberCounts().alive).toBe(2);
  });
});

describe('a command', () => {
  it('is refused with a code for what is wrong, and changes nothing', () => {
    const lab = settled(2);
    const seat = lab.seats[0] as Seat;
    const before = seat.node.digest();
    const cases: [Parameters<Lab['ask']>[1], string][] = [
      [register(10, 5), 'bad-range'],
      [register(-1, 5), 'bad-range'],
      [register(0, 2 ** 32), 'bad-range'],
      [register(0.5, 2), 'bad-range'],
      [register(0, 2, 0), 'bad-priority'],
      [register(0, 2, 2 ** 31), 'bad-priority'],
      [register(0, 2, 1, 'nobody'), 'unknown-node'],
      [register(0, 2, 1, 'ffffffffffffffff'), 'unknown-node'],
      [{ kind: 'adjust', start: 0, end: 2, by: 0 }, 'bad-amount'],
      [{ kind: 'adjust', start: 0, end: 2, by: -1 }, 'not-registered'],
      [{ kind: 'release', start: 0, end: 2 }, 'not-registered'],
      [{ kind: 'join', addresses: ['nonsense'] }, 'bad-address'],
      [{ kind: 'force-leave', node: 'n0' }, 'member-is-self'],
      [{ kind: 'force-leave', node: 'nobody' }, 'unknown-node'],
    ];
    for (const [command, expected] of cases)
      expect(code(lab.ask(seat, command)), JSON.stringify(command)).toBe(expected);
    expect(seat.node.digest()).toBe(before);
  });

  it('finds no registration where two decreases have crossed, though they are not swept yet', () => {
    const lab = settled(2);
    const [a, b] = lab.seats as [Seat, Seat];
    lab.ask(a, register(0, 9, 10));
    lab.run(100);
    const decrease = (by: number) =>
      ({ kind: 'adjust', start: 0, end: 9, by: -by, node: a.node.id }) as const;
    lab.command(a, decrease(6));
    lab.command(b, decrease(7));
    lab.run(10);
    const waits = () => lab.seats.map(({ node }) => node.state.map.entryCount);
    expect([a.node.ranges(), b.node.ranges(), waits()]).toEqual([[], [], [1, 1]]);
    expect(code(lab.ask(a, decrease(1)))).toBe('not-registered');
    expect(code(lab.ask(b, { kind: 'release', start: 0, end: 9, node: a.node.id }))).toBe('not-registered');
    expect(waits()).toEqual([1, 1]);
    // By itself, a while after.
    lab.run(120_000);
    expect(waits()).toEqual([0, 0]);
    expect(code(lab.ask(a, { ...decrease(1), by: 3 }))).toBeNull();
    expect(a.node.ranges().map((r) => r.priority)).toEqual([3]);
  });

  it('is answered when its record is on disk and not before, while the change spreads at once', () => {
    const lab = settled(2);
    const [a, b] = lab.seats as [Seat, Seat];
    const token = lab.command(a, register(0, 9, 4));
    lab.run(1.5);
    expect(a.answers.has(token)).toBe(false);
    expect(b.node.ranges()).toHaveLength(1);
    lab.run(1);
    expect(a.answers.get(token)).toEqual({
      ok: { node: a.node.id, name: 'n0', start: 0, end: 9, priority: 4 },
    });
  });

  it('that the disk refuses is taken back everywhere, later ones change nothing, and a mended disk serves again', () => {
    const lab = settled(3);
    const [a, b] = lab.seats as [Seat, Seat, Seat];
    lab.ask(a, register(0, 9, 4));
    a.diskError = { code: 'disk-full', message: 'no space left' };
    expect(code(lab.ask(a, register(0, 9, 7)))).toBe('disk-full');
    expect(code(lab.ask(a, register(20, 29)))).toBe('disk-full');
    const changed = a.node.mutations.counters.made;
    expect(code(lab.ask(a, { kind: 'release', start: 0, end: 9 }))).toBe('disk-full');
    expect(a.node.mutations.counters.made).toBe(changed);
    expect(a.node.warnings().join()).toContain('no space left');
    lab.run(3000);
    for (const seat of [a, b]) expect(seat.node.ranges().map((r) => [r.start, r.priority])).toEqual([[0, 4]]);
    a.diskError = null;
    expect(code(lab.ask(a, { kind: 'adjust', start: 0, end: 9, by: 2 }))).toBeNull();
    lab.run(1000);
    expect(b.node.ranges().map((r) => r.priority)).toEqual([6]);
    expect(a.node.warnings().join()).not.toContain('no space left');
  });

  it('waits for counters when a block is used up, and none is used twice', () => {
    const lab = settled(1);
    const seat = lab.seats[0] as Seat;
    const tokens: number[] = [];
    for (let i = 0; i < 3000; i++) tokens.push(lab.command(seat, register(i, i)));
    lab.run(200);
    for (const token of tokens) expect(code(seat.answers.get(token) as Answer)).toBeNull();
    expect(seat.node.ranges()).toHaveLength(3000);
    expect(seat.node.nextCounter()).toBe(3001);
  });

  it('on another node\u2019s entry works from anywhere, and a release of a dead node\u2019s range counts', () => {
    const lab = settled(3);
    const [a, b, c] = lab.seats as [Seat, Seat, Seat];
    lab.ask(c, register(100, 200, 3));
    c.cut = true;
    expect(code(lab.ask(a, { kind: 'release', start: 100, end: 200, node: 'n2' }))).toBeNull();
    lab.run(100);
    expect(b.node.ranges()).toEqual([]);
    c.cut = false;
    lab.run(15_000);
    expect(c.node.ranges()).toEqual([]);
    expect(lab.digests().size).toBe(1);
  });

  it('converged tells who differs, and waits for agreement when asked to', () => {
    const lab = settled(4);
    const [a, , , d] = lab.seats as [Seat, Seat, Seat, Seat];
    const yes = lab.ask(a, { kind: 'converged', waitMs: 0 }) as { ok: ConvergedView };
    expect(yes.ok.converged).toBe(true);
    d.cut = true;
    lab.ask(a, register(0, 1));
    const no = lab.ask(a, { kind: 'converged', waitMs: 500 }) as { ok: ConvergedView };
    expect(no.ok.converged).toBe(false);
    expect(no.ok.members.find((m) => m.id === d.node.id)?.digest).toBeNull();
    d.cut = false;
    const later = lab.ask(a, { kind: 'converged', waitMs: 20_000 }) as { ok: ConvergedView };
    expect(later.ok.converged).toBe(true);
  });
});

describe('a member', () => {
  it('that leaves is shown left by all at once, its ranges kept unless it gives them up', () => {
    for (const release of [false, true]) {
      const lab = settled(5);
      const [a, b] = lab.seats as [Seat, Seat];
      lab.ask(b, register(0, 9));
      lab.run(50);
      expect(code(lab.ask(b, { kind: 'leave', release }))).toBeNull();
      expect(b.node.left()).toBe(true);
      lab.run(20);
      for (const seat of lab.seats) expect(seat.node.memberCounts()).toMatchObject({ alive: 4, left: 1 });
      expect(a.node.ranges()).toHaveLength(release ? 0 : 1);
      expect(a.node.ownersAt(5).owners).toEqual([]);
      expect(code(lab.ask(b, register(5, 6)))).toBe('leaving');
    }
  });

  it('that is forced out though it lives takes it back', () => {
    const lab = settled(3);
    const [a, , c] = lab.seats as [Seat, Seat, Seat];
    expect(code(lab.ask(a, { kind: 'force-leave', node: 'n2' }))).toBe('not-down');
    c.cut = true;
    lab.run(5000);
    expect(code(lab.ask(a, { kind: 'force-leave', node: 'n2' }))).toBeNull();
    c.cut = false;
    lab.run(10_000);
    for (const seat of lab.seats) expect(seat.node.memberCounts()).toMatchObject({ alive: 3, left: 0 });
    expect(c.node.incarnation).toBe(2);
  });

  it('that is gone and forced out stays left', () => {
    const lab = settled(3);
    const [a, b, c] = lab.seats as [Seat, Seat, Seat];
    c.cut = true;
    lab.run(5000);
    lab.ask(a, { kind: 'force-leave', node: c.node.id });
    lab.run(5000);
    for (const seat of [a, b]) expect(seat.node.memberCounts()).toMatchObject({ alive: 2, left: 1 });
  });

  it('with the name of another is listed beside it, with a warning; its name alone is refused, its id is not', () => {
    const lab = new Lab();
    const a = lab.add({ name: 'twin' });
    const b = lab.add({ name: 'twin' });
    lab.add();
    lab.run(10_000);
    expect(a.node.warnings().join()).toContain("more than one member is called 'twin'");
    const refused = lab.ask(a, register(0, 1, 1, 'twin'));
    expect(code(refused)).toBe('name-conflict');
    for (const { node } of [a, b]) expect(JSON.stringify(refused)).toContain(node.id);
    expect(code(lab.ask(a, register(0, 1, 1, b.node.id)))).toBeNull();
  });

  it('restarted after a crash voids the counters it never used, so that its context is whole', () => {
    const lab = settled(1);
    const a = lab.seats[0] as Seat;
    lab.ask(a, register(0, 9));
    const journal = [...a.journal];
    const again = new Lab();
    const b = again.add({}, { leaseFrom: 1025, journal, incarnation: 2 });
    again.run(601_000);
    expect(b.node.ranges()).toHaveLength(1);
    expect(b.node.state.map.seenOf(b.node.id)).toEqual([1, 1]);
    expect(code(again.ask(b, register(5, 6)))).toBeNull();
    expect(b.node.state.map.seenOf(b.node.id)).toEqual([1, 1025]);
  });

  it('keeps an acknowledged registration whose unwritten successor had reached a peer that is away at the restart', () => {
    const lab = settled(3);
    const [a, b, c] = lab.seats as [Seat, Seat, Seat];
    lab.ask(a, register(0, 9, 4));
    lab.run(100);
    const [ours, theirs] = [[...a.journal], [...b.journal]];
    b.cut = true;
    lab.command(a, register(0, 9, 7));
    lab.run(50);
    const reached = [...c.journal];
    const again = new Lab();
    const back = again.add({}, { leaseFrom: 1025, journal: ours, incarnation: 2 });
    again.add({}, { journal: theirs });
    const away = again.add({}, { journal: reached });
    away.cut = true;
    again.run(20_000);
    expect(back.node.ranges().map((r) => r.priority)).toEqual([4]);
    away.cut = false;
    again.run(20_000);
    for (const seat of again.seats) expect(seat.node.ranges().map((r) => r.priority)).toEqual([7]);
    expect(back.node.state.map.seenOf(back.node.id)).toEqual([1, 2]);
    again.ask(back, register(20, 29));
    again.run(1000);
    expect(back.node.state.map.seenOf(back.node.id)).toEqual([1, 2, 1025, 1025]);
    again.run(600_000);
    expect(back.node.state.map.seenOf(back.node.id)).toEqual([1, 1025]);
  });

  it('whose state directory is older than what peers saw resumes above that', () => {
    const lab = settled(2);
    const [a, b] = lab.seats as [Seat, Seat];
    for (let i = 0; i < 5; i++) lab.ask(a, register(i, i));
    lab.run(100);
    const journal = [...b.journal];
    const again = new Lab();
    const old = again.add({}, { leaseFrom: 1, incarnation: 2 });
    again.add({}, { journal });
    again.run(10_000);
    expect(old.node.nextCounter()).toBeGreaterThan(5);
    expect(old.logs.join()).toContain('resumed above them');
    expect(code(again.ask(old, register(77, 77)))).toBeNull();
    expect(again.digests().size).toBe(1);
    expect(old.node.ranges()).toHaveLength(6);
  });
});

describe('strangers', () => {
  it('change nothing: garbage, other clusters, unknown senders, frames out of place are counted', () => {
    const lab = settled(2);
    const { node } = lab.seats[0] as Seat;
    const before = node.digest();
    const from = '10.9.9.9:9' as Address;
    const unknown = new Codec('lab', 'ffffffffffffffff' as never);
    const known = new Codec('lab', lab.seats[1]?.node.id as never);
    node.datagram(new Uint8Array(2000), from, false, lab.nowMs);
    node.datagram(Uint8Array.from([1, 2, 3]), from, false, lab.nowMs);
    node.datagram(
      new Codec('other', 'ffffffffffffffff' as never).encode({ kind: KIND.end }),
      from,
      false,
      lab.nowMs,
    );
    node.datagram(
      unknown.encode({ kind: KIND.ack, id: 1, needList: false, hears: true }),
      from,
      false,
      lab.nowMs,
    );
    node.datagram(known.encode({ kind: KIND.end }), from, false, lab.nowMs);
    node.datagram(known.encode({ kind: KIND.askRepair, seqs: [1] }), from, true, lab.nowMs);
    expect(node.drops).toMatchObject({
      'too-long': 1,
      'too-short': 1,
      'other-cluster': 1,
      'unknown-sender': 1,
      'wrong-place': 2,
    });
    expect(node.digest()).toBe(before);
  });

  it('cannot make a member say left of itself with a forged record', () => {
    const lab = settled(2);
    const [a, b] = lab.seats as [Seat, Seat];
    const record = a.node.state.members.me().record;
    b.node.roster.merge({ ...record, state: STATE.left }, b.node.id, lab.nowMs);
    b.node.outbox.addRecord({ ...record, state: STATE.left }, lab.nowMs);
    lab.run(3000);
    expect(b.node.memberCounts()).toMatchObject({ alive: 2, left: 0 });
  });
});
