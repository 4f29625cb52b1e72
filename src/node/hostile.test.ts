import { describe, expect, it } from 'vitest';
import { type Address, LIMITS, type NodeId } from '../base/index.ts';
import { type MemberRecord, STATE } from '../members/index.ts';
import { Codec, deltaToWire, KIND, type Message } from '../wire/index.ts';
import { encodeGroup } from './group.ts';
import { Lab, type Seat } from './testing/lab.ts';

const STREAM = -9999;

/** A stranger with a record of its own, who speaks to the first of two nodes by stream and datagram. */
function intruder(lab: Lab) {
  const { node } = lab.seats[0] as Seat;
  const id = 'feedfeedfeedfeed' as NodeId;
  const codec = new Codec('lab', id);
  const record: MemberRecord = {
    ...node.state.members.me().record,
    id,
    reach: id,
    name: 'intruder',
    addresses: ['10.0.0.99:1' as Address],
    bootNonce: 666,
  };
  const frame = (message: Message): void => node.frame(STREAM, codec.encode(message), lab.nowMs);
  node.accepted(STREAM, '10.9.9.9:9' as Address, lab.nowMs);
  const digests = node.state.digests();
  const hello = (): void => frame({ kind: KIND.hello, cluster: 'lab', record, digests });
  return { node, id, codec, record, frame, hello };
}

const pair = (): Lab => {
  const lab = new Lab();
  lab.add();
  lab.add();
  lab.run(8000);
  return lab;
};

describe('a peer in a session', () => {
  it('cannot pile up answers by asking and asking without ending its turn', () => {
    const lab = pair();
    const { node, hello, frame } = intruder(lab);
    hello();
    const frames = (): number => node.link.sentMessages.reduce((sum, n) => sum + n, 0);
    const before = frames();
    for (let i = 0; i < 5000; i++) {
      hello();
      frame({ kind: KIND.summary, members: [] });
      frame({ kind: KIND.members, records: [], want: [node.id] });
    }
    frame({ kind: KIND.end });
    expect(frames() - before).toBeLessThan(200);
    expect(node.sessions.counters.cut).toBeGreaterThan(4000);
  });

  it('cannot hold it for ever by a frame now and then', () => {
    const lab = pair();
    const { node, hello, frame } = intruder(lab);
    hello();
    for (let i = 0; i < 60; i++) {
      frame({ kind: KIND.end });
      lab.run(9000);
    }
    expect(node.sessions.open).toBe(0);
  });

  it('cannot take more turns than a session has', () => {
    const lab = pair();
    const { node, hello, frame } = intruder(lab);
    hello();
    for (let i = 0; i < 200; i++) frame({ kind: KIND.end });
    expect(node.sessions.open).toBe(0);
  });

  it('is given up when it falls silent, at whatever moment it was last heard', () => {
    for (let i = 0; i < 400; i++) {
      const lab = new Lab();
      lab.add();
      lab.nowMs = 7000 + i * 0.1234567;
      const { node } = intruder(lab);
      const dueMs = node.sessions.nextMs();
      node.sessions.wake(dueMs);
      expect(node.sessions.open).toBe(0);
    }
  });
});

