/**
 * Protocol 1 as it was on 21 November 2026 (shoal 0.1.0): an old node's mouth and ears. Imports nothing of src, so that a
 * change there cannot change it. Do not mend it when it fails: either the change breaks old nodes (then it must not be,
 * or WIRE_VERSION rises), or it is about something this file does not know, which old nodes ignore.
 *
 * A datagram or frame: version 1, 32 bits of the cluster's name, the sender's id, then one msgpack array whose first
 * element is the kind. Kinds 1 to 20. Elements behind the known ones are ignored, so are unknown kinds.
 */
import { pack, unpack, type Value } from './msgpack.ts';

/** 16 hex digits. */
type Id = string;

export interface Record1 {
  readonly id: Id;
  readonly incarnation: number;
  /** 0 alive, 1 suspect, 2 down, 3 left. */
  readonly state: number;
  readonly reachVersion: number;
  readonly reach: Id;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly resp: string | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly capacity: Readonly<Record<string, number>>;
  readonly version: string;
  readonly bootNonce: number;
}

export interface Digests1 {
  readonly mapHi: number;
  readonly mapLo: number;
  readonly standingHi: number;
  readonly standingLo: number;
  readonly lastingHi: number;
  readonly lastingLo: number;
}

type Broadcast = { readonly id: number; readonly ageMs: number; readonly payload: Uint8Array };
type Probing = { readonly nonce: number; readonly digest: number; readonly hears: boolean };

export type Message1 =
  | ({ readonly kind: 1; readonly view: number; readonly from: number; readonly length: number } & Broadcast)
  | ({ readonly kind: 2; readonly ids: readonly Id[] } & Broadcast)
  | { readonly kind: 3; readonly id: number; readonly needList: boolean; readonly hears: boolean }
  | ({ readonly kind: 4; readonly bootNonce: number; readonly seq: number } & Broadcast)
  | {
      readonly kind: 5;
      readonly bootNonce: number;
      readonly seq: number;
      readonly view: number;
      readonly heard: Uint8Array;
      readonly heardIds: readonly Id[];
      readonly digests: Digests1;
      readonly introduction: { readonly cluster: string; readonly record: Record1 } | null;
    }
  | { readonly kind: 6; readonly seqs: readonly number[] }
  | ({ readonly kind: 7; readonly seq: number } & Broadcast)
  | {
      readonly kind: 8 | 9;
      readonly nonce: number;
      readonly digests: Digests1;
      readonly hears: boolean;
      readonly recent: readonly number[];
    }
  | { readonly kind: 10; readonly cluster: string; readonly record: Record1; readonly digests: Digests1 }
  | { readonly kind: 11; readonly record: Record1; readonly digests: Digests1 }
  | { readonly kind: 12; readonly reason: string }
  | { readonly kind: 13 }
  | { readonly kind: 14; readonly members: readonly { readonly id: Id; readonly hash: number }[] }
  | { readonly kind: 15; readonly records: readonly Record1[]; readonly want: readonly Id[] }
  | { readonly kind: 16; readonly step: Uint8Array }
  | ({
      readonly kind: 17 | 18;
      readonly standing: { readonly state: number; readonly incarnation: number } | null;
      readonly record: Record1 | null;
    } & Probing)
  | { readonly kind: 19; readonly nonce: number; readonly target: Id }
  | {
      readonly kind: 20;
      readonly nonce: number;
      readonly answered: boolean;
      readonly record: Record1 | null;
    };

// --- Messages. ---

/** `tag`: the first 32 bits behind the version, see TAG_OF_SHOAL. */
export function encode(tag: number, sender: Id, message: Message1): Uint8Array {
  return encodeArray(tag, sender, toArray(message));
}

export function encodeArray(tag: number, sender: Id, array: readonly Value[]): Uint8Array {
  return join(Uint8Array.of(1), word(tag), idBytes(sender), pack(array));
}

/** The tag of a cluster called `shoal`. */
export const TAG_OF_SHOAL = 0xdab84a4b;

/** Null: an unknown kind, which an old node counts and forgets. */
export function decode(bytes: Uint8Array): { sender: Id; message: Message1 } | null {
  if (bytes[0] !== 1) throw new Error(`version ${bytes[0]}`);
  const array = unpack(bytes.subarray(13)) as readonly Value[];
  const message = fromArray(array);
  return message === null ? null : { sender: hex(bytes.subarray(5, 13)), message };
}

