import type { NodeId } from '../../../src/base/index.ts';
import { AworMap, beginReconcile, respondReconcile } from '../../../src/crdt/index.ts';
import { decodeGroup, encodeBatch } from '../../../src/node/group.ts';
import { Arrivals } from '../../../src/node/publications.ts';
import {
  Codec,
  decodeValue,
  deltaFromWire,
  deltaToWire,
  ENVELOPE_BYTES,
  encodeValue,
  KIND,
  reconcileFromWire,
  reconcileToWire,
  recordFromWire,
} from '../../../src/wire/index.ts';
import type { Target } from '../target.ts';
import { A, B, conversation, everyKind } from './machine.ts';

function sampleMap(actor: NodeId, entries: number): AworMap {
  const map = new AworMap();
  for (let i = 1; i <= entries; i++) {
    const key = { node: actor, start: i * 1000, end: i * 1000 + 500 };
    map.register(actor, 3 * i, key, i);
    if (i % 3 === 0) map.adjust(actor, 3 * i + 1, key, 5);
    if (i % 5 === 0) map.release(key);
  }
  return map;
}

/** How many, roughly. */
const bucket = (n: number): number => Math.ceil(Math.log2(n + 1));

/** Messages: what is read is read again after being written. */
export function codecTarget(): Target {
  const codec = new Codec('fuzz', A);
  const writers = new Map<string, Codec>();
  return {
    shape: { kind: 'msgpack', at: ENVELOPE_BYTES },
    seeds: () => [...everyKind(), ...conversation()],
    feed(input) {
      const decoded = codec.decode(input, true);
      if ('drop' in decoded) return decoded.drop;
      let writer = writers.get(decoded.sender);
      if (writer === undefined) {
        writer = new Codec('fuzz', decoded.sender);
        if (writers.size < 1000) writers.set(decoded.sender, writer);
      }
      const again = writer.decode(writer.encode(decoded.message), true);
      if ('drop' in again) throw new Error(`what was read cannot be read again: ${again.drop}`);
      if (decoded.message.kind !== again.message.kind) {
        throw new Error(`kind ${decoded.message.kind} was read again as ${again.message.kind}`);
      }
      return `+${decoded.message.kind}`;
    },
  };
}

/** Changes of the map: joined twice they are joined once. */
export function deltaTarget(): Target {
  return {
    shape: { kind: 'msgpack', at: 0 },
    seeds: () =>
      sampleMap(A, 40)
        .chunks(200)
        .map((delta) => encodeValue(deltaToWire(delta))),
    feed(input) {
      const value = decodeValue(input);
      if (value === undefined) return 'no value';
      const delta = deltaFromWire(value);
      if (delta === null) return 'no delta';
      const map = sampleMap(B, 2);
      map.join(delta);
      const once = map.digest();
      map.join(delta);
      if (map.digest() !== once) throw new Error('joining a delta twice is not joining it once');
      for (const chunk of map.chunks(4000)) {
        const wire = encodeValue(deltaToWire(chunk));
        if (deltaFromWire(decodeValue(wire)) === null) throw new Error('what is written cannot be read');
      }
      return `+${bucket(input.length)}`;
    },
  };
}

/** What a broadcast carries: publications are handed on once, however often they come, and written again they are the same. */
export function groupTarget(): Target {
  const publications = [10, 0, 300].map((length) => ({
    channel: new Uint8Array(length % 7).fill(99),
    message: new Uint8Array(length),
  }));
  const record = everyKind().flatMap((bytes) => {
    const decoded = new Codec('fuzz', A).decode(bytes);
    return 'message' in decoded && decoded.message.kind === KIND.tree ? [decoded.message.payload] : [];
  });
  let [fed, handed] = [0, 0];
  let arrivals = new Arrivals(B, () => handed++);
  return {
    shape: { kind: 'msgpack', at: 0 },
    seeds: () => [...record, ...[1, 2, 9].map((seq) => encodeBatch(A, { bootNonce: 1, seq, publications }))],
    feed(input) {
      if (++fed % 5000 === 0) arrivals = new Arrivals(B, () => handed++);
      const group = decodeGroup(input);
      if (group === null) return 'no group';
      const { origin, batch } = group;
      if (batch === null) return `+${bucket(group.deltas.length + group.records.length)}`;
      const again = decodeGroup(encodeBatch(origin, batch))?.batch;
      if (again?.publications.length !== batch.publications.length)
        throw new Error('publications that were written cannot be read');
      arrivals.came(origin, batch, fed);
      arrivals.wake(Infinity);
      const before = handed;
      arrivals.came(origin, batch, fed);
      if (handed > before) throw new Error('a batch is handed on twice');
      return `+batch ${bucket(batch.publications.length)}`;
    },
  };
}

/** Steps of a comparison of two maps. */
export function reconcileTarget(): Target {
  const map = sampleMap(A, 12);
  return {
    shape: { kind: 'msgpack', at: 0 },
    seeds() {
      const [a, b] = [sampleMap(A, 30), sampleMap(B, 30)];
      const out: Uint8Array[] = [];
      let steps = [beginReconcile(a, 7)] as unknown[];
      for (let turn = 0; turn < 6 && steps.length > 0; turn++) {
        out.push(...steps.map((step) => encodeValue(reconcileToWire(step as never))));
        const other = turn % 2 === 0 ? b : a;
        steps = steps.flatMap((step) => respondReconcile(other, step as never).reply ?? []);
      }
      return out;
    },
    feed(input) {
      const value = decodeValue(input);
      if (value === undefined) return 'no value';
      const step = reconcileFromWire(value);
      if (step === null) return 'no step';
      const replies = respondReconcile(map, step).reply ?? [];
      for (const reply of replies) reconcileToWire(reply);
      return `+${bucket(replies.length)}`;
    },
  };
}

/** Member records, wherever in a message they stand. */
export function recordTarget(): Target {
  return {
    shape: { kind: 'msgpack', at: 0 },
    seeds: () => conversation().map((bytes) => bytes.subarray(ENVELOPE_BYTES)),
    feed(input) {
      const value = decodeValue(input);
      if (!Array.isArray(value)) return 'no list';
      let found = 0;
      const look = (part: unknown, depth: number): void => {
        if (recordFromWire(part) !== null) found++;
        else if (Array.isArray(part) && depth < 3) for (const inner of part) look(inner, depth + 1);
      };
      look(value, 0);
      return found > 0 ? `+${bucket(found)}` : 'no record';
    },
  };
}