describe('streams on which nothing comes', () => {
  const ANSWERED = 64;
  let handles = -20_000;
  const open = (lab: Lab, seat: Seat): void =>
    seat.node.accepted(--handles, '10.9.9.9:9' as Address, lab.nowMs);

  it('keep no member out, however many there are', () => {
    const lab = new Lab();
    const a = lab.add({ multicast: false });
    for (let i = 0; i < 3 * ANSWERED; i++) open(lab, a);
    const { sessions } = a.node;
    expect(sessions.open).toBe(ANSWERED);
    expect(sessions.counters).toMatchObject({ evicted: 2 * ANSWERED, refused: 0 });
    const b = lab.add({ multicast: false, join: ['10.0.0.0:1' as Address] });
    lab.run(50);
    expect(b.node.memberCounts().alive).toBe(2);
    expect(sessions.counters.answered).toBe(1);
    const figures = a.node.metrics(lab.nowMs).find((family) => family.name === 'shoal_sessions_total');
    expect(figures?.samples).toContainEqual({ labels: { what: 'evicted' }, value: 2 * ANSWERED + 1 });
  });

  it('do not take the place of those that said hello, which are refused when all places are theirs', () => {
    const lab = pair();
    const { node, hello } = intruder(lab);
    hello();
    for (let i = 0; i < 2 * ANSWERED; i++) open(lab, lab.seats[0] as Seat);
    expect(node.sessions.counters).toMatchObject({ refused: 0 });
    expect(node.sessions.open).toBe(ANSWERED);
    hello();
    expect(node.sessions.counters.refused).toBe(0);
    expect(node.sessions.counters.evicted).toBe(ANSWERED + 1);
  });

  it('are closed after two seconds, whatever comes that is no hello', () => {
    const lab = pair();
    const { node, frame, hello } = intruder(lab);
    open(lab, lab.seats[0] as Seat);
    lab.run(1000);
    frame({ kind: KIND.end });
    lab.run(900);
    expect(node.sessions.open).toBe(2);
    lab.run(200);
    expect(node.sessions.open).toBe(0);
    expect(node.sessions.counters.silent).toBe(2);
    hello();
    expect(node.sessions.open).toBe(0);
  });

  it('are not those on which a hello came', () => {
    const lab = pair();
    const { node, hello } = intruder(lab);
    hello();
    lab.run(5000);
    expect(node.sessions.open).toBe(1);
    expect(node.sessions.counters.silent).toBe(0);
  });
});

describe('a forged record', () => {
  it('of this node that others would believe is taken back, whatever it says', () => {
    const lab = pair();
    const [a, b] = lab.seats as [Seat, Seat];
    const me = a.node.state.members.me().record;
    const forged: MemberRecord[] = [
      { ...me, reachVersion: 1e15, reach: 'ffffffffffffffff' as NodeId },
      { ...me, name: 'zzz', tags: { z: 'z' } },
      { ...me, bootNonce: 4_000_000_000, name: 'other' },
    ];
    for (const record of forged) {
      const now = a.node.state.members.me().record.incarnation;
      b.node.roster.merge({ ...record, incarnation: now }, b.node.id, lab.nowMs);
      lab.run(8000);
      expect(b.node.state.members.get(a.node.id)?.record.name).toBe('n0');
      const [x, y] = [a, b].map((seat) => ({ ...seat.node.state.digests(), lastingHi: 0 }));
      expect(x).toEqual(y);
    }
  });

  it('that tells nothing new is not answered by a new incarnation', () => {
    const lab = pair();
    const { node } = lab.seats[0] as Seat;
    const me = node.state.members.me().record;
    const before = node.incarnation;
    node.roster.merge({ ...me, bootNonce: me.bootNonce - 1 }, 'feedfeedfeedfeed' as NodeId, lab.nowMs);
    node.roster.merge({ ...me, incarnation: before - 1, state: STATE.left }, node.id, lab.nowMs);
    expect(node.incarnation).toBe(before);
  });
});

describe('another process with this node\u2019s id', () => {
  it('is only believed in when it answers', () => {
    const lab = pair();
    const [a] = lab.seats as [Seat];
    const codec = new Codec('lab', a.node.id);
    const multicast = { kind: KIND.multicast, bootNonce: 4711, seq: 1, id: 5, ageMs: 0 } as const;
    const twin = { kind: KIND.twin, bootNonce: 4711, incarnation: 1, ageMs: 1e9, verdict: 1 } as const;
    const there = '10.7.7.7:7' as Address;
    a.node.datagram(codec.encode({ ...multicast, payload: new Uint8Array(3) }), there, true, lab.nowMs);
    a.node.datagram(codec.encode({ ...twin, question: 5, answer: 0 }), there, false, lab.nowMs);
    a.node.datagram(codec.encode({ ...twin, question: 0, answer: 99 }), there, false, lab.nowMs);
    lab.run(70_000);
    expect(a.node.warnings().join()).not.toContain('another process');
    expect(a.node.yielded()).toBeNull();
    expect(a.node.identity.twins.counters).toMatchObject({ found: 0, absent: 1 });
  });
});

