import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Address, LIMITS, type NodeId, utf8 } from '../base/index.ts';
import { decodeValue, encodeValue } from '../wire/index.ts';
import { decodeGroup, encodeBatch, Outbox } from './group.ts';
import { Arrivals, type Batch, batchFromWire, batchToWire, type Publication } from './publications.ts';
import { Lab, type Seat } from './testing/lab.ts';

const A = '00000000000000aa' as NodeId;
const B = '00000000000000bb' as NodeId;
const publication = (channel: string, message: string): Publication => ({
  channel: utf8(channel),
  message: utf8(message),
});
const batch = (seq: number, bootNonce = 1): Batch => ({
  bootNonce,
  seq,
  publications: [publication('c', String(seq))],
});

/** What arrivals hand on, as numbers. */
function receiver(self: NodeId = B): { arrivals: Arrivals; got: number[] } {
  const got: number[] = [];
  const textOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
  return { got, arrivals: new Arrivals(self, ({ message }) => got.push(Number(textOf(message)))) };
}

describe('a batch', () => {
  it('is read as it was written, whatever its bytes', () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    const publications = fc.array(fc.record({ channel: bytes, message: bytes }), { maxLength: 20 });
    const any = fc.record({
      bootNonce: fc.nat(),
      seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      publications,
    });
    fc.assert(
      fc.property(any, (given) => {
        const group = decodeGroup(encodeBatch(A, given));
        expect(group).toEqual({ origin: A, deltas: [], records: [], accusations: [], batch: given });
      }),
    );
  });

  it('that is anything else is refused, and the group with it', () => {
    const good = batchToWire(batch(1));
    const wrong: unknown[] = [
      ...[7, {}, [], [1], [1, 1], [1, 1, 7], [-1, 1, []], [2 ** 32, 1, []], [1, 0, []], [1, 1.5, []]],
      ...[
        [1, 1, [utf8('c')]],
        [1, 1, [utf8('c'), 'm']],
        [1, 1, ['c', utf8('m')]],
      ],
      [1, 1, [new Uint8Array(1), new Uint8Array(LIMITS.publicationBytes)]],
      [1, 1, new Array(4096).fill(new Uint8Array(0))],
    ];
    const through = (value: unknown) => batchFromWire(decodeValue(encodeValue(value)));
    expect(through(good)).toEqual(batch(1));
    for (const value of wrong) expect(through(value)).toBeNull();
    expect(decodeGroup(encodeValue([new Uint8Array(8), [], [], [], 7]))).toBeNull();
    expect(decodeGroup(encodeValue([new Uint8Array(8), [], [], [], null]))?.batch).toBeNull();
  });
});

/** What an outbox gives out now. */
function flushed(outbox: Outbox, nowMs: number, congested = false) {
  const out: { readonly payload: Uint8Array; readonly lasting: boolean }[] = [];
  outbox.flush(nowMs, { congested, originate: (payload, _, lasting) => out.push({ payload, lasting }) });
  return out;
}

