import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../base/index.ts';
import { GroupSeal } from './group-seal.ts';
import { keyIdOf } from './key.ts';
import { KeyRing } from './ring.ts';
import { key } from './testing/bench.ts';

const CLUSTER = 'c';
const NODES = ['000000000000000a', '000000000000000b', '000000000000000c'];
const id = (n: number): string => keyIdOf(key(n), CLUSTER);

interface Step {
  readonly node: number;
  readonly op: 'install' | 'use' | 'remove' | 'join';
  readonly n: number;
}

/** Few keys, so that concurrent decisions about one are common; within the bounds a ring has. */
const steps = fc.array(
  fc.record<Step>({
    node: fc.nat(2),
    op: fc.constantFrom('install', 'use', 'remove', 'join'),
    n: fc.integer({ min: 1, max: 5 }),
  }),
  { maxLength: 40 },
);

const copy = (ring: KeyRing): KeyRing => KeyRing.decode(ring.encode(), CLUSTER) as KeyRing;
const joined = (...rings: KeyRing[]): KeyRing => {
  const out = copy(rings[0] as KeyRing);
  for (const ring of rings.slice(1)) out.join(ring);
  return out;
};

/** Three rings after these steps, each by its own operator. */
function play(list: readonly Step[]): [KeyRing, KeyRing, KeyRing] {
  const rings = NODES.map(() => KeyRing.begin(CLUSTER, [key(1)])) as [KeyRing, KeyRing, KeyRing];
  for (const { node, op, n } of list) {
    const ring = rings[node] as KeyRing;
    const name = NODES[node] as string;
    try {
      if (op === 'install') ring.install(key(n), name);
      else if (op === 'use') ring.use(id(n), name);
      else if (op === 'remove') ring.remove(id(n), name);
      else ring.join(rings[n % 3] as KeyRing);
    } catch {
      // Not in the ring, or the primary: refused.
    }
  }
  return rings;
}

const same = (a: KeyRing, b: KeyRing): void =>
  expect(Buffer.from(a.encode()).toString('hex')).toBe(Buffer.from(b.encode()).toString('hex'));

