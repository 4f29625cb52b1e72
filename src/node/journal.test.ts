import { expect, it } from 'vitest';
import type { Address, NodeId } from '../base/index.ts';
import { encodeValue, recordToWire } from '../wire/index.ts';
import { snapshotOf, snapshotSoundness } from './journal.ts';
import { ownRecord } from './roster.ts';
import { GroupState } from './state.ts';

function stateOf(tags: Record<string, string>): GroupState {
  const boot = { id: '00000000000000a1' as NodeId, incarnation: 1, bootNonce: 7 };
  const rest = { leaseFrom: 1, leaseTo: 100, snapshot: null, journal: [] };
  const record = ownRecord(
    { ...boot, ...rest },
    {
      name: 'a',
      cluster: 'shoal',
      advertise: '10.0.0.1:1' as Address,
      resp: null,
      tags,
      capacity: {},
      version: '0',
      multicast: false,
      join: [],
      ranges: [],
      insecure: false,
    },
  );
  const state = new GroupState(record, () => {});
  state.map.register(boot.id, 1, { node: boot.id, start: 0, end: 9 }, 2);
  return state;
}

it('a snapshot that cannot be decoded, or only in parts, is known for one', () => {
  const state = stateOf({ rack: '1' });
  expect(snapshotSoundness(snapshotOf(state))).toBe('whole');
  expect(snapshotSoundness(new Uint8Array([0xc1]))).toBe('none');
  expect(snapshotSoundness(encodeValue('text'))).toBe('none');
  // What the decoder refuses makes all of it unreadable.
  expect(snapshotSoundness(snapshotOf(stateOf(Object.fromEntries([['__proto__', 'x']]))))).toBe('none');
  const record = recordToWire(state.members.me().record);
  expect(snapshotSoundness(encodeValue([1, [], [record, 'no record']]))).toBe('parts');
  // A newer version's is not damaged.
  expect(snapshotSoundness(encodeValue([2, 'whatever']))).toBe('whole');
});