describe('departures', () => {
  const message = new Uint8Array(100);

  it('put many small messages into one datagram, and a large one into its own', () => {
    const outbox = new Outbox(A, 1);
    for (let i = 0; i < 30; i++) outbox.publish(utf8('c'), message, 0);
    outbox.publish(utf8('c'), new Uint8Array(5000), 0);
    const counts = flushed(outbox, 0).map(({ payload, lasting }) => {
      expect(lasting).toBe(false);
      if (payload.length < 5000) expect(payload.length).toBeLessThan(LIMITS.messageBytes - 50);
      return decodeGroup(payload)?.batch?.publications.length;
    });
    expect(counts).toEqual([9, 9, 9, 3, 1]);
    expect(outbox.idle).toBe(true);
    expect(outbox.nextMs()).toBe(Infinity);
  });

  it('wait while what was sent is on its way, and go at a pace; beyond their room they are dropped and counted', () => {
    const outbox = new Outbox(A, 1);
    const room = Math.floor(LIMITS.waitingPublicationBytes / (100 + 1 + 512));
    for (let i = 0; i < room + 10; i++) expect(outbox.publish(utf8('c'), message, 0)).toBe(i < room);
    expect(outbox.departures.counters).toMatchObject({ published: room, dropped: 10 });
    expect(flushed(outbox, 0, true)).toEqual([]);
    expect(outbox.nextMs()).toBeGreaterThan(0);
    let bytes = 0;
    let sent = 0;
    for (let at = 5; at <= 1000; at += 5)
      for (const { payload } of flushed(outbox, at)) {
        bytes += payload.length;
        sent += decodeGroup(payload)?.batch?.publications.length ?? 0;
      }
    expect(bytes).toBeGreaterThan(1_900_000);
    expect(bytes).toBeLessThan(2_100_000);
    expect(outbox.departures.waiting).toBe(room - sent);
  });

  it('are forgotten once sent, also when there is always another one that waits, and take no room then', () => {
    const { departures } = new Outbox(A, 1);
    for (let sent = 0, ms = 0; sent < 5000; ms++) {
      while (departures.waiting < 1000) departures.add(utf8('c'), message);
      sent += departures.next(1000, ms)?.publications.length ?? 0;
      expect(departures.places).toBeLessThanOrEqual(2 * departures.waiting + 1);
    }
  });

  it('refuse what no frame holds', () => {
    const outbox = new Outbox(A, 1);
    expect(outbox.publish(utf8('c'), new Uint8Array(LIMITS.publicationBytes - 1), 0)).toBe(true);
    expect(outbox.publish(utf8('c'), new Uint8Array(LIMITS.publicationBytes), 0)).toBe(false);
    const [large] = flushed(outbox, 0);
    expect(large?.payload.length).toBeLessThan(LIMITS.frameBytes - 1000);
  });
});

describe('arrivals', () => {
  it('hand on each batch once and in order, as far as they come close to each other', () => {
    const order = fc.shuffledSubarray(
      Array.from({ length: 40 }, (_, i) => i + 2),
      { minLength: 40 },
    );
    fc.assert(
      fc.property(order, fc.array(fc.nat(39)), (seqs, again) => {
        const { arrivals, got } = receiver();
        arrivals.came(A, batch(1), 0);
        for (const seq of seqs) arrivals.came(A, batch(seq), 1);
        for (const seq of again) arrivals.came(A, batch(seq + 1), 2);
        expect(got).toEqual(Array.from({ length: 41 }, (_, i) => i + 1));
        expect(arrivals.counters).toEqual({ arrived: 41, duplicates: again.length, outOfOrder: 0 });
        expect(arrivals.nextMs()).toBe(Infinity);
      }),
    );
  });

  it('do not wait for a lost one for long, and hand it on out of order when it comes after all', () => {
    const { arrivals, got } = receiver();
    for (const seq of [1, 2, 4, 5, 7]) arrivals.came(A, batch(seq), 10);
    expect(got).toEqual([1, 2]);
    arrivals.wake(arrivals.nextMs());
    expect(got).toEqual([1, 2, 4, 5, 7]);
    expect(arrivals.nextMs()).toBe(Infinity);
    for (const seq of [3, 3, 8]) arrivals.came(A, batch(seq), 100);
    expect(got).toEqual([1, 2, 4, 5, 7, 3, 8]);
    expect(arrivals.counters).toEqual({ arrived: 7, duplicates: 1, outOfOrder: 1 });
  });

  it('take one that is as old as the window for had, hold a bounded amount, and nothing of their own node', () => {
    const { arrivals, got } = receiver();
    arrivals.came(B, batch(1), 0);
    arrivals.came(A, batch(10_000), 0);
    arrivals.came(A, batch(1), 0);
    expect(got).toEqual([10_000]);
    const large = publication('c', '3');
    const wide = { ...large, channel: new Uint8Array(LIMITS.heldPublicationBytes) };
    arrivals.came(A, { bootNonce: 1, seq: 10_002, publications: [wide] }, 0);
    expect(got).toEqual([10_000, 3]);
    expect(arrivals.nextMs()).toBe(Infinity);
  });

  it('tell the processes of a node apart, whichever was first', () => {
    const { arrivals, got } = receiver();
    for (const [seq, boot] of [[50, 7] as const, [1, 9] as const, [51, 7] as const, [2, 9] as const])
      arrivals.came(A, batch(seq, boot), 0);
    arrivals.came(A, batch(50, 7), 0);
    expect(got).toEqual([50, 1, 51, 2]);
  });
});

