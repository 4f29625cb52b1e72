import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Address, type NodeId, SeededRng } from '../base/index.ts';
import { MemberList, type MemberRecord, STATE } from '../members/index.ts';
import { Codec, decodeValue, ENVELOPE_BYTES, encodeValue } from './codec.ts';
import { type Digests, KIND, type Message } from './message.ts';

const A = '0123456789abcdef' as NodeId;
const B = 'fedcba9876543210' as NodeId;
const digests: Digests = {
  mapHi: 1,
  mapLo: 2,
  standingHi: 3,
  standingLo: 0xffffffff,
  lastingHi: 5,
  lastingLo: 6,
};
const record: MemberRecord = {
  id: A,
  incarnation: 7,
  state: STATE.alive,
  reachVersion: 3,
  reach: B,
  name: 'böard-1',
  addresses: ['10.0.0.1:29999' as Address],
  resp: '10.0.0.1:29979' as Address,
  tags: { rack: 'a', zone: 'east' },
  capacity: { memory: 0.5 },
  version: '0.1.0',
  bootNonce: 0xdeadbeef,
};
const payload = Uint8Array.from([1, 2, 3]);
const id = 0xabcdef123456;

const messages: Message[] = [
  { kind: KIND.tree, id, view: 2 ** 48 - 1, from: 4999, length: 4998, ageMs: 1.5, payload },
  { kind: KIND.list, id, ids: [A, B], ageMs: 0, payload },
  { kind: KIND.ack, id, needList: true, hears: false },
  { kind: KIND.ack, id, needList: false, hears: true },
  { kind: KIND.multicast, bootNonce: 9, seq: 77, id, ageMs: 3, payload },
  {
    kind: KIND.beacon,
    bootNonce: 9,
    seq: 0,
    view: id,
    heard: payload,
    heardIds: [A],
    digests,
    introduction: { cluster: 'shoal', record },
  },
  {
    kind: KIND.beacon,
    bootNonce: 9,
    seq: 0,
    view: id,
    heard: payload,
    heardIds: [],
    digests,
    introduction: null,
  },
  { kind: KIND.askRepair, seqs: [1, 2, 3] },
  { kind: KIND.repair, seq: 0, id, ageMs: 12.3, payload },
  { kind: KIND.digest, nonce: 5, digests, hears: true, recent: [id, 1] },
  { kind: KIND.digestReply, nonce: 5, digests, hears: false, recent: [] },
  { kind: KIND.hello, cluster: 'shoal', record, digests },
  { kind: KIND.welcome, record, digests },
  { kind: KIND.reject, reason: 'no' },
  { kind: KIND.twin, question: 1, answer: 2, bootNonce: 3, incarnation: 4, ageMs: 5, verdict: 1 },
  { kind: KIND.end },
  {
    kind: KIND.summary,
    members: [
      { id: A, hash: 1 },
      { id: B, hash: 0xffffffff },
    ],
  },
  { kind: KIND.members, records: [record], want: [B] },
  { kind: KIND.reconcile, step: payload },
  { kind: KIND.probe, nonce: 0xffffffff, digest: 7, hears: true, standing: null, record: null },
  {
    kind: KIND.probe,
    nonce: 1,
    digest: 7,
    hears: false,
    standing: { state: STATE.suspect, incarnation: 9 },
    record: null,
  },
  { kind: KIND.probeAck, nonce: 1, digest: 0xffffffff, hears: false, standing: null, record },
  { kind: KIND.probeAsk, nonce: 5, target: B },
  { kind: KIND.probeReport, nonce: 5, answered: false, record: null },
  { kind: KIND.probeReport, nonce: 5, answered: true, record },
];

const codec = new Codec('shoal', A);

