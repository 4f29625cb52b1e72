import { describe, expect, it } from 'vitest';
import type { Address, NodeId } from '../base/index.ts';
import { type MemberRecord, STATE } from '../members/index.ts';
import { Codec, KIND, type Message } from '../wire/index.ts';
import { INCARNATIONS } from './strangers.ts';
import { Lab, type Seat } from './testing/lab.ts';

const STREAM = -9999;

describe('where nothing is sealed', () => {
  const UNSEALED = { unsealed: true } as const;
  const STRANGER = '10.66.66.66';

  /** Two members, and what a stranger may do to the first of them. */
  function flooded() {
    const lab = new Lab();
    const a = lab.add(UNSEALED);
    const b = lab.add(UNSEALED);
    lab.run(8000);
    let made = 0;
    const forged = (): MemberRecord => {
      const id = (0xf00000 + ++made).toString(16).padStart(16, '0') as NodeId;
      const addresses = [`${STRANGER}:${1 + (made % 60_000)}` as Address];
      return { ...a.node.state.members.me().record, id, reach: id, name: `forged-${made}`, addresses };
    };
    const digests = a.node.state.digests();
    /** A beacon as a newcomer sends it. */
    const join = (host = STRANGER, port = 7): void => {
      const record = forged();
      const bytes = new Codec('lab', record.id).encode({
        ...{ kind: KIND.beacon, bootNonce: 1, seq: 1, view: 0, heard: new Uint8Array(0), heardIds: [] },
        ...{ digests, introduction: { cluster: 'lab', record } },
      });
      a.node.datagram(bytes, `${host}:${port}` as Address, true, lab.nowMs);
    };
    return { lab, a, b, forged, join };
  }

  it('one stranger brings a few hundred members at most, however long it goes on, and real ones stay and come', () => {
    const { lab, a, b, join } = flooded();
    for (let second = 0; second < 200; second++) {
      for (let i = 0; i < 100; i++) join();
      lab.run(1000);
    }
    const counts = a.node.memberCounts();
    expect(counts.alive + counts.suspect + counts.down + counts.left).toBeLessThanOrEqual(2 + 256);
    expect(a.node.strangers.counters.newcomersRefused).toBeGreaterThan(10_000);
    expect(a.node.warnings().join()).toMatch(/10\.66\.66\.66 brings more new members .*shoal keygen/);
    for (const [seat, other] of [
      [a, b],
      [b, a],
    ] as const)
      expect(seat.node.state.members.get(other.node.id)?.record.state).toBe(STATE.alive);
    const late = lab.add(UNSEALED);
    lab.run(8000);
    for (const seat of [a, b])
      expect(seat.node.state.members.get(late.node.id)?.record.state).toBe(STATE.alive);
  });

  it('a stranger in a session brings no more than that either', () => {
    const { lab, a, forged } = flooded();
    const own = forged();
    const codec = new Codec('lab', own.id);
    a.node.accepted(STREAM, `${STRANGER}:9` as Address, lab.nowMs);
    const frame = (message: Message): void => a.node.frame(STREAM, codec.encode(message), lab.nowMs);
    frame({ kind: KIND.hello, cluster: 'lab', record: own, digests: a.node.state.digests() });
    for (let i = 0; i < 50; i++) {
      frame({ kind: KIND.members, records: Array.from({ length: 100 }, forged), want: [] });
    }
    expect(a.node.memberCounts().alive).toBeLessThanOrEqual(2 + 256);
    expect(a.node.strangers.counters.newcomersRefused).toBeGreaterThan(4000);
  });

  it('a stranger on the host of a member, and in its name, brings no more than that, by stream and by datagram', () => {
    const { lab, a, b, forged } = flooded();
    lab.run(60_000);
    const codec = new Codec('lab', b.node.id);
    a.node.accepted(STREAM, '10.0.0.1:9' as Address, lab.nowMs);
    const frame = (message: Message): void => a.node.frame(STREAM, codec.encode(message), lab.nowMs);
    const record = b.node.state.members.me().record;
    frame({ kind: KIND.hello, cluster: 'lab', record, digests: a.node.state.digests() });
    for (let i = 0; i < 50; i++) {
      frame({ kind: KIND.members, records: Array.from({ length: 100 }, forged), want: [] });
      const m = { kind: KIND.probeReport, nonce: 1, answered: true, record: forged() } as const;
      a.node.datagram(codec.encode(m), '10.0.0.1:9' as Address, false, lab.nowMs);
    }
    expect(a.node.memberCounts().alive).toBeLessThanOrEqual(2 + 256);
  });

  it('a member that answers where it is recorded brings many, but not a whole table at once', () => {
    const { lab, a, b, forged } = flooded();
    lab.run(60_000);
    const codec = new Codec('lab', b.node.id);
    for (let i = 0; i < 4000; i++) {
      const m = { kind: KIND.probeReport, nonce: 1, answered: true, record: forged() } as const;
      a.node.datagram(codec.encode(m), '10.0.0.1:1' as Address, false, lab.nowMs);
    }
    const { alive } = a.node.memberCounts();
    expect(alive).toBeGreaterThan(2000);
    expect(alive).toBeLessThanOrEqual(2 + 2048 + 256);
    expect(a.node.warnings().join()).toMatch(/10\.0\.0\.1 brings more new members/);
  });

  it('a group is taken in whole from a contact, and from a member that has been there for a while', () => {
    const { lab, a, forged } = flooded();
    for (let i = 0; i < 1000; i++) {
      const record = forged();
      a.node.roster.merge({ ...record, state: STATE.left }, record.id, lab.nowMs);
    }
    lab.run(40_000);
    expect(lab.seats.map(({ node }) => node.memberCounts().left)).toEqual([1000, 1000]);
    const late = lab.add({ ...UNSEALED, multicast: false, join: ['10.0.0.0:1' as Address] });
    lab.run(3000);
    expect(late.node.memberCounts()).toMatchObject({ alive: 3, left: 1000 });
  });

  it('one forged departure far above what a member ever said is not believed; the highest believed is refuted', () => {
    const { lab, a, b } = flooded();
    const { record } = b.node.state.members.me();
    const forge = (incarnation: number): void => {
      const codec = new Codec('lab', b.node.id);
      const gone = { ...record, incarnation, state: STATE.left };
      const m = { kind: KIND.probeReport, nonce: 1, answered: true, record: gone } as const;
      a.node.datagram(codec.encode(m), `${STRANGER}:7` as Address, false, lab.nowMs);
    };
    const seen = () => a.node.state.members.get(b.node.id)?.record;
    for (const top of [2 ** 48, 2 ** 48 - 1, record.incarnation + INCARNATIONS.jump + 1]) {
      forge(top);
      expect(seen()).toEqual(record);
    }
    expect(a.node.strangers.counters.jumpsRefused).toBe(3);
    for (let i = 0; i < 3; i++) {
      const highest = (seen()?.incarnation ?? 0) + INCARNATIONS.jump;
      forge(highest);
      expect(seen()?.state).toBe(STATE.left);
      lab.run(3000);
      expect(seen()).toMatchObject({ state: STATE.alive, incarnation: highest + 1 });
    }
    lab.run(8000);
    expect(a.node.state.digests()).toEqual(b.node.state.digests());
  });

  /** A process with this node's id that answers its questions and claims to be older. */
  function usurper(lab: Lab, seat: Seat) {
    const codec = new Codec('lab', seat.node.id);
    const from = `10.0.0.${lab.seats.length}:1` as Address;
    const say = (question: number, answer: number): void => {
      const m = { kind: KIND.twin, question, answer, bootNonce: 0, incarnation: 1, ageMs: 9e9 } as const;
      seat.node.datagram(codec.encode({ ...m, verdict: answer === 0 ? 0 : 1 }), from, false, lab.nowMs);
    };
    const datagram = (bytes: Uint8Array): void => {
      const decoded = codec.decode(bytes);
      if ('message' in decoded && decoded.message.kind === KIND.twin && decoded.message.question !== 0)
        say(0, decoded.message.question);
    };
    lab.seats.push({ node: { datagram, nextWakeMs: () => Infinity } } as unknown as Seat);
    return { from, accost: () => say(7, 0) };
  }

  it('a process that claims to be older with this node\u2019s id ends nothing after the start, however often it answers', () => {
    const { lab, a } = flooded();
    lab.run(30_000);
    const { from, accost } = usurper(lab, a);
    for (let i = 0; i < 40; i++) {
      accost();
      lab.run(1000);
    }
    expect(a.node.identity.twins.counters.found).toBeGreaterThan(10);
    expect(a.node.yielded()).toBeNull();
    expect(a.node.warnings().join()).toContain(`another process ran with this node's id, at ${from}`);
    expect(a.node.warnings().join()).toContain('Nothing is sealed, so this node goes on');
    expect(lab.ask(a, { kind: 'register', start: 1, end: 2, priority: 3 })).toHaveProperty('ok');
  });

  it('one that does so at the start, and answers again seconds later, is believed: the copy is the later one', () => {
    const { lab, a } = flooded();
    lab.ask(a, { kind: 'register', start: 1, end: 2, priority: 3 });
    const { from, accost } = usurper(lab, a);
    accost();
    lab.run(1000);
    expect(a.node.identity.twins.counters.found).toBe(1);
    expect(a.node.yielded()).toBeNull();
    lab.run(1000);
    expect(a.node.yielded()).toEqual({ how: 'refuse', id: a.node.id, other: from });
  });

  it('what is said of this node from far above it is not answered', () => {
    const { lab, a, b } = flooded();
    const before = a.node.incarnation;
    const standing = { state: STATE.left, incarnation: 2 ** 48 - 1 };
    const probe = { kind: KIND.probe, nonce: 1, digest: 0, hears: false, standing, record: null } as const;
    const bytes = new Codec('lab', b.node.id).encode(probe);
    a.node.datagram(bytes, `${STRANGER}:7` as Address, false, lab.nowMs);
    lab.run(5000);
    expect(a.node.incarnation).toBe(before);
  });

  it('a member that missed two forged departures learns by a call what its owner says now', () => {
    const { lab, a, b } = flooded();
    const c = lab.add(UNSEALED);
    lab.run(40_000);
    const { record } = b.node.state.members.me();
    const far = { ...record, incarnation: record.incarnation + 3 * INCARNATIONS.jump };
    b.node.roster.raise(far, lab.nowMs);
    lab.run(60_000);
    for (const seat of [a, c]) expect(seat.node.state.members.get(b.node.id)?.record).toEqual(far);
  });

  it('a flood from one address is looked at a hundred times a second, and members are heard through it', () => {
    const { lab, a, b } = flooded();
    const garbage = new Codec('another', b.node.id).encode({
      kind: KIND.ack,
      id: 1,
      needList: false,
      hears: false,
    });
    const before = a.node.drops['other-cluster'];
    for (let tick = 0; tick < 1000; tick++) {
      for (let i = 0; i < 50; i++)
        a.node.datagram(garbage, `${STRANGER}:${i + 1}` as Address, false, lab.nowMs);
      lab.run(10);
    }
    expect(a.node.drops['other-cluster'] - before).toBeLessThanOrEqual(400 + 10 * 100 + 1);
    expect(a.node.drops['too-many']).toBeGreaterThan(48_000);
    lab.ask(b, { kind: 'register', start: 1, end: 2, priority: 3 });
    lab.run(20);
    expect(a.node.ranges()).toHaveLength(1);
    expect(a.node.memberCounts()).toMatchObject({ alive: 2, suspect: 0, down: 0 });
  });

  it('an address that forged one member does not get more work out of it', () => {
    const { lab, a, join } = flooded();
    join();
    const garbage = new Uint8Array(64).fill(1);
    const dropped = (): number => Object.values(a.node.drops).reduce((sum, n) => sum + n, 0);
    const before = dropped() - a.node.drops['too-many'];
    for (let i = 0; i < 10_000; i++) a.node.datagram(garbage, `${STRANGER}:7` as Address, false, lab.nowMs);
    expect(dropped() - a.node.drops['too-many'] - before).toBeLessThan(500);
  });
});
