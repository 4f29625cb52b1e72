import type { NodeId, SeededRng } from '../../src/base/index.ts';
import type { SimHost } from './host.ts';
import type { Change, EntryKey, MapModel } from './model.ts';
import type { World } from './world.ts';

/** How changes are drawn. */
export interface WorkloadShape {
  /** Different ranges; few of them make changes meet in one entry. */
  readonly ranges: number;
  /** Share of the changes made to another node's entry. */
  readonly foreignP: number;
  /** Relative weights of register, increase, decrease, release. */
  readonly weights: readonly [number, number, number, number];
}

const CHANGES: readonly Change[] = ['register', 'increase', 'decrease', 'release'];

export function drawShape(rng: SeededRng): WorkloadShape {
  const weight = () => (rng.below(4) === 0 ? 0 : 1 + rng.below(5));
  return {
    ranges: 1 + rng.below(4),
    foreignP: rng.below(2) === 0 ? 0.2 : 0.8,
    weights: [1 + rng.below(4), weight(), weight(), weight()],
  };
}

/** Random changes at random nodes, all through the model. */
export class Workload {
  readonly #world: World;
  readonly #model: MapModel;
  readonly #rng: SeededRng;
  readonly #shape: WorkloadShape;
  readonly #bounds: { start: number; end: number }[] = [];
  #uniqueRanges = 0;
  issued = 0;

  constructor(world: World, model: MapModel, rng: SeededRng, shape: WorkloadShape) {
    this.#world = world;
    this.#model = model;
    this.#rng = rng;
    this.#shape = shape;
    for (let i = 0; i < shape.ranges; i++) {
      const a = rng.u32();
      const b = rng.u32();
      this.#bounds.push({ start: Math.min(a, b), end: Math.max(a, b) });
    }
  }

  /** Spreads `count` random changes over [fromMs, toMs). */
  schedule(count: number, fromMs: number, toMs: number): void {
    for (let i = 0; i < count; i++) {
      this.#world.events.at(fromMs + this.#rng.unit() * (toMs - fromMs), () => this.one());
    }
  }

  /** One random change at a random running node. */
  one(): void {
    const host = this.#anyHost();
    const node = host === null ? null : this.#rng.unit() < this.#shape.foreignP ? this.#anyNode() : host.id;
    if (host === null || node === null) return;
    const bounds = this.#bounds[this.#rng.below(this.#bounds.length)] as { start: number; end: number };
    this.#issue(host, this.#anyChange(), { node, ...bounds });
  }

  /** Questions that change nothing, and joins, some of them to where nobody is. */
  scheduleQuestions(count: number, fromMs: number, toMs: number): void {
    for (let i = 0; i < count; i++) {
      this.#world.events.at(fromMs + this.#rng.unit() * (toMs - fromMs), () => this.#question());
    }
  }

  #question(): void {
    const host = this.#anyHost();
    if (host === null) return;
    if (this.#rng.below(2) === 0) {
      host.command({ kind: 'converged', waitMs: this.#rng.below(2) * 1000 * this.#rng.unit() });
      return;
    }
    const known = this.#world.hosts[this.#rng.below(this.#world.hosts.length)] as SimHost;
    const addresses = [known.address, '10.250.0.1:29999', 'nonsense'].slice(0, 1 + this.#rng.below(3));
    host.command({ kind: 'join', addresses });
  }

  /** A register that no other change will touch: what spreading is measured with. */
  unique(host: SimHost): void {
    if (host.id === null) return;
    const start = this.#uniqueRanges++ * 4096;
    this.#issue(host, 'register', { node: host.id, start, end: start + 4095 });
  }

  /** `count` unique registers at random running hosts, evenly over [fromMs, toMs). */
  scheduleUnique(count: number, fromMs: number, toMs: number): void {
    for (let i = 0; i < count; i++) {
      this.#world.events.at(fromMs + ((toMs - fromMs) * i) / count, () => {
        const host = this.#anyHost();
        if (host !== null) this.unique(host);
      });
    }
  }

  #issue(host: SimHost, kind: Change, key: EntryKey): void {
    this.#world.say(`change: ${kind} at n${host.index} of ${key.node} ${key.start}-${key.end}`);
    if (this.#model.change(host, kind, key, (n) => this.#rng.below(n))) this.issued++;
  }

  #anyHost(): SimHost | null {
    const running = this.#world.running();
    return running.length === 0 ? null : (running[this.#rng.below(running.length)] as SimHost);
  }

  #anyNode(): NodeId | null {
    const host = this.#world.hosts[this.#rng.below(this.#world.hosts.length)] as SimHost;
    return host.id;
  }

  #anyChange(): Change {
    const weights = this.#shape.weights;
    let at = this.#rng.below(weights.reduce((a, b) => a + b, 0));
    for (let i = 0; i < weights.length; i++) {
      at -= weights[i] as number;
      if (at < 0) return CHANGES[i] as Change;
    }
    return 'register';
  }
}