describe('the codec', () => {
  it('gives back every message as it was', () => {
    for (const message of messages)
      expect(codec.decode(codec.encode(message))).toEqual({ sender: A, message });
    expect(new Set(messages.map((m) => m.kind))).toEqual(new Set(Object.values(KIND)));
  });

  it('keeps the header of a tree message, all but the payload itself, within 40 bytes at 500 and at 5000 nodes', () => {
    const header = (nodes: number, bytes: number, ageMs: number): number => {
      const [id, view] = [2 ** 48 - 1, 2 ** 48 - 1];
      const part = { kind: KIND.tree, id, view, from: nodes - 1, length: nodes - 2, ageMs };
      return codec.encode({ ...part, payload: new Uint8Array(bytes) }).length - bytes;
    };
    for (const nodes of [500, 5000, 8192]) {
      for (const bytes of [0, 40, 255, 256, 1100]) {
        for (const ageMs of [0, 12, 60_000, 80_000_000]) {
          expect(header(nodes, bytes, ageMs)).toBeLessThanOrEqual(40);
          expect(header(nodes, bytes, ageMs)).toBeGreaterThan(ENVELOPE_BYTES + 20);
        }
      }
    }
  });

  it('ignores elements that a later version adds', () => {
    for (const message of messages) {
      const bytes = codec.encode(message);
      const value = decodeValue(bytes.subarray(ENVELOPE_BYTES)) as unknown[];
      if (value.length >= 15) continue;
      const grown = encodeValue([...value, 'new', { field: 1 }]);
      const longer = new Uint8Array(ENVELOPE_BYTES + grown.length);
      longer.set(bytes.subarray(0, ENVELOPE_BYTES));
      longer.set(grown, ENVELOPE_BYTES);
      expect(codec.decode(longer)).toEqual({ sender: A, message });
    }
  });

  it('names why it drops: other cluster, other version, too short, unknown kind, malformed', () => {
    const bytes = codec.encode({ kind: KIND.end });
    const withByte = (at: number, value: number): Uint8Array =>
      Uint8Array.from(bytes, (b, i) => (i === at ? value : b));
    expect(new Codec('other', A).decode(bytes)).toEqual({ drop: 'other-cluster', sender: null });
    expect(codec.decode(withByte(0, 9))).toEqual({ drop: 'other-version', sender: null });
    expect(codec.decode(withByte(0, 0x81))).toEqual({ drop: 'sealed', sender: null });
    expect(codec.decode(bytes.subarray(0, ENVELOPE_BYTES))).toEqual({ drop: 'too-short', sender: null });
    expect(codec.decode(withByte(ENVELOPE_BYTES + 1, 99))).toEqual({ drop: 'unknown-kind', sender: A });
    expect(codec.decode(withByte(ENVELOPE_BYTES, 0xc1))).toEqual({ drop: 'malformed', sender: A });
  });

  it('never throws and never lets a malformed value through, whatever the bytes', () => {
    const rng = new SeededRng(5);
    fc.assert(
      fc.property(
        fc.constantFrom(...messages),
        fc.uint8Array({ minLength: 1, maxLength: 6 }),
        (message, noise) => {
          const bytes = codec.encode(message);
          for (const b of noise) bytes[rng.below(bytes.length)] = b;
          const cut = bytes.subarray(0, 1 + rng.below(bytes.length));
          for (const sample of [bytes, cut]) {
            const decoded = codec.decode(sample);
            if ('drop' in decoded) continue;
            // What passes can be written again and is then read as the same.
            expect(codec.decode(new Codec('shoal', decoded.sender).encode(decoded.message))).toEqual(decoded);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe('members met on the wire', () => {
  it('are as good as those known here', () => {
    const list = new MemberList(record);
    expect(list.merge(record)).toEqual({ kind: 'none' });
  });
});

describe('what a later version adds', () => {
  const bare = (message: Message): Uint8Array => codec.encode(message);
  const grown = (bytes: Uint8Array, more: (array: unknown[]) => unknown[]): Uint8Array => {
    const body = encodeValue(more(decodeValue(bytes.subarray(ENVELOPE_BYTES)) as unknown[]));
    const out = new Uint8Array(ENVELOPE_BYTES + body.length);
    out.set(bytes.subarray(0, ENVELOPE_BYTES));
    out.set(body, ENVELOPE_BYTES);
    return out;
  };

  it('is counted for each kind of message, and nothing of this version is', () => {
    const reader = new Codec('shoal', B);
    for (const message of messages) reader.decode(bare(message));
    expect(reader.newer).toEqual({ messages: 0, records: 0, groups: 0 });
    for (const [i, message] of messages.entries()) {
      expect(reader.decode(grown(bare(message), (array) => [...array, 'more']))).toEqual({
        sender: A,
        message,
      });
      expect(reader.newer.messages).toBe(i + 1);
    }
  });

  it('is counted for a member record in each kind that carries one', () => {
    const reader = new Codec('shoal', B);
    const more = (value: unknown): unknown => {
      if (!Array.isArray(value)) return value;
      const isRecord = value.length === 12 && value[5] === record.name;
      return isRecord ? [...value, { later: [1] }] : value.map(more);
    };
    let expected = 0;
    for (const message of messages) {
      if (!JSON.stringify(message).includes(record.name)) continue;
      expect(reader.decode(grown(bare(message), (array) => array.map(more)))).toEqual({ sender: A, message });
      expect(reader.newer).toEqual({ messages: 0, records: ++expected, groups: 0 });
    }
    expect(expected).toBeGreaterThan(5);
  });
});
