/**
 * What the map costs: `npm run bench -- crdt`. Time per mutation and per join of a one-entry delta, in a small map and
 * in one a thousand times larger; bytes of a delta; and npm's delta-crdts beside it, in the same run.
 *
 * The large map is timed twice. "Same 100": the work goes round 100 of its entries, as in the small map, so that the
 * difference is what the map does. "At random": every entry is new to the processor's caches when its `register` comes
 * (the other operations then find it there), so that the difference is the memory's.
 */
import { type NodeId, parseNodeId, SeededRng } from '../../src/base/index.ts';
import { AworMap, type Delta, type RangeKey } from '../../src/crdt/index.ts';
import { deltaToWire } from '../../src/wire/delta.ts';

const SMALL = 100;
const LARGE = 100_000;
const NODES = 50;
/** Each figure is the median of so many passes, each over so many different entries. */
const PASSES = 400;
const OPERATIONS = 100;

const nodes: NodeId[] = Array.from({ length: NODES }, (_, i) =>
  parseNodeId((i + 1).toString(16).padStart(16, '0')),
);

class Bench {
  readonly map = new AworMap();
  readonly keys: RangeKey[] = [];
  readonly #rng = new SeededRng(1);
  readonly #counters = new Map<NodeId, number>();

  constructor(entries: number) {
    for (let i = 0; i < entries; i++) {
      const start = this.#rng.u32();
      const node = nodes[i % NODES] as NodeId;
      const key = { node, start, end: Math.min(0xffffffff, start + this.#rng.below(1 << 20)) };
      this.keys.push(key);
      this.map.register(node, this.next(node), key, 1);
    }
  }

  next(node: NodeId): number {
    const counter = (this.#counters.get(node) ?? 0) + 1;
    this.#counters.set(node, counter);
    return counter;
  }

  /** Different entries at random, of the first `among`. */
  pick(count: number, among: number): RangeKey[] {
    for (let i = 0; i < count; i++) {
      const j = i + this.#rng.below(among - i);
      const key = this.keys[j] as RangeKey;
      this.keys[j] = this.keys[i] as RangeKey;
      this.keys[i] = key;
    }
    // Made anew, as a key that came with a command is: the list's own cold objects are not the map's cost.
    return this.keys.slice(0, count).map(({ node, start, end }) => ({ node, start, end }));
  }
}

interface Cost {
  /** Nanoseconds per operation, medians. */
  register: number;
  increase: number;
  release: number;
  join: number;
}

const COST_NAMES = ['register', 'increase', 'release', 'join'] as const;

/** `among`: how many of the entries the work goes round. */
function measure(entries: number, among: number): Cost {
  const bench = new Bench(entries);
  const other = new AworMap();
  for (const delta of bench.map.chunks(1 << 20)) other.join(delta);
  const times: Record<keyof Cost, number[]> = { register: [], increase: [], release: [], join: [] };
  for (let pass = 0; pass < PASSES; pass++) {
    const deltas: Delta[] = [];
    const picked = bench.pick(OPERATIONS, among);
    const { map } = bench;
    times.register.push(
      perOperation(() => {
        for (const key of picked) deltas.push(map.register(key.node, bench.next(key.node), key, 2));
      }),
    );
    times.increase.push(
      perOperation(() => {
        for (const key of picked) keep(map.adjust(key.node, bench.next(key.node), key, 1), deltas);
      }),
    );
    times.release.push(
      perOperation(() => {
        for (const key of picked) keep(map.release(key), deltas);
      }),
    );
    const joined = deltas.length;
    times.join.push(
      perOperation(() => {
        for (const delta of deltas) other.join(delta);
      }, joined),
    );
    for (const key of picked) other.join(map.register(key.node, bench.next(key.node), key, 1));
  }
  return {
    register: median(times.register),
    increase: median(times.increase),
    release: median(times.release),
    join: median(times.join),
  };
}

function keep(delta: Delta | null, deltas: Delta[]): void {
  if (delta !== null) deltas.push(delta);
}

function perOperation(work: () => void, operations = OPERATIONS): number {
  const from = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - from) / operations;
}

function median(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[values.length >> 1] as number;
}

function deltaBytes(): string {
  const { map, keys } = new Bench(SMALL);
  const key = keys[0] as RangeKey;
  const other = nodes[1] as NodeId;
  const sizes = [
    ['register', map.register(key.node, 2 ** 40, key, 100)],
    ['increase', map.adjust(key.node, 2 ** 40 + 1, key, 5)],
    ['register by another node, 2 dots removed', map.register(other, 2 ** 40, key, 100)],
    ['release', map.release(key)],
  ] as const;
  return sizes.map(([name, delta]) => `${name} ${deltaToWire(delta as Delta).length}`).join(', ');
}

interface PeerReplica {
  add(value: string): unknown;
}

/** The time of 20 adds at each size. */
async function peer(): Promise<string> {
  // It has no types, and is CommonJS.
  const name: string = 'delta-crdts';
  const loaded = (await import(name)) as { default: (type: string) => (id: string) => PeerReplica };
  const sizes = [SMALL, 1000, 5000];
  const lines: string[] = [];
  for (const size of sizes) {
    const replica = loaded.default('aworset')('replica');
    fill(replica, size);
    const micros =
      perOperation(() => {
        for (let i = 0; i < 20; i++) replica.add(`more-${i}`);
      }, 20) / 1000;
    lines.push(`${size}: ${micros.toFixed(0)} us`);
  }
  return lines.join(', ');
}

function fill(replica: PeerReplica, size: number): void {
  for (let i = 0; i < size; i++) replica.add(`element-${i}`);
}

export async function run(_args: string[]): Promise<void> {
  // Once for the compiler.
  measure(SMALL, SMALL);
  const small = measure(SMALL, SMALL);
  const same = measure(LARGE, SMALL);
  const random = measure(LARGE, LARGE);
  const row = (...cells: string[]): void => console.log(cells.map((cell) => cell.padStart(12)).join(''));
  console.log(`ns per operation at ${SMALL} and at ${LARGE} entries`);
  row('', `${SMALL}`, `same ${SMALL}`, 'ratio', 'at random', 'ratio');
  for (const name of COST_NAMES) {
    const ratio = (cost: Cost): string => (cost[name] / small[name]).toFixed(2);
    const nanos = (cost: Cost): string => cost[name].toFixed(0);
    row(name, nanos(small), nanos(same), ratio(same), nanos(random), ratio(random));
  }
  console.log(`bytes of a delta, counters near 2^40: ${deltaBytes()}`);
  console.log(`npm delta-crdts, one aworset add with so many elements: ${await peer()}`);
}
