import type { Digests1, Message1, Record1 } from './v1.ts';

/** What the golden bytes (golden.ts) say: at least one message of each kind of protocol 1, in the order of the bytes there. */
export const A = '0123456789abcdef';
export const B = 'fedcba9876543210';

export const digests: Digests1 = {
  ...{ mapHi: 1, mapLo: 0x89abcdef, standingHi: 3, standingLo: 0xffffffff, lastingHi: 5, lastingLo: 6 },
};

export const record: Record1 = {
  id: A,
  incarnation: 7,
  state: 0,
  reachVersion: 3,
  reach: B,
  name: 'böard-1',
  addresses: ['10.0.0.1:29999', '[2001:db8::1]:29999'],
  resp: '10.0.0.1:29979',
  tags: { rack: 'a', zone: 'east' },
  capacity: { cores: 4, memoryMb: 948, load: 0.5 },
  version: '0.1.0',
  bootNonce: 0xdeadbeef,
};

export const plainRecord: Record1 = {
  ...record,
  ...{ id: B, reach: B, incarnation: 2 ** 40, state: 3, resp: null, tags: {}, capacity: {} },
};

const payload = Uint8Array.from([1, 2, 3]);
const id = 0xabcdef123456;

export const messages: readonly Message1[] = [
  { kind: 1, id, view: 2 ** 48 - 1, from: 4999, length: 4998, ageMs: 1.5, payload },
  { kind: 2, id, ids: [A, B], ageMs: 0, payload },
  { kind: 3, id, needList: true, hears: false },
  { kind: 4, bootNonce: 9, seq: 77, id, ageMs: 3, payload },
  {
    ...{ kind: 5, bootNonce: 9, seq: 300, view: id, heard: payload, heardIds: [A], digests },
    introduction: { cluster: 'shoal', record },
  },
  { kind: 5, bootNonce: 9, seq: 0, view: id, heard: payload, heardIds: [], digests, introduction: null },
  { kind: 6, seqs: [1, 2, 70_000] },
  { kind: 7, seq: 0, id, ageMs: 12.3, payload },
  { kind: 8, nonce: 5, digests, hears: true, recent: [id, 1] },
  { kind: 9, nonce: 0xffffffff, digests, hears: false, recent: [] },
  { kind: 10, cluster: 'shoal', record, digests },
  { kind: 11, record: plainRecord, digests },
  { kind: 12, reason: 'no' },
  { kind: 13 },
  {
    kind: 14,
    members: [
      { id: A, hash: 1 },
      { id: B, hash: 0xffffffff },
    ],
  },
  { kind: 15, records: [record, plainRecord], want: [B] },
  { kind: 16, step: payload },
  { kind: 17, nonce: 0xffffffff, digest: 7, hears: true, standing: null, record: null },
  { kind: 18, nonce: 1, digest: 7, hears: false, standing: { state: 1, incarnation: 9 }, record },
  { kind: 19, nonce: 5, target: B },
  { kind: 20, nonce: 5, answered: true, record },
  { kind: 20, nonce: 5, answered: false, record: null },
];
