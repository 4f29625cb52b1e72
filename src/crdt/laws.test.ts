import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copyOf, joinInto, KEYS, type Replica, steps, World } from '../../test/unit/crdt/history.ts';
import { keyText, NaiveMap, naiveOf } from '../../test/unit/crdt/naive.ts';
import { AworMap } from './index.ts';

/** Both forms: what is inside, and the digest. */
function expectSame(a: AworMap, b: AworMap): void {
  expect(naiveOf(a).dump()).toEqual(naiveOf(b).dump());
  expect(a.digest()).toBe(b.digest());
  expect(prioritiesOf(a)).toEqual(prioritiesOf(b));
}

function prioritiesOf(map: AworMap): string[] {
  return [...map.entries()].map((r) => `${keyText(r)}=${r.priority}`).sort();
}

function threeStates(history: Parameters<World['run']>[0]): [AworMap, AworMap, AworMap] {
  const maps = new World().run(history).replicas.map((r) => r.map);
  return [maps[0] as AworMap, maps[1] as AworMap, maps[2] as AworMap];
}

describe('the laws of the map', () => {
  it('join is commutative', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const [a, b] = threeStates(history);
        expectSame(joinInto(copyOf(a), b), joinInto(copyOf(b), a));
      }),
    );
  });

  it('join is associative', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const [a, b, c] = threeStates(history);
        expectSame(joinInto(joinInto(copyOf(a), b), c), joinInto(copyOf(a), joinInto(copyOf(b), c)));
      }),
    );
  });

  it('join is idempotent, and tells that nothing was new', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const [a] = threeStates(history);
        const again = copyOf(a);
        for (const delta of a.chunks(100)) {
          const result = again.join(delta);
          expect(result).toEqual({ changes: [], inflated: false, refused: null });
        }
        expectSame(again, a);
      }),
    );
  });

  it('every mutator and every delivery does what the naive model does, and join(before, delta) is after', () => {
    fc.assert(
      fc.property(steps, (history) => {
        new World().run(history, ({ map, naive }, before, made) => {
          expect(naiveOf(map).dump()).toEqual(naive.dump());
          for (const key of KEYS) expect(map.priority(key)).toBe(Math.max(0, naive.value(key)));
          expect(map.size).toBe(KEYS.filter((key) => naive.value(key) > 0).length);
          if (made !== null) expect(before.join(NaiveMap.ofDelta(made)).dump()).toEqual(naive.dump());
        });
      }),
    );
  });

  it('a join reports exactly the priorities that changed, and inflates exactly when the state does', () => {
    fc.assert(
      fc.property(steps, fc.nat(), (history, pick) => {
        const world = new World().run(history);
        const delta = world.deltas[pick % Math.max(1, world.deltas.length)];
        if (delta === undefined) return;
        for (const { map, naive } of world.replicas) {
          const after = naive.join(NaiveMap.ofDelta(delta));
          const { changes, inflated } = map.join(delta);
          const expected = KEYS.map((key) => ({
            key: keyText(key),
            before: Math.max(0, naive.value(key)),
            after: Math.max(0, after.value(key)),
          })).filter((c) => c.before !== c.after);
          const told = changes.map((c) => ({ key: keyText(c), before: c.before, after: c.after }));
          const byKey = (a: { key: string }, b: { key: string }): number => (a.key < b.key ? -1 : 1);
          expect(told.sort(byKey)).toEqual(expected.sort(byKey));
          expect(inflated).toBe(JSON.stringify(after.dump()) !== JSON.stringify(naive.dump()));
        }
      }),
    );
  });

  it('all deltas in any order, with any repetition, give equal states', () => {
    fc.assert(
      fc.property(steps, fc.infiniteStream(fc.nat()), (history, picks) => {
        const world = new World().run(history);
        const inOrder = new AworMap();
        for (const delta of world.deltas) inOrder.join(delta);
        const mixed = new AworMap();
        const left = [...world.deltas];
        for (const pick of picks) {
          if (left.length === 0) break;
          const at = pick % left.length;
          const delta = left[at];
          if (delta !== undefined) mixed.join(delta);
          // Every third is delivered and stays, so that it comes again.
          if (pick % 3 > 0) left.splice(at, 1);
        }
        expectSame(mixed, inOrder);
        for (const { map } of world.replicas) {
          for (const delta of world.deltas) map.join(delta);
          expectSame(map, inOrder);
        }
      }),
    );
  });

  it('the digests of two states are equal exactly when the states are', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const replicas: Replica[] = new World().run(history).replicas;
        for (const a of replicas)
          for (const b of replicas)
            expect(a.map.digest() === b.map.digest()).toBe(
              JSON.stringify(a.naive.dump()) === JSON.stringify(b.naive.dump()),
            );
      }),
    );
  });
});
