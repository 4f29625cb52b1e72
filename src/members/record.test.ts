import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Address, NodeId } from '../base/index.ts';
import { MemberList } from './list.ts';
import { covers, joinRecords, type MemberRecord, type MemberState, STATE, standingHash } from './record.ts';

const ids = ['00000000000000aa', '00000000000000bb', '00000000000000cc'] as NodeId[];

/** What a node says of itself is drawn too, apart from (id, incarnation, boot nonce): a forger need not keep to that. */
const record = fc
  .record({
    id: fc.constant(ids[0] as NodeId),
    incarnation: fc.integer({ min: 1, max: 3 }),
    state: fc.integer({ min: 0, max: 3 }),
    reachVersion: fc.integer({ min: 0, max: 2 }),
    bootNonce: fc.integer({ min: 1, max: 2 }),
    name: fc.constantFrom('n1', 'n2'),
    addresses: fc.constantFrom(['10.0.0.1:1' as Address], ['10.0.0.1:1', '10.0.0.2:1'] as Address[]),
    resp: fc.constantFrom(null, '10.0.0.1:2' as Address),
    tags: fc.constantFrom({}, { rack: 'a' }),
    capacity: fc.constantFrom({}, { cores: 4 }, { cores: 8, memoryMb: 1 }),
    version: fc.constantFrom('1', '2'),
  })
  .map(
    (r): MemberRecord => ({
      ...r,
      state: r.state as MemberState,
      reach: ids[r.reachVersion] as NodeId,
    }),
  );

const same = (a: MemberRecord, b: MemberRecord): boolean => {
  const x = standingHash(a);
  const y = standingHash(b);
  return x.hi === y.hi && x.lo === y.lo;
};

describe('the join of member records', () => {
  it('is commutative, associative and idempotent, whatever the records differ in', () => {
    fc.assert(
      fc.property(record, record, record, (a, b, c) => {
        expect(same(joinRecords(a, b), joinRecords(b, a))).toBe(true);
        expect(same(joinRecords(joinRecords(a, b), c), joinRecords(a, joinRecords(b, c)))).toBe(true);
        expect(joinRecords(a, a)).toBe(a);
        expect(covers(joinRecords(a, b), a) && covers(joinRecords(a, b), b)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('lets the higher incarnation win whatever its state, and the worse state win within one', () => {
    fc.assert(
      fc.property(record, record, (a, b) => {
        const joined = joinRecords(a, b);
        if (a.incarnation !== b.incarnation)
          expect(same(joined, a.incarnation > b.incarnation ? a : b)).toBe(true);
        else expect(joined.state).toBe(Math.max(a.state, b.state));
      }),
    );
  });
});

describe('the member list', () => {
  const one = (id: NodeId, over: Partial<MemberRecord> = {}): MemberRecord => ({
    id,
    incarnation: 1,
    state: STATE.alive,
    reachVersion: 0,
    reach: id,
    name: id.slice(-2),
    addresses: ['10.0.0.1:1' as Address],
    resp: null,
    tags: {},
    capacity: {},
    version: '1',
    bootNonce: 1,
    ...over,
  });

  it('has digests that depend on what it holds and not on the order it came in', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 12 }), fc.integer(), (records, seed) => {
        const a = new MemberList(one(ids[2] as NodeId));
        const b = new MemberList(one(ids[2] as NodeId));
        for (const r of records) a.merge(r);
        const rotated = records.map((_, i) => records[(i + Math.abs(seed)) % records.length] as MemberRecord);
        for (const r of [...rotated, ...rotated.reverse()]) b.merge(r);
        expect(b.standingDigest()).toEqual(a.standingDigest());
        expect(b.lastingDigest()).toEqual(a.lastingDigest());
        expect(b.viewDigest).toBe(a.viewDigest);
        expect(b.view().ids).toEqual(a.view().ids);
      }),
    );
  });

  it('leaves suspicion and incarnations out of the lasting digest, and who left in', () => {
    const list = new MemberList(one(ids[0] as NodeId));
    list.merge(one(ids[1] as NodeId));
    const before = list.digestText();
    list.merge(one(ids[1] as NodeId, { incarnation: 4 }));
    list.merge(one(ids[1] as NodeId, { incarnation: 4, state: STATE.suspect }));
    expect(list.digestText()).toBe(before);
    list.merge(one(ids[1] as NodeId, { incarnation: 4, state: STATE.left }));
    expect(list.digestText()).not.toBe(before);
    expect(list.view().ids).toEqual([ids[0]]);
  });

  it('groups its view by the label of the multicast set', () => {
    const [a, b, c] = ids as [NodeId, NodeId, NodeId];
    const list = new MemberList(one(c));
    list.merge(one(a));
    list.merge(one(b, { reach: a, reachVersion: 1 }));
    expect(list.view().sets).toEqual([[a, b], [c]]);
    expect(list.view().setIndexOf(b)).toBe(0);
    expect(list.view().indexOf(c)).toBe(2);
  });

  it('keeps both of two members with one name and says so', () => {
    const [a, b] = ids as [NodeId, NodeId];
    const list = new MemberList(one(a, { name: 'twin' }));
    list.merge(one(b, { name: 'twin' }));
    expect(list.nameConflicts()).toEqual(['twin']);
    expect(list.find('twin').map((m) => m.record.id)).toEqual([a, b]);
    list.merge(one(b, { name: 'twin', state: STATE.left }));
    expect(list.nameConflicts()).toEqual([]);
  });
});
