import type { NodeId } from '../base/index.ts';
import { LIMITS, nodeIdToBytes } from '../base/index.ts';
import type { Delta } from '../crdt/index.ts';
import type { MemberRecord } from '../members/index.ts';
import {
  asNodeId,
  decodeValue,
  deltaFromWire,
  deltaToWire,
  encodeValue,
  isCount,
  isList,
  type Newer,
  recordsFromWire,
  recordToWire,
} from '../wire/index.ts';
import { type Batch, batchFromWire, batchToWire, Departures } from './publications.ts';

/** Payload bytes one group aims at: leaves room in a datagram for the envelope and a tree or list header. */
const GROUP_BYTES = 1000;
/** Changes made within this time of the last flush travel together. */
export const GROUP_WINDOW_MS = 5;

/** A delta group: what one broadcast carries. */
export interface Group {
  readonly origin: NodeId;
  readonly deltas: readonly Delta[];
  readonly records: readonly MemberRecord[];
  readonly accusations: readonly Accusation[];
  /** What there is besides changes; a group of this version has either. */
  readonly batch: Batch | null;
}

/** Where payloads go: the broadcaster. */
export interface Spreader {
  /** `lasting`: it changes the state, and who missed it is to get it after all. */
  originate(payload: Uint8Array, nowMs: number, lasting: boolean): void;
  /** No publications are to be sent now. */
  readonly congested: boolean;
}

/** Who says that a member is gone; its record goes with it. */
export interface Accusation {
  readonly id: NodeId;
  readonly incarnation: number;
  readonly accusers: readonly NodeId[];
}

/** Accusers named in one accusation, and accusations in one group. */
const ACCUSERS = 8;
const ACCUSATIONS = 16;

export function encodeGroup(
  origin: NodeId,
  deltas: readonly Uint8Array[],
  records: readonly unknown[],
  accusations: readonly Accusation[] = [],
): Uint8Array {
  const group: unknown[] = [nodeIdToBytes(origin), deltas, records];
  if (accusations.length > 0) group.push(accusations.map(accusationToWire));
  return encodeValue(group);
}

/** To a node of a version that does not know publications it is a group of nothing, which it passes on. */
export function encodeBatch(origin: NodeId, batch: Batch): Uint8Array {
  return encodeValue([nodeIdToBytes(origin), [], [], [], batchToWire(batch)]);
}

function accusationToWire({ id, incarnation, accusers }: Accusation): unknown[] {
  return [nodeIdToBytes(id), incarnation, accusers.map((accuser) => nodeIdToBytes(accuser))];
}

function accusationsFromWire(value: unknown): Accusation[] | null {
  if (value === undefined) return [];
  if (!isList(value) || value.length > ACCUSATIONS) return null;
  const out: Accusation[] = [];
  for (const item of value) {
    if (!isList(item) || !isCount(item[1]) || !isList(item[2]) || item[2].length > ACCUSERS) return null;
    const id = asNodeId(item[0]);
    const accusers: NodeId[] = [];
    for (const bytes of item[2]) {
      const accuser = asNodeId(bytes);
      if (accuser !== null) accusers.push(accuser);
    }
    if (id === null || accusers.length < item[2].length) return null;
    out.push({ id, incarnation: item[1], accusers });
  }
  return out;
}

/** Elements of a group's array. */
const FIELDS = 5;

/** Null when it is malformed. What a later version added is ignored, and counted in `newer`. */
export function decodeGroup(payload: Uint8Array, newer?: Newer): Group | null {
  const value = decodeValue(payload);
  if (!isList(value) || !isList(value[1])) return null;
  const origin = asNodeId(value[0]);
  const records = recordsFromWire(value[2], newer);
  const accusations = accusationsFromWire(value[3]);
  const batch = value[4] === undefined || value[4] === null ? null : batchFromWire(value[4]);
  if (origin === null || records === null || accusations === null) return null;
  if (batch === null && value[4] !== undefined && value[4] !== null) return null;
  const deltas: Delta[] = [];
  for (const part of value[1]) {
    const delta = deltaFromWire(part);
    if (delta === null) return null;
    deltas.push(delta);
  }
  if (newer !== undefined && value.length > FIELDS) newer.groups++;
  return { origin, deltas, records, accusations, batch };
}