function toArray(m: Message1): Value[] {
  switch (m.kind) {
    case 1: {
      const part = join(six(m.id), six(m.view), short(m.from), short(m.length), word(age(m.ageMs)));
      return [1, part, m.payload];
    }
    case 2:
      return [2, six(m.id), join(...m.ids.map(idBytes)), age(m.ageMs), m.payload];
    case 3:
      return [3, six(m.id), (m.needList ? 1 : 0) + (m.hears ? 2 : 0)];
    case 4:
      return [4, m.bootNonce, m.seq, six(m.id), age(m.ageMs), m.payload];
    case 5: {
      const ids = m.heardIds.length === 0 ? null : join(...m.heardIds.map(idBytes));
      const who = m.introduction === null ? null : [m.introduction.cluster, record(m.introduction.record)];
      return [5, m.bootNonce, m.seq, six(m.view), m.heard, ids, digests(m.digests), who];
    }
    case 6:
      return [6, m.seqs];
    case 7:
      return [7, m.seq, six(m.id), age(m.ageMs), m.payload];
    case 8:
    case 9: {
      const recent = m.recent.length === 0 ? null : join(...m.recent.map(six));
      return [m.kind, m.nonce, digests(m.digests), m.hears ? 1 : 0, recent];
    }
    case 10:
      return [10, m.cluster, record(m.record), digests(m.digests)];
    case 11:
      return [11, record(m.record), digests(m.digests)];
    case 12:
      return [12, m.reason];
    case 13:
      return [13];
    case 14:
      return [14, join(...m.members.map(({ id, hash }) => join(idBytes(id), word(hash))))];
    case 15:
      return [15, m.records.map(record), join(...m.want.map(idBytes))];
    case 16:
      return [16, m.step];
    case 17:
    case 18: {
      const told = m.standing === null ? null : [m.standing.state, m.standing.incarnation];
      return [m.kind, m.nonce, m.digest, m.hears ? 1 : 0, told, m.record === null ? null : record(m.record)];
    }
    case 19:
      return [19, m.nonce, idBytes(m.target)];
    case 20:
      return [20, m.nonce, m.answered ? 1 : 0, m.record === null ? null : record(m.record)];
  }
}

function fromArray([kind, a, b, c, d, e, f, g]: readonly Value[]): Message1 | null {
  switch (kind) {
    case 1: {
      const part = at(a);
      const names = { id: part.six(0), view: part.six(6), from: part.short(12), length: part.short(14) };
      return { kind, ...names, ageMs: part.word(16) / 10, payload: b as Uint8Array };
    }
    case 2:
      return { kind, id: at(a).six(0), ids: ids(b), ageMs: (c as number) / 10, payload: d as Uint8Array };
    case 3:
      return {
        kind,
        id: at(a).six(0),
        needList: ((b as number) & 1) !== 0,
        hears: ((b as number) & 2) !== 0,
      };
    case 4: {
      const numbers = { bootNonce: a as number, seq: b as number, id: at(c).six(0) };
      return { kind, ...numbers, ageMs: (d as number) / 10, payload: e as Uint8Array };
    }
    case 5: {
      const who = g as readonly [string, Value] | null;
      const introduction = who === null ? null : { cluster: who[0], record: toRecord(who[1]) };
      const numbers = { bootNonce: a as number, seq: b as number, view: at(c).six(0) };
      return {
        kind,
        ...numbers,
        heard: d as Uint8Array,
        heardIds: ids(e),
        digests: toDigests(f),
        introduction,
      };
    }
    case 6:
      return { kind, seqs: a as readonly number[] };
    case 7:
      return {
        ...{ kind, seq: a as number, id: at(b).six(0) },
        ...{ ageMs: (c as number) / 10, payload: d as Uint8Array },
      };
    case 8:
    case 9: {
      const names = d === null ? new Uint8Array(0) : (d as Uint8Array);
      const recent = Array.from({ length: names.length / 6 }, (_, i) => at(names).six(6 * i));
      return { kind, nonce: a as number, digests: toDigests(b), hears: ((c as number) & 1) !== 0, recent };
    }
    case 10:
      return { kind, cluster: a as string, record: toRecord(b), digests: toDigests(c) };
    case 11:
      return { kind, record: toRecord(a), digests: toDigests(b) };
    case 12:
      return { kind, reason: a as string };
    case 13:
      return { kind };
    case 14: {
      const bytes = a as Uint8Array;
      const length = bytes.length / 12;
      const one = (i: number) => ({
        id: hex(bytes.subarray(12 * i, 12 * i + 8)),
        hash: at(bytes).word(12 * i + 8),
      });
      return { kind, members: Array.from({ length }, (_, i) => one(i)) };
    }
    case 15:
      return { kind, records: (a as readonly Value[]).map(toRecord), want: ids(b) };
    case 16:
      return { kind, step: a as Uint8Array };
    case 17:
    case 18: {
      const told = d as readonly [number, number] | null;
      const standing = told === null ? null : { state: told[0], incarnation: told[1] };
      const numbers = { nonce: a as number, digest: b as number, hears: ((c as number) & 1) !== 0 };
      return { kind, ...numbers, standing, record: e === null ? null : toRecord(e as Value) };
    }
    case 19:
      return { kind, nonce: a as number, target: hex(b as Uint8Array) };
    case 20: {
      const who = c === null ? null : toRecord(c as Value);
      return { kind, nonce: a as number, answered: ((b as number) & 1) !== 0, record: who };
    }
  }
  return null;
}

