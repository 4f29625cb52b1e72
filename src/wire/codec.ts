import { Decoder, Encoder } from '@msgpack/msgpack';
import { LIMITS, murmur32, type NodeId, nodeIdFromBytes, nodeIdToBytes, utf8 } from '../base/index.ts';
import { type MemberState, STATE } from '../members/index.ts';
import { asNodeId, isBytes, isCount, isList, isText } from './check.ts';
import {
  type Digests,
  type DropReason,
  KIND,
  type Message,
  type Newer,
  type ProbeMessage,
  SEALED_BYTE,
  type Standing,
  type TreeMessage,
  WIRE_VERSION,
} from './message.ts';
import { MAX_INCARNATION, recordFromWire, recordsFromWire, recordToWire } from './record.ts';

/** Version, cluster tag, sender: then the message as one msgpack array. */
export const ENVELOPE_BYTES = 13;
/** Broadcast ids, sequences asked for and the like in one message. */
const SHORT_LIST = 64;

const encoder = new Encoder({ ignoreUndefined: true });
const decoder = new Decoder({
  maxStrLength: 4096,
  maxBinLength: LIMITS.frameBytes,
  maxArrayLength: LIMITS.frameBytes / 2,
  maxMapLength: 64,
  maxExtLength: 0,
});

/** Encodes any plain value by itself: journal records, snapshots, payloads. */
export function encodeValue(value: unknown): Uint8Array {
  return encoder.encode(value);
}

