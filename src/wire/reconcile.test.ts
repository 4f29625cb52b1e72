import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copyOf, steps, World } from '../../test/unit/crdt/history.ts';
import { parseNodeId, SeededRng } from '../base/index.ts';
import {
  AworMap,
  beginReconcile,
  type Listing,
  type PartsMessage,
  type Print,
  type ReconcileMessage,
  respondReconcile,
} from '../crdt/index.ts';
import { reconcileFromWire, reconcileToWire } from './reconcile.ts';

const actor = parseNodeId('0123456789abcdef');
const other = parseNodeId('fedcba9876543210');

function parts(content: Partial<PartsMessage>): PartsMessage {
  const nothing = { entries: [], context: [] };
  return { kind: 'parts', salt: 7, delta: nothing, records: [], prints: [], listings: [], ...content };
}

function throughWire(message: ReconcileMessage): ReconcileMessage | null {
  return reconcileFromWire(reconcileToWire(message));
}

/** Every message of a conversation of two random maps. */
function conversation(a: AworMap, b: AworMap): ReconcileMessage[] {
  const all: ReconcileMessage[] = [];
  let to = b;
  let messages: ReconcileMessage[] = [beginReconcile(a, 5)];
  while (messages.length > 0) {
    all.push(...messages);
    messages = messages.flatMap((message) => respondReconcile(to, message).reply ?? []);
    to = to === a ? b : a;
  }
  return all;
}

/** A map with enough live dots that ranges are compared. */
function large(): AworMap {
  const map = new AworMap();
  for (let i = 1; i <= 2000; i++) map.register(actor, i, { node: actor, start: i, end: 2 * i }, i);
  return map;
}

describe('the codec of reconciliation', () => {
  it('gives back every message of a conversation', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const [a, b] = new World().run(history).replicas.map((r) => r.map) as [AworMap, AworMap];
        for (const message of conversation(a, b)) {
          const back = throughWire(message) as ReconcileMessage;
          // The same message, up to the order in which a delta lists its content.
          expect(reconcileToWire(back)).toEqual(reconcileToWire(throughWire(back) as ReconcileMessage));
          expect(respondReconcile(new AworMap(), back)).toEqual(respondReconcile(new AworMap(), message));
        }
      }),
      { numRuns: 50 },
    );
  });

  it('gives back records, hashes of ranges and listings', () => {
    const print = (lo: number, hi: number): Print => ({ actor, lo, hi, hash: 0xfffffffe - lo });
    const far = 2 ** 52;
    const listings: Listing[] = [
      { actor, lo: 1, hi: 256, seen: [1, 256], live: [] },
      { actor, lo: 300, hi: 400, seen: [301, 310, 400, 400], live: [301, 302, 400] },
      {
        actor,
        lo: 1000,
        hi: 1255,
        seen: [1000, 1255],
        live: Array.from({ length: 200 }, (_, i) => 1030 + i),
      },
      { actor, lo: far, hi: far + 2 ** 40, seen: [], live: [far, far + 5, far + 2 ** 40] },
    ];
    const message = parts({
      records: [
        { actor, seen: [1, 5, 7, 7, 9, Number.MAX_SAFE_INTEGER], hash: 0 },
        { actor: other, seen: [], hash: 0xffffffff },
      ],
      prints: [
        print(1, 63),
        print(64, 64),
        print(65, 1000),
        { ...print(1001, 1002), actor: other },
        print(1005, far),
      ],
      listings,
    });
    expect(throughWire(message)).toEqual(message);
  });

  it('refuses what would be walked twice: overlapping ranges, repeated actors, adjoining intervals', () => {
    const print = (lo: number, hi: number): Print => ({ actor, lo, hi, hash: 0 });
    const listing = (lo: number, hi: number): Listing => ({ actor, lo, hi, seen: [lo, hi], live: [] });
    const record = { actor, seen: [1, 5], hash: 0 };
    expect(throughWire(parts({ prints: [print(1, 64), print(64, 70)] }))).toBeNull();
    expect(throughWire(parts({ listings: [listing(10, 64), listing(1, 5)] }))).toBeNull();
    expect(throughWire(parts({ records: [record, record] }))).toBeNull();
    expect(throughWire(parts({ records: [{ actor, seen: [1, 5, 6, 7], hash: 0 }] }))).toBeNull();
    expect(throughWire(parts({ records: [record] }))).not.toBeNull();
  });

  it('refuses a number of buckets that is no power of two', () => {
    expect(throughWire({ kind: 'buckets', salt: 1, hashes: [1, 2, 3] })).toBeNull();
    expect(throughWire({ kind: 'buckets', salt: 1, hashes: [] })).toBeNull();
    expect(throughWire({ kind: 'actors', salt: 1, of: 4, buckets: [{ bucket: 4, records: [] }] })).toBeNull();
  });

  it('answers null to other values and to every truncation', () => {
    for (const value of [null, undefined, 7, 'x', [], {}, new Uint8Array(0)])
      expect(reconcileFromWire(value)).toBeNull();
    const [a, b] = [large(), large()];
    for (let i = 3; i < 2000; i += 50) a.release({ node: actor, start: i, end: 2 * i });
    for (const message of conversation(a, b)) {
      const bytes = reconcileToWire(message);
      for (let length = 0; length < bytes.length; length++)
        expect(reconcileFromWire(bytes.subarray(0, length))).toBeNull();
    }
  });

  it('survives garbage: neither decoding nor answering ever throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const message = reconcileFromWire(bytes);
        if (message !== null) respondReconcile(new AworMap(), message);
      }),
      { numRuns: 3000 },
    );
  });

  it('survives damage: a conversation with any bytes changed is refused or answered, and never throws', () => {
    const [a, b] = [large(), large()];
    for (let i = 3; i < 2000; i += 50) a.release({ node: actor, start: i, end: 2 * i });
    const messages = conversation(copyOf(a), copyOf(b)).map(reconcileToWire);
    const rng = new SeededRng(11);
    let answered = 0;
    for (let i = 0; i < 3000; i++) {
      const bytes = (messages[rng.below(messages.length)] as Uint8Array).slice();
      for (let n = rng.below(3); n >= 0; n--) bytes[rng.below(bytes.length)] = rng.u32();
      const message = reconcileFromWire(bytes);
      if (message === null) continue;
      answered++;
      respondReconcile(a, message);
    }
    expect(answered).toBeGreaterThan(100);
  });
});
