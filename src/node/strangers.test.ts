import { describe, expect, it } from 'vitest';
import type { Address, NodeId } from '../base/index.ts';
import { MemberList, type MemberRecord, STATE } from '../members/index.ts';
import { Strangers } from './strangers.ts';

const HOUR = 60 * 60_000;

function recordOf(n: number): MemberRecord {
  const id = n.toString(16).padStart(16, '0') as NodeId;
  return {
    ...{ id, incarnation: 1, state: STATE.alive, reachVersion: 0, reach: id, name: `n${n}` },
    ...{
      addresses: [`127.0.0.1:${n}` as Address],
      resp: null,
      tags: {},
      capacity: {},
      version: '1',
      bootNonce: 1,
    },
  };
}

/** One host, as on loopback where all nodes are of one, and the node that it brings members to. */
function door() {
  const members = new MemberList(recordOf(1));
  const strangers = new Strangers(members, true);
  /** Whether newcomer `n` is let in. */
  const comes = (n: number, nowMs: number): boolean => {
    const record = recordOf(n);
    strangers.speaks(record.addresses[0] as Address, record.id, false);
    const admitted = strangers.admitsMember(record, nowMs);
    strangers.silence();
    if (!admitted) return false;
    members.merge(record);
    const member = members.get(record.id);
    if (member !== undefined) member.stateMs = nowMs;
    return true;
  };
  const ends = (n: number, state: typeof STATE.down | typeof STATE.left, nowMs: number): void => {
    members.merge({ ...recordOf(n), state });
    const member = members.get(recordOf(n).id);
    if (member !== undefined) member.stateMs = nowMs;
  };
  return { members, comes, ends };
}

describe('the newcomers of one host', () => {
  it('are let in one after the other for ever when each leaves or goes down again without an answer', () => {
    const { comes, ends } = door();
    const refused: number[] = [];
    for (let n = 2; n < 1000; n++) {
      if (!comes(n, n * HOUR)) refused.push(n);
      ends(n, n % 2 === 0 ? STATE.left : STATE.down, n * HOUR + 1000);
    }
    expect(refused).toEqual([]);
  });

  it('make room at once when they answered, though they are gone by the next look', () => {
    const { members, comes, ends } = door();
    for (let n = 2; n < 258; n++) expect(comes(n, 0)).toBe(true);
    expect(comes(258, 5000)).toBe(false);
    for (let n = 2; n < 258; n++) members.get(recordOf(n).id)?.rtt.sample(1);
    for (let n = 2; n < 258; n++) ends(n, STATE.down, 6000);
    expect(comes(259, 7000)).toBe(true);
  });

  it('are refused while 256 were not heard to answer and none is gone for an hour', () => {
    const { comes, ends } = door();
    for (let n = 2; n < 258; n++) expect(comes(n, 0)).toBe(true);
    for (let n = 2; n < 258; n++) ends(n, STATE.left, 1000);
    expect(comes(258, HOUR)).toBe(false);
    expect(comes(258, HOUR + 2000)).toBe(true);
  });
});
