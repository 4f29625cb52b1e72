/** Random histories of a few replicas, run on the real map and on the naive one side by side. */
import fc from 'fast-check';
import { parseNodeId, ShoalError } from '../../../src/base/index.ts';
import { AworMap, type Delta, type RangeKey } from '../../../src/crdt/index.ts';
import { NaiveMap } from './naive.ts';

export const ACTORS = ['00000000000000aa', '1000000000000bbb', 'ffffffffffffffff'].map(parseNodeId);
export const KEYS: RangeKey[] = ACTORS.flatMap((node) => [
  { node, start: 0, end: 0xffffffff },
  { node, start: 262144, end: 524287 },
]);

export type Step =
  | { do: 'register' | 'adjust' | 'void'; at: number; key: number; amount: number }
  | { do: 'release' | 'sweep'; at: number; key: number }
  | { do: 'deliver'; at: number; delta: number };

const at = fc.nat(ACTORS.length - 1);
const key = fc.nat(KEYS.length - 1);

export const steps = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('register' as const),
        at,
        key,
        amount: fc.integer({ min: 1, max: 9 }),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('adjust' as const),
        at,
        key,
        amount: fc.integer({ min: -9, max: 9 }).filter((n) => n !== 0),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), at, key }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const), at, key }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('void' as const),
        at,
        key,
        amount: fc.integer({ min: 1, max: 5 }),
      }),
    },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('deliver' as const), at, delta: fc.nat(1000) }) },
  ),
  { maxLength: 60 },
);

export interface Replica {
  map: AworMap;
  naive: NaiveMap;
}

/** What a history leaves: one replica per actor, and every delta made, most of them not delivered everywhere. */
export class World {
  readonly replicas: Replica[] = ACTORS.map(() => ({ map: new AworMap(), naive: new NaiveMap() }));
  readonly deltas: Delta[] = [];
  readonly #counters = ACTORS.map(() => 250);

  run(
    history: readonly Step[],
    check?: (replica: Replica, before: NaiveMap, made: Delta | null) => void,
  ): this {
    for (const step of history) {
      const replica = this.replicas[step.at] as Replica;
      const before = replica.naive.join(new NaiveMap());
      const made = this.#step(step, replica);
      if (made !== null) this.deltas.push(made);
      check?.(replica, before, made);
    }
    return this;
  }

  #step(step: Step, { map, naive }: Replica): Delta | null {
    const actor = ACTORS[step.at] as (typeof ACTORS)[number];
    const next = (): number => {
      const counter = (this.#counters[step.at] as number) + 1;
      this.#counters[step.at] = counter;
      return counter;
    };
    switch (step.do) {
      case 'register': {
        const counter = next();
        naive.register(actor, counter, KEYS[step.key] as RangeKey, step.amount);
        return map.register(actor, counter, KEYS[step.key] as RangeKey, step.amount);
      }
      case 'adjust': {
        const counter = next();
        naive.adjust(actor, counter, KEYS[step.key] as RangeKey, step.amount);
        return map.adjust(actor, counter, KEYS[step.key] as RangeKey, step.amount);
      }
      case 'release':
        naive.release(KEYS[step.key] as RangeKey);
        return map.release(KEYS[step.key] as RangeKey);
      case 'sweep':
        naive.sweep(KEYS[step.key] as RangeKey);
        return map.sweep(KEYS[step.key] as RangeKey);
      case 'void': {
        const lo = next();
        for (let i = 1; i < step.amount; i++) next();
        naive.void(actor, lo, lo + step.amount - 1);
        return map.voidCounters(actor, lo, lo + step.amount - 1);
      }
      case 'deliver': {
        const delta = this.deltas[step.delta % Math.max(1, this.deltas.length)];
        if (delta === undefined) return null;
        const joined = naive.join(NaiveMap.ofDelta(delta));
        naive.live = joined.live;
        naive.seen = joined.seen;
        const result = map.join(delta);
        if (result.refused !== null) throw new ShoalError(result.refused, 'a small delta was refused');
        return null;
      }
    }
  }
}

/** A copy that shares nothing with the original. */
export function copyOf(map: AworMap): AworMap {
  const out = new AworMap();
  for (const delta of map.chunks(Number.POSITIVE_INFINITY)) out.join(delta);
  return out;
}

export function joinInto(map: AworMap, other: AworMap): AworMap {
  for (const delta of other.chunks(Number.POSITIVE_INFINITY)) map.join(delta);
  return map;
}