describe('a message published on one node', () => {
  function three(multicast: boolean): { lab: Lab; seats: Seat[] } {
    const lab = new Lab();
    const join = ['10.0.0.0:1' as Address];
    const seats = [lab.add({ multicast }), lab.add({ multicast, join }), lab.add({ multicast, join })];
    lab.run(5000);
    return { lab, seats };
  }
  const say = (seat: Seat, text: string, lab: Lab): boolean =>
    seat.node.publish(utf8('news'), utf8(text), lab.nowMs);
  const texts = (count: number): string[] => Array.from({ length: count }, (_, i) => `news ${i}`);

  for (const multicast of [true, false]) {
    it(`comes to every other one, once and in order, ${multicast ? 'by multicast' : 'by the tree'}`, () => {
      const { lab, seats } = three(multicast);
      const [a, b, c] = seats as [Seat, Seat, Seat];
      for (let i = 0; i < 1000; i++) expect(say(a, String(i), lab)).toBe(true);
      lab.run(1000);
      expect(a.published).toEqual([]);
      expect(b.published).toEqual(texts(1000));
      expect(c.published).toEqual(texts(1000));
      expect(a.node.outbox.idle).toBe(true);
      expect(a.node.broadcaster.pendingHops).toBe(0);
      expect(a.node.outbox.departures.counters.batches).toBeLessThan(30);
    });

    it(`and larger than a datagram comes on streams, ${multicast ? 'with' : 'without'} multicast`, () => {
      const { lab, seats } = three(multicast);
      const [a, b, c] = seats as [Seat, Seat, Seat];
      expect(a.node.publish(utf8('big'), new Uint8Array(900_000).fill(120), lab.nowMs)).toBe(true);
      lab.run(1000);
      for (const seat of [b, c]) expect(seat.published).toEqual([`big ${'x'.repeat(100)}`]);
      expect(lab.longestFrame).toBeLessThan(LIMITS.frameBytes);
    });
  }

  it('changes no state and no digest, writes nothing to disk, and pushes no change out of what is kept for neighbours', () => {
    const { lab, seats } = three(false);
    const [a, b] = seats as [Seat, Seat];
    lab.ask(a, { kind: 'register', start: 1, end: 2, priority: 3 });
    lab.run(100);
    const kept = b.node.broadcaster.seen.recent(lab.nowMs, 10_000, 99);
    const [digest, records] = [a.node.digest(), b.journal.length];
    for (let i = 0; i < 5000; i++) say(a, String(i), lab);
    lab.run(1000);
    expect(b.published).toHaveLength(5000);
    expect(b.node.digest()).toBe(digest);
    expect(b.journal.length).toBe(records);
    expect(b.node.broadcaster.seen.recent(lab.nowMs, 10_000, 99)).toEqual(kept);
  });

  it('goes nowhere from a node that is alone or leaving', () => {
    const lab = new Lab();
    const alone = lab.add();
    lab.run(1000);
    expect(say(alone, '1', lab)).toBe(true);
    expect(alone.node.outbox.departures.counters.published).toBe(0);
    const { lab: other, seats } = three(false);
    const [a, b] = seats as [Seat, Seat];
    expect(say(a, 'last', other)).toBe(true);
    other.command(a, { kind: 'leave', release: false });
    expect(say(a, 'late', other)).toBe(false);
    other.run(1000);
    expect(b.published).toEqual(['news last']);
  });
});