describe('the ring is a lattice', () => {
  it('join is commutative, associative and idempotent', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const [a, b, c] = play(list);
        same(joined(a, b), joined(b, a));
        same(joined(joined(a, b), c), joined(a, joined(b, c)));
        same(joined(a, a), a);
        same(joined(a, b, a, b), joined(a, b));
      }),
      { numRuns: 500 },
    );
  });

  it('never is without its primary, whatever operators do at once, and holds no bytes of a removed key', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const [a, b, c] = play(list);
        for (const ring of [a, b, c, joined(a, b, c)]) {
          expect(ring.get(ring.primary)).not.toBeNull();
          expect(ring.ids()[0]).toBe(ring.primary);
          const hex = Buffer.from(ring.encode()).toString('hex');
          for (let n = 1; n <= 5; n++)
            expect(hex.includes(Buffer.from(key(n)).toString('hex'))).toBe(ring.get(id(n)) !== null);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('a replayed older ring brings nothing back', () => {
    const ring = KeyRing.begin(CLUSTER, [key(1)]);
    const old = copy(ring);
    ring.install(key(2), NODES[0] as string);
    ring.use(id(2), NODES[0] as string);
    ring.remove(id(1), NODES[0] as string);
    expect(ring.join(old)).toBe(false);
    expect(ring.ids()).toEqual([id(2)]);
    // The key file of a node that starts again names the old key still.
    const file = KeyRing.begin(CLUSTER, [key(1)]);
    file.join(ring);
    expect(file.ids()).toEqual([id(2)]);
    expect(file.isRemoved(id(1))).toBe(true);
  });

  it('survives being written down, and says no to every shortened or foreign version', () => {
    const [a] = play([
      { node: 0, op: 'install', n: 2 },
      { node: 0, op: 'use', n: 2 },
      { node: 0, op: 'remove', n: 1 },
    ]);
    const bytes = a.encode();
    same(copy(a), a);
    for (let length = 0; length < bytes.length; length++)
      expect(KeyRing.decode(bytes.slice(0, length), CLUSTER)).toBeNull();
    expect(KeyRing.decode(bytes, 'other')).toBeNull();
  });

  it("is told from a later version's, which is not damage", () => {
    const bytes = KeyRing.begin(CLUSTER, [key(1)]).encode();
    expect(KeyRing.isNewer(bytes)).toBe(false);
    const later = Uint8Array.from(bytes, (byte, i) => (i === 0 ? byte + 2 : byte));
    expect([KeyRing.decode(later, CLUSTER), KeyRing.isNewer(later)]).toEqual([null, true]);
    expect(KeyRing.isNewer(Uint8Array.of(0xff))).toBe(false);
    const parts = { cluster: CLUSTER, keys: [key(1)], saved: later, log: () => {} };
    const make = () => new GroupSeal(parts as unknown as ConstructorParameters<typeof GroupSeal>[0]);
    expect(make).toThrow(/keyring .* newer version of shoal/);
  });

  it('joins two full rings that changed apart without dropping a key in use, and it fits a datagram', () => {
    const common = KeyRing.begin(CLUSTER, [key(1)]);
    const [a, b] = [copy(common), copy(common)];
    for (const [ring, from, node] of [
      [a, 10, NODES[0] as string],
      [b, 20, NODES[1] as string],
    ] as const) {
      // Removals, too: as many as are remembered.
      for (let n = 100 * from; n < 100 * from + 20; n++) {
        ring.install(key(n), node);
        ring.remove(id(n), node);
      }
      for (let n = from; n < from + LIMITS.keys - 1; n++) ring.install(key(n), node);
      ring.use(id(from), node);
    }
    const both = joined(a, b);
    same(both, joined(b, a));
    expect(both.ids()).toHaveLength(2 * LIMITS.keys - 1);
    for (const known of [...a.ids(), ...b.ids()]) expect(both.get(known)).not.toBeNull();
    expect(both.takeEvicted()).toEqual([]);
    expect(both.encode().length).toBeLessThanOrEqual(LIMITS.messageBytes);
    same(copy(both), both);
    expect(() => both.install(key(99), 'x')).toThrow(/holds 15 keys already, of 8 at most/);
  });

  it('keeps the primaries of all sides and the newest keys beyond its bound, in whatever order rings are joined', () => {
    // Each ring begins at another count, so that keys of one are newer than those of another.
    const shape = fc.record({ before: fc.nat(30), keys: fc.nat(7), primary: fc.nat(7) });
    fc.assert(
      fc.property(fc.tuple(shape, shape, shape, shape), (shapes) => {
        const rings = shapes.map(({ before, keys, primary }, i) => {
          const ring = KeyRing.begin(CLUSTER, [key(1)]);
          const node = `000000000000000${i}`;
          for (let n = 0; n < before; n++) ring.use(ring.install(key(1 + (n % 2)), node), node);
          const own = Array.from({ length: Math.min(keys, 6) }, (_, n) =>
            ring.install(key(10 * (i + 1) + n), node),
          );
          if (own.length > 0) ring.use(own[primary % own.length] as string, node);
          return ring;
        }) as [KeyRing, KeyRing, KeyRing, KeyRing];
        const [a, b, c, d] = rings;
        const all = joined(a, b, c, d);
        same(all, joined(d, c, b, a));
        same(all, joined(joined(a, c), joined(b, d)));
        same(all, joined(all, b, all));
        expect(all.ids().length).toBeLessThanOrEqual(LIMITS.mergedKeys);
        // The latest decision of any of them, which none of the others overrules.
        expect(rings.map(({ primary }) => primary)).toContain(all.primary);
        for (const ring of rings) expect(joined(ring, all).primary).toBe(all.primary);
      }),
      { numRuns: 60 },
    );
  });

  it('is bounded: a ninth key is refused, and removals are forgotten oldest first', () => {
    const ring = KeyRing.begin(CLUSTER, [key(1)]);
    const [node] = NODES as [string];
    for (let n = 2; n <= LIMITS.keys; n++) ring.install(key(n), node);
    expect(() => ring.install(key(99), node)).toThrow(/holds 8 keys/);
    for (let n = 100; n < 200; n++) {
      ring.remove(id(n === 100 ? 2 : n - 1), node);
      ring.install(key(n), node);
    }
    expect(ring.isRemoved(id(2))).toBe(false);
    expect(ring.isRemoved(id(198))).toBe(true);
    expect(ring.encode().length).toBeLessThanOrEqual(LIMITS.messageBytes);
  });

  it('names what is wrong with an operation, and never a key', () => {
    const ring = KeyRing.begin(CLUSTER, [key(1)]);
    expect(() => ring.remove(id(1), 'x')).toThrow(/is the primary key/);
    expect(() => ring.use(id(2), 'x')).toThrow(/is not in the ring/);
  });
});