/** The value, or undefined when the bytes are not one whole msgpack value. Never throws. */
export function decodeValue(bytes: Uint8Array): unknown {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** 32 bits of the cluster's name: keeps strangers apart; `hello` and introductions carry the whole name. */
export function clusterTag(name: string): number {
  return murmur32(utf8(name), 0x73686f61);
}

export type Decoded =
  | { readonly sender: NodeId; readonly message: Message }
  | { readonly drop: DropReason; readonly sender: NodeId | null };

/** Encodes and decodes messages of one cluster, as one sender. */
export class Codec {
  /** Counted over all that was decoded. */
  readonly newer: Newer = { messages: 0, records: 0, groups: 0 };
  readonly #tag: number;
  readonly #sender: Uint8Array;

  constructor(cluster: string, sender: NodeId) {
    this.#tag = clusterTag(cluster);
    this.#sender = nodeIdToBytes(sender);
  }

  encode(message: Message): Uint8Array {
    const body = encoder.encodeSharedRef(toWire(message));
    const out = new Uint8Array(ENVELOPE_BYTES + body.length);
    out[0] = WIRE_VERSION;
    out[1] = this.#tag >>> 24;
    out[2] = this.#tag >>> 16;
    out[3] = this.#tag >>> 8;
    out[4] = this.#tag;
    out.set(this.#sender, 5);
    out.set(body, ENVELOPE_BYTES);
    return out;
  }

  /** `foreign`: let other clusters' messages through, so that `hello` can be refused with a reason. */
  decode(bytes: Uint8Array, foreign = false): Decoded {
    if (bytes.length <= ENVELOPE_BYTES) return { drop: 'too-short', sender: null };
    if (bytes.length > LIMITS.frameBytes) return { drop: 'too-long', sender: null };
    if (bytes[0] !== WIRE_VERSION)
      return { drop: bytes[0] === SEALED_BYTE ? 'sealed' : 'other-version', sender: null };
    const tag =
      (((bytes[1] as number) << 24) |
        ((bytes[2] as number) << 16) |
        ((bytes[3] as number) << 8) |
        (bytes[4] as number)) >>>
      0;
    if (tag !== this.#tag && !foreign) return { drop: 'other-cluster', sender: null };
    const sender = nodeIdFromBytes(bytes, 5);
    const value = decodeValue(bytes.subarray(ENVELOPE_BYTES));
    if (!isList(value) || !isCount(value[0])) return { drop: 'malformed', sender };
    const read = READERS[value[0]];
    if (read === undefined) return { drop: 'unknown-kind', sender };
    const message = read(value, this.newer);
    if (message === null) return { drop: 'malformed', sender };
    if (value.length > (ELEMENTS[value[0]] as number)) this.newer.messages++;
    return { sender, message };
  }
}

/** True for hello and reject, which are read whatever their cluster, so that a wrong name gets an answer that says so. */
export function isGreeting(bytes: Uint8Array): boolean {
  const kind = bytes[ENVELOPE_BYTES + 1];
  return kind === KIND.hello || kind === KIND.reject;
}

/** Tenths of a millisecond, at most a day. */
const ageToWire = (ms: number): number => Math.min(864_000_000, Math.max(0, Math.round(ms * 10)));
const isAge = (value: unknown): value is number => isCount(value, 864_000_000);
const is48 = (value: unknown): value is number => isCount(value, 2 ** 48 - 1);

function toWire(m: Message): unknown[] {
  switch (m.kind) {
    case KIND.tree:
      return [m.kind, packPart(m), m.payload];
    case KIND.list:
      return [m.kind, pack48(m.id), packIds(m.ids), ageToWire(m.ageMs), m.payload];
    case KIND.ack:
      return [m.kind, pack48(m.id), (m.needList ? 1 : 0) | (m.hears ? 2 : 0)];
    case KIND.multicast:
      return [m.kind, m.bootNonce, m.seq, pack48(m.id), ageToWire(m.ageMs), m.payload];
    case KIND.beacon: {
      const who = m.introduction;
      const introduction = who === null ? null : [who.cluster, recordToWire(who.record)];
      const ids = m.heardIds.length === 0 ? null : packIds(m.heardIds);
      return [m.kind, m.bootNonce, m.seq, pack48(m.view), m.heard, ids, packDigests(m.digests), introduction];
    }
    case KIND.askRepair:
      return [m.kind, m.seqs];
    case KIND.repair:
      return [m.kind, m.seq, pack48(m.id), ageToWire(m.ageMs), m.payload];
    case KIND.digest:
    case KIND.digestReply:
      return [
        m.kind,
        m.nonce,
        packDigests(m.digests),
        m.hears ? 1 : 0,
        m.recent.length === 0 ? null : pack48(...m.recent),
      ];
    case KIND.hello:
      return [m.kind, m.cluster, recordToWire(m.record), packDigests(m.digests)];
    case KIND.welcome:
      return [m.kind, recordToWire(m.record), packDigests(m.digests)];
    case KIND.reject:
      return [m.kind, m.reason];
    case KIND.end:
      return [m.kind];
    case KIND.summary: {
      const bytes = new Uint8Array(m.members.length * 12);
      const data = new DataView(bytes.buffer);
      m.members.forEach(({ id, hash }, i) => {
        nodeIdToBytes(id, bytes, i * 12);
        data.setUint32(i * 12 + 8, hash);
      });
      return [m.kind, bytes];
    }
    case KIND.members:
      return [m.kind, m.records.map(recordToWire), packIds(m.want)];
    case KIND.reconcile:
      return [m.kind, m.step];
    case KIND.probe:
    case KIND.probeAck:
      return probeToWire(m);
    case KIND.probeAsk:
      return [m.kind, m.nonce, nodeIdToBytes(m.target)];
    case KIND.probeReport:
      return [m.kind, m.nonce, m.answered ? 1 : 0, m.record === null ? null : recordToWire(m.record)];
    case KIND.twin:
      return [m.kind, m.question, m.answer, m.bootNonce, m.incarnation, Math.round(m.ageMs), m.verdict];
  }
}

function probeToWire({ kind, nonce, digest, hears, standing, record }: ProbeMessage): unknown[] {
  const told = standing === null ? null : [standing.state, standing.incarnation];
  return [kind, nonce, digest, hears ? 1 : 0, told, record === null ? null : recordToWire(record)];
}

type Reader = (value: readonly unknown[], newer: Newer) => Message | null;

/** How many elements this version writes, by message number: more than that come from a later one. */
const ELEMENTS: Readonly<Record<number, number>> = {
  [KIND.tree]: 3,
  [KIND.list]: 5,
  [KIND.ack]: 3,
  [KIND.multicast]: 6,
  [KIND.beacon]: 8,
  [KIND.askRepair]: 2,
  [KIND.repair]: 5,
  [KIND.digest]: 5,
  [KIND.digestReply]: 5,
  [KIND.hello]: 4,
  [KIND.welcome]: 3,
  [KIND.reject]: 2,
  [KIND.end]: 1,
  [KIND.summary]: 2,
  [KIND.members]: 3,
  [KIND.reconcile]: 2,
  [KIND.probe]: 6,
  [KIND.probeAck]: 6,
  [KIND.probeAsk]: 3,
  [KIND.probeReport]: 4,
  [KIND.twin]: 7,
};

/** By message number. A reader ignores array elements behind the ones it knows: that is how messages grow. */
const READERS: Readonly<Record<number, Reader>> = {
  [KIND.tree]: ([, packed, payload]) => {
    const part = unpackPart(packed);
    return part === null || !isBytes(payload) ? null : { kind: KIND.tree, ...part, payload: copy(payload) };
  },
  [KIND.list]: ([, name, list, age, payload]) => {
    const id = unpack48(name, 1)?.[0];
    const ids = unpackIds(list, SHORT_LIST);
    if (id === undefined || ids === null || !isAge(age) || !isBytes(payload)) return null;
    return { kind: KIND.list, id, ids, ageMs: age / 10, payload: copy(payload) };
  },
  [KIND.ack]: ([, name, flags]) => {
    const id = unpack48(name, 1)?.[0];
    if (id === undefined || !isCount(flags)) return null;
    return { kind: KIND.ack, id, needList: (flags & 1) !== 0, hears: (flags & 2) !== 0 };
  },
  [KIND.multicast]: ([, bootNonce, seq, name, age, payload]) => {
    const id = unpack48(name, 1)?.[0];
    if (
      !isCount(bootNonce, 0xffffffff) ||
      !isCount(seq) ||
      id === undefined ||
      !isAge(age) ||
      !isBytes(payload)
    )
      return null;
    return { kind: KIND.multicast, bootNonce, seq, id, ageMs: age / 10, payload: copy(payload) };
  },
  [KIND.beacon]: ([, bootNonce, seq, viewName, heard, idList, sums, who], newer) => {
    const view = unpack48(viewName, 1)?.[0];
    const digests = unpackDigests(sums);
    const heardIds = idList === null ? [] : unpackIds(idList, LIMITS.datagramBytes / 8);
    if (!isCount(bootNonce, 0xffffffff) || !isCount(seq) || view === undefined || !isBytes(heard))
      return null;
    if (digests === null || heardIds === null) return null;
    let introduction = null;
    if (isList(who)) {
      const record = recordFromWire(who[1], newer);
      if (!isText(who[0], LIMITS.nameBytes) || record === null) return null;
      introduction = { cluster: who[0], record };
    }
    return { kind: KIND.beacon, bootNonce, seq, view, heard: copy(heard), heardIds, digests, introduction };
  },
  [KIND.askRepair]: ([, seqs]) => {
    if (!isList(seqs) || seqs.length > SHORT_LIST || !seqs.every((s) => isCount(s))) return null;
    return { kind: KIND.askRepair, seqs: seqs as number[] };
  },
  [KIND.repair]: ([, seq, name, age, payload]) => {
    const id = unpack48(name, 1)?.[0];
    if (!isCount(seq) || id === undefined || !isAge(age) || !isBytes(payload)) return null;
    return { kind: KIND.repair, seq, id, ageMs: age / 10, payload: copy(payload) };
  },
  [KIND.digest]: (value) => readDigest(KIND.digest, value),
  [KIND.digestReply]: (value) => readDigest(KIND.digestReply, value),
  [KIND.hello]: ([, cluster, who, sums], newer) => {
    const record = recordFromWire(who, newer);
    const digests = unpackDigests(sums);
    if (!isText(cluster, LIMITS.nameBytes) || record === null || digests === null) return null;
    return { kind: KIND.hello, cluster, record, digests };
  },
  [KIND.welcome]: ([, who, sums], newer) => {
    const record = recordFromWire(who, newer);
    const digests = unpackDigests(sums);
    return record === null || digests === null ? null : { kind: KIND.welcome, record, digests };
  },
  [KIND.reject]: ([, reason]) => (isText(reason, 256) ? { kind: KIND.reject, reason } : null),
  [KIND.end]: () => ({ kind: KIND.end }),
  [KIND.summary]: ([, bytes]) => {
    if (!isBytes(bytes) || bytes.length % 12 !== 0 || bytes.length > LIMITS.members * 12) return null;
    const members: { id: NodeId; hash: number }[] = [];
    for (let at = 0; at < bytes.length; at += 12) {
      const data = new DataView(bytes.buffer, bytes.byteOffset + at);
      members.push({ id: nodeIdFromBytes(bytes, at), hash: data.getUint32(8) });
    }
    return { kind: KIND.summary, members };
  },
  [KIND.members]: ([, list, wanted], newer) => {
    const records = recordsFromWire(list, newer);
    const want = unpackIds(wanted, LIMITS.members);
    return records === null || want === null ? null : { kind: KIND.members, records, want };
  },
  [KIND.reconcile]: ([, step]) => (isBytes(step) ? { kind: KIND.reconcile, step: copy(step) } : null),
  [KIND.probe]: (value, newer) => readProbe(KIND.probe, value, newer),
  [KIND.probeAck]: (value, newer) => readProbe(KIND.probeAck, value, newer),
  [KIND.probeAsk]: ([, nonce, bytes]) => {
    const target = asNodeId(bytes);
    return isCount(nonce, 0xffffffff) && target !== null ? { kind: KIND.probeAsk, nonce, target } : null;
  },
  [KIND.probeReport]: ([, nonce, answered, who], newer) => {
    const record = who === null ? null : recordFromWire(who, newer);
    if (!isCount(nonce, 0xffffffff) || !isCount(answered) || (who !== null && record === null)) return null;
    return { kind: KIND.probeReport, nonce, answered: (answered & 1) !== 0, record };
  },
  [KIND.twin]: ([, question, answer, bootNonce, incarnation, ageMs, verdict]) => {
    if (!isCount(question, 0xffffffff) || !isCount(answer, 0xffffffff) || !isCount(bootNonce, 0xffffffff))
      return null;
    if (!isCount(incarnation, MAX_INCARNATION) || !isCount(ageMs) || !isCount(verdict, 3)) return null;
    return {
      kind: KIND.twin,
      question,
      answer,
      bootNonce,
      incarnation,
      ageMs,
      verdict: verdict as 0 | 1 | 2 | 3,
    };
  },
};

function readProbe(kind: ProbeMessage['kind'], value: readonly unknown[], newer: Newer): Message | null {
  const [, nonce, digest, flags, told, who] = value;
  if (!isCount(nonce, 0xffffffff) || !isCount(digest, 0xffffffff) || !isCount(flags)) return null;
  let standing: Standing | null = null;
  if (told !== null) {
    if (!isList(told) || !isCount(told[0], STATE.left) || !isCount(told[1], MAX_INCARNATION)) return null;
    standing = { state: told[0] as MemberState, incarnation: told[1] };
  }
  const record = who === null ? null : recordFromWire(who, newer);
  if (who !== null && record === null) return null;
  return { kind, nonce, digest, hears: (flags & 1) !== 0, standing, record };
}

function readDigest(
  kind: typeof KIND.digest | typeof KIND.digestReply,
  value: readonly unknown[],
): Message | null {
  const [, nonce, sums, flags, names] = value;
  const digests = unpackDigests(sums);
  const recent = names === null ? [] : unpack48(names, SHORT_LIST);
  if (!isCount(nonce, 0xffffffff) || digests === null || !isCount(flags) || recent === null) return null;
  return { kind, nonce, digests, hears: (flags & 1) !== 0, recent };
}

/** The decoder's byte arrays are views into the datagram; what is kept must not pin or share it. */
const copy = (bytes: Uint8Array): Uint8Array => bytes.slice();

/** A tree message's names and numbers in fixed fields, so that its header has one length, whatever they are. */
const PART_BYTES = 20;

function packPart({ id, view, from, length, ageMs }: Omit<TreeMessage, 'kind' | 'payload'>): Uint8Array {
  const out = new Uint8Array(PART_BYTES);
  const data = new DataView(out.buffer);
  out.set(pack48(id, view));
  data.setUint16(12, from);
  data.setUint16(14, length);
  data.setUint32(16, ageToWire(ageMs));
  return out;
}

function unpackPart(value: unknown): Omit<TreeMessage, 'kind' | 'payload'> | null {
  if (!isBytes(value) || value.length !== PART_BYTES) return null;
  const data = new DataView(value.buffer, value.byteOffset, PART_BYTES);
  const [from, length, age] = [data.getUint16(12), data.getUint16(14), data.getUint32(16)];
  const names = unpack48(value.subarray(0, 12), 2);
  if (names === null || !isCount(from, LIMITS.members) || !isCount(length, LIMITS.members) || !isAge(age))
    return null;
  const [id, view] = names as [number, number];
  return { id, view, from, length, ageMs: age / 10 };
}

function pack48(...values: number[]): Uint8Array {
  const out = new Uint8Array(values.length * 6);
  values.forEach((value, i) => {
    const high = Math.floor(value / 4294967296);
    const low = value >>> 0;
    out.set([high >>> 8, high & 255, low >>> 24, (low >>> 16) & 255, (low >>> 8) & 255, low & 255], i * 6);
  });
  return out;
}

function unpack48(value: unknown, most: number): number[] | null {
  if (!isBytes(value) || value.length % 6 !== 0 || value.length === 0 || value.length > most * 6) return null;
  const out: number[] = [];
  const data = new DataView(value.buffer, value.byteOffset, value.length);
  for (let at = 0; at < value.length; at += 6)
    out.push(data.getUint16(at) * 4294967296 + data.getUint32(at + 2));
  return out.every(is48) ? out : null;
}

function packIds(ids: readonly NodeId[]): Uint8Array {
  const out = new Uint8Array(ids.length * 8);
  ids.forEach((id, i) => {
    nodeIdToBytes(id, out, i * 8);
  });
  return out;
}

function unpackIds(value: unknown, most: number): NodeId[] | null {
  if (!isBytes(value) || value.length % 8 !== 0 || value.length > most * 8) return null;
  const out: NodeId[] = [];
  for (let at = 0; at < value.length; at += 8) {
    const id = asNodeId(value.subarray(at, at + 8));
    if (id !== null) out.push(id);
  }
  return out;
}

function packDigests(d: Digests): Uint8Array {
  const out = new Uint8Array(24);
  const data = new DataView(out.buffer);
  [d.mapHi, d.mapLo, d.standingHi, d.standingLo, d.lastingHi, d.lastingLo].forEach((word, i) => {
    data.setUint32(i * 4, word);
  });
  return out;
}

function unpackDigests(value: unknown): Digests | null {
  if (!isBytes(value) || value.length !== 24) return null;
  const data = new DataView(value.buffer, value.byteOffset, 24);
  return {
    mapHi: data.getUint32(0),
    mapLo: data.getUint32(4),
    standingHi: data.getUint32(8),
    standingLo: data.getUint32(12),
    lastingHi: data.getUint32(16),
    lastingLo: data.getUint32(20),
  };
}