// --- What a broadcast carries. ---

export interface Dot1 {
  readonly actor: Id;
  readonly counter: number;
  readonly base: boolean;
  readonly amount: number;
}

/** An entry of one node's with its live dots. Old nodes also send removed ones and contexts; a peer need not. */
export interface Entry1 {
  readonly node: Id;
  readonly start: number;
  readonly end: number;
  readonly live: readonly Dot1[];
}

/** Payload of a broadcast: origin, deltas, records. */
export function group(origin: Id, deltas: readonly Uint8Array[], records: readonly Record1[]): Uint8Array {
  return pack([idBytes(origin), deltas, records.map(record)]);
}

/** A delta with one entry: a table of ids, then numbers of 7 bits a byte, the lowest first; dots as differences. */
export function delta({ node, start, end, live }: Entry1): Uint8Array {
  const table: Id[] = [];
  const last: number[] = [];
  const place = (id: Id): number => {
    if (!table.includes(id)) last[table.push(id) - 1] = 0;
    return table.indexOf(id);
  };
  const out: number[] = [
    ...leb(1),
    ...leb(place(node)),
    ...leb(1),
    ...word(start),
    ...word(end),
    ...leb(4 * live.length),
  ];
  for (const { actor, counter, base, amount } of live) {
    const i = place(actor);
    const step = counter - (last[i] as number);
    last[i] = counter;
    // One bit of sign and six of size in the first byte.
    const size = Math.abs(step);
    const first = (size % 64) * 2 + (step < 0 ? 1 : 0);
    out.push(...leb(2 * i), ...(size < 64 ? [first] : [first + 128, ...leb(Math.floor(size / 64))]));
    out.push(...leb(Math.abs(amount) * 4 + (amount < 0 ? 2 : 0) + (base ? 1 : 0)));
  }
  return join(Uint8Array.from(leb(table.length)), ...table.map(idBytes), Uint8Array.from(out));
}

function leb(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...leb(Math.floor(value / 128))];
}

// --- Parts. ---

export function record(r: Record1): Value[] {
  const reach = r.reach === r.id ? null : idBytes(r.reach);
  const who = [idBytes(r.id), r.incarnation, r.state, r.reachVersion, reach, r.name];
  return [...who, r.addresses, r.resp, r.tags, r.capacity, r.version, r.bootNonce];
}

function toRecord(value: Value | undefined): Record1 {
  const [
    id,
    incarnation,
    state,
    reachVersion,
    reach,
    name,
    addresses,
    resp,
    tags,
    capacity,
    version,
    bootNonce,
  ] = value as readonly Value[];
  return {
    id: hex(id as Uint8Array),
    incarnation: incarnation as number,
    state: state as number,
    reachVersion: reachVersion as number,
    reach: hex((reach ?? id) as Uint8Array),
    name: name as string,
    addresses: addresses as readonly string[],
    resp: resp as string | null,
    tags: tags as Record<string, string>,
    capacity: capacity as Record<string, number>,
    version: version as string,
    bootNonce: bootNonce as number,
  };
}

function digests(d: Digests1): Uint8Array {
  const words = [d.mapHi, d.mapLo, d.standingHi, d.standingLo, d.lastingHi, d.lastingLo];
  return join(...words.map(word));
}

function toDigests(value: Value | undefined): Digests1 {
  const part = at(value);
  return {
    ...{ mapHi: part.word(0), mapLo: part.word(4), standingHi: part.word(8) },
    ...{ standingLo: part.word(12), lastingHi: part.word(16), lastingLo: part.word(20) },
  };
}

const age = (ms: number): number => Math.round(ms * 10);
const short = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value & 255);
const word = (value: number): Uint8Array => join(short(value >>> 16), short(value & 0xffff));
const six = (value: number): Uint8Array => join(short(Math.floor(value / 2 ** 32)), word(value % 2 ** 32));

function at(value: Value | undefined) {
  const bytes = value as Uint8Array;
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    short: (i: number): number => data.getUint16(i),
    word: (i: number): number => data.getUint32(i),
    six: (i: number): number => data.getUint16(i) * 2 ** 32 + data.getUint32(i + 2),
  };
}

export function idBytes(id: Id): Uint8Array {
  return Uint8Array.from(id.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function ids(value: Value | undefined): Id[] {
  const bytes = (value ?? new Uint8Array(0)) as Uint8Array;
  return Array.from({ length: bytes.length / 8 }, (_, i) => hex(bytes.subarray(8 * i, 8 * i + 8)));
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
