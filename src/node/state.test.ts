import { describe, expect, it } from 'vitest';
import { type Address, parseNodeId } from '../base/index.ts';
import { AworMap, type Delta } from '../crdt/index.ts';
import { type MemberRecord, STATE } from '../members/index.ts';
import { GroupState } from './state.ts';

const author = parseNodeId('000000000000000a');
const other = parseNodeId('000000000000000b');
const self = parseNodeId('000000000000000c');
const key = { node: author, start: 0, end: 9 };

function state(): GroupState {
  const record: MemberRecord = {
    id: self,
    incarnation: 1,
    state: STATE.alive,
    reachVersion: 0,
    reach: self,
    name: 'c',
    addresses: ['10.0.0.1:1' as Address],
    resp: null,
    tags: {},
    capacity: {},
    version: '0',
    bootNonce: 1,
  };
  return new GroupState(record, () => {});
}

describe('a decrease that overtakes what it decreases', () => {
  it('counts once both are there, whatever was compared meanwhile', () => {
    const map = new AworMap();
    const register = map.register(author, 1, key, 10);
    const decrease = map.adjust(author, 2, key, -3) as Delta;
    const group = state();
    group.join(decrease, author);
    expect(group.map.priority(key)).toBe(0);
    for (let round = 0; round < 5; round++) expect(group.sweep()).toBe(0);
    group.join(register, author);
    expect(group.map.priority(key)).toBe(7);
    for (let round = 0; round < 5; round++) expect(group.sweep()).toBe(0);
    expect(group.map.priority(key)).toBe(7);
  });

  it('counts when another node made it, who had the registration first', () => {
    const map = new AworMap();
    const register = map.register(author, 1, key, 10);
    const decrease = map.adjust(other, 1, key, -3) as Delta;
    const group = state();
    group.join(decrease, other);
    expect(group.sweep()).toBe(0);
    group.join(register, author);
    expect(group.map.priority(key)).toBe(7);
  });
});

it('sweeps what concurrent decreases brought below zero, in the second round that found a peer equal', () => {
  const [mine, theirs] = [new AworMap(), new AworMap()];
  const register = mine.register(author, 1, key, 10);
  theirs.join(register);
  const group = state();
  for (const delta of [register, mine.adjust(author, 2, key, -6), theirs.adjust(other, 1, key, -6)])
    group.join(delta as Delta, author);
  expect(group.map.priority(key)).toBe(0);
  expect(group.map.entryCount).toBe(1);
  expect(group.sweep()).toBe(0);
  expect(group.sweep()).toBe(1);
  expect(group.map.entryCount).toBe(0);
  expect(group.counters.sweeps).toBe(1);
});
