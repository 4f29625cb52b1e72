import type { NodeEvent } from '../../src/node/machine.ts';
import type { SimHost } from './host.ts';
import { type MapModel, shown } from './model.ts';
import type { Watcher, World } from './world.ts';

interface Sight {
  visible: number;
  gone: number;
}

/**
 * Follows what each process shows of each entry, from its events. Two uses: how long a change took to each node, and the
 * rule that an increment that was seen and then gone at a node never comes back there (unless the process died between:
 * what a node only heard of may not have been on its disk).
 */
export class Sightings implements Watcher {
  readonly #world: World;
  readonly #model: MapModel;
  readonly #byHost: Map<string, Sight>[] = [];
  /** Per change and node that learnt of it: milliseconds. */
  readonly delaysMs: number[] = [];
  /** Per change: nodes that showed it, the accepting one included. */
  readonly reached = new Map<string, number>();

  constructor(world: World, model: MapModel) {
    this.#world = world;
    this.#model = model;
  }

  started(host: SimHost): void {
    this.#byHost[host.index] = new Map();
  }

  happened(host: SimHost, event: NodeEvent): void {
    if (event.range === undefined || event.type === 'owners-changed') return;
    const key = `${event.subject}:${event.range.start}-${event.range.end}`;
    const now = shown(event.type === 'range-released' ? 0 : (event.range.priority ?? 0));
    const sights = this.#byHost[host.index] as Map<string, Sight>;
    let sight = sights.get(key);
    if (sight === undefined) {
      sight = { visible: 0, gone: 0 };
      sights.set(key, sight);
    }
    const fresh = now & ~sight.visible;
    const back = fresh & sight.gone & this.#model.increments(key);
    if (back !== 0) {
      const message = `${host.address} shows ${event.range.priority} for ${key}: an increment that was gone there is back`;
      // A node takes a refused change back before it answers: whether that was it is known a moment later.
      this.#world.events.after(0, () => {
        if ((back & this.#model.increments(key)) !== 0) this.#world.violate('resurrected', message);
      });
    }
    sight.gone |= sight.visible & ~now;
    sight.visible = now;
    if (fresh !== 0) this.#measure(host, key, fresh);
  }

  /** What the events said of each entry is what the node shows. */
  checkFinal(host: SimHost): void {
    const shows = new Map<string, number>();
    for (const range of host.machine?.ranges() ?? [])
      shows.set(`${range.node}:${range.start}-${range.end}`, range.priority);
    for (const [key, sight] of this.#byHost[host.index] ?? []) {
      const priority = shows.get(key) ?? 0;
      if (sight.visible !== shown(priority)) {
        this.#world.violate(
          'events',
          `${host.address} shows ${priority} for ${key}, and its events say otherwise`,
        );
      }
    }
  }

  #measure(host: SimHost, key: string, fresh: number): void {
    for (let left = fresh; left !== 0; left &= left - 1) {
      const bit = left & -left;
      const change = this.#model.issued(key, bit);
      if (change === undefined) continue;
      const name = `${key}+${bit}`;
      this.reached.set(name, (this.reached.get(name) ?? 0) + 1);
      if (change.host !== host.index) this.delaysMs.push(this.#world.nowMs - change.atMs);
    }
  }
}