/** Changes made here, and messages published, that wait to be broadcast, bounded; cut into groups that fit a datagram. */
export class Outbox {
  readonly counters = { groups: 0, dropped: 0 };
  readonly departures: Departures;
  readonly #self: NodeId;
  #deltas: Uint8Array[] = [];
  readonly #records = new Map<NodeId, MemberRecord>();
  /** Of the suspects among them. */
  readonly #accusers = new Map<NodeId, readonly NodeId[]>();
  #flushedMs = -Infinity;
  #dueMs = Infinity;

  constructor(self: NodeId, bootNonce: number) {
    this.#self = self;
    this.departures = new Departures(bootNonce);
  }

  /** Changes; publications besides them are of `departures`. */
  get waiting(): number {
    return this.#deltas.length + this.#records.size;
  }

  get idle(): boolean {
    return this.waiting + this.departures.waiting === 0;
  }

  addDelta(delta: Delta, nowMs: number): void {
    if (this.#deltas.length >= LIMITS.pendingDeltas) this.counters.dropped++;
    else this.#deltas.push(deltaToWire(delta));
    this.#schedule(nowMs);
  }

  addRecord(record: MemberRecord, nowMs: number): void {
    this.#records.set(record.id, record);
    this.#schedule(nowMs);
  }

  /** A suspicion goes out with those who share it. */
  addSuspicion(record: MemberRecord, accusers: readonly NodeId[], nowMs: number): void {
    this.#accusers.set(record.id, accusers);
    this.addRecord(record, nowMs);
  }

  /** False: it was dropped. */
  publish(channel: Uint8Array, message: Uint8Array, nowMs: number): boolean {
    const taken = this.departures.add(channel, message);
    if (taken) this.#schedule(nowMs);
    return taken;
  }

  nextMs(): number {
    return this.#dueMs;
  }

  /** The first change after a pause goes at once; those that follow closely wait for the end of the window. */
  #schedule(nowMs: number): void {
    if (this.#dueMs === Infinity) this.#dueMs = Math.max(nowMs, this.#flushedMs + GROUP_WINDOW_MS);
  }

  /** Broadcasts what is due: changes first. */
  flush(nowMs: number, to: Spreader): void {
    if (nowMs < this.#dueMs) return;
    this.#flushedMs = nowMs;
    const groups = this.#changes();
    for (const payload of groups) to.originate(payload, nowMs, true);
    this.counters.groups += groups.length;
    for (let sent = groups.length; sent < LIMITS.groupsPerFlush && !to.congested; sent++) {
      const batch = this.departures.next(GROUP_BYTES, nowMs);
      if (batch === null) break;
      to.originate(encodeBatch(this.#self, batch), nowMs, false);
    }
    this.#dueMs = this.idle ? Infinity : nowMs + GROUP_WINDOW_MS;
  }

  #changes(): Uint8Array[] {
    const payloads: Uint8Array[] = [];
    let at = 0;
    while ((at < this.#deltas.length || this.#records.size > 0) && payloads.length < LIMITS.groupsPerFlush) {
      const deltas: Uint8Array[] = [];
      const some: unknown[] = [];
      const accusations: Accusation[] = [];
      let bytes = 0;
      for (const [id, record] of this.#records) {
        const value = recordToWire(record);
        bytes += encodeValue(value).length;
        if (some.length > 0 && bytes > GROUP_BYTES) break;
        some.push(value);
        const accusers = this.#accusers.get(id);
        if (accusers !== undefined && accusations.length < ACCUSATIONS)
          accusations.push({ id, incarnation: record.incarnation, accusers });
        this.#accusers.delete(id);
        this.#records.delete(id);
      }
      while (at < this.#deltas.length) {
        const delta = this.#deltas[at] as Uint8Array;
        if (deltas.length + some.length > 0 && bytes + delta.length + 2 > GROUP_BYTES) break;
        bytes += delta.length + 2;
        deltas.push(delta);
        at++;
      }
      payloads.push(encodeGroup(this.#self, deltas, some, accusations));
    }
    this.#deltas = at === this.#deltas.length ? [] : this.#deltas.slice(at);
    return payloads;
  }
}