describe('a group', () => {
  it('whose records fill more than a frame brings a newcomer up to date', () => {
    const lab = pair();
    const { node } = lab.seats[0] as Seat;
    const tags = Object.fromEntries(
      Array.from({ length: LIMITS.tags }, (_, i) => [`tag${i}`, 'x'.repeat(LIMITS.tagBytes)]),
    );
    for (let i = 0; i < 400; i++) {
      const id = (0xabc000 + i).toString(16).padStart(16, '0') as NodeId;
      const record = { ...node.state.members.me().record, id, reach: id, name: `m${i}`, tags };
      node.roster.merge({ ...record, state: STATE.left }, id, lab.nowMs);
    }
    const late = lab.add({ multicast: false });
    lab.ask(late, { kind: 'join', addresses: ['10.0.0.0:1'] });
    lab.run(3000);
    expect(late.node.memberCounts().left).toBe(400);
    expect(lab.longestFrame).toBeLessThanOrEqual(LIMITS.frameBytes);
  });

  it('with a member that does not take part in multicast does not spin on what that one hears', () => {
    const lab = new Lab();
    lab.add();
    const deaf = lab.add({ multicast: false, join: ['10.0.0.0:1' as Address] });
    lab.run(3000);
    const codec = new Codec('lab', lab.seats[0]?.node.id as NodeId);
    for (const seq of [1, 5]) {
      const payload = new Uint8Array(3);
      const m = { kind: KIND.multicast, bootNonce: 100, seq, id: seq, ageMs: 0, payload } as const;
      deaf.node.datagram(codec.encode(m), '10.0.0.0:1' as Address, true, lab.nowMs);
    }
    for (let i = 0; i < 50; i++) {
      const nextMs = deaf.node.nextWakeMs();
      deaf.node.wake(nextMs);
      expect(deaf.node.nextWakeMs()).toBeGreaterThan(nextMs);
    }
  });
});

describe('a flood of invented members', () => {
  it('stops at a limit, is counted, and is named in the warnings', () => {
    const lab = new Lab();
    const { node } = lab.add();
    const me = node.state.members.me().record;
    for (let i = 0; i < LIMITS.members + 5; i++) {
      const id = (0x100000 + i).toString(16).padStart(16, '0') as NodeId;
      node.roster.merge({ ...me, id, reach: id, name: `m${i}` }, id, lab.nowMs);
    }
    expect(node.memberCounts().alive).toBe(LIMITS.members);
    expect(node.state.counters.membersRefused).toBe(6);
    expect(node.warnings().join()).toContain('the list of members is full');
  });
});

describe('a node that left', () => {
  it('is not put back into the multicast set by what it still says', () => {
    const lab = pair();
    const [a, b] = lab.seats as [Seat, Seat];
    lab.ask(b, { kind: 'leave', release: false });
    lab.run(100);
    a.node.presence.confirmed(b.node.id, true, lab.nowMs);
    expect(a.node.reach(lab.nowMs)).toEqual({ hears: [], heardBy: [] });
  });
});

describe('a forged context', () => {
  const claimed = (lo: number) => {
    const lab = pair();
    const [a, b] = lab.seats as [Seat, Seat];
    lab.ask(a, { kind: 'register', start: 1, end: 1, priority: 1 });
    const span = { actor: a.node.id, lo, hi: Number.MAX_SAFE_INTEGER };
    const payload = encodeGroup(b.node.id, [deltaToWire({ entries: [], context: [span] })], []);
    b.node.broadcaster.originate(payload, lab.nowMs);
    lab.run(1000);
    const answers = [2, 3, 4].map((i) => lab.ask(a, { kind: 'register', start: i, end: i, priority: 1 }));
    lab.run(1000);
    return { a, b, answers };
  };

  it('that claims the last counters of this node neither stops it nor has one used twice', () => {
    const { a, b } = claimed(Number.MAX_SAFE_INTEGER - 1);
    expect(a.node.ranges().length).toBe(4);
    expect(b.node.ranges().length).toBe(4);
    expect(a.node.nextCounter()).toBe(5);
  });

  it('that claims all of them has changes refused with what to do, and stops nothing', () => {
    const { a, answers } = claimed(1);
    for (const answer of answers) expect(answer).toMatchObject({ error: { code: 'overloaded' } });
    expect(a.node.memberCounts().alive).toBe(2);
  });
});
