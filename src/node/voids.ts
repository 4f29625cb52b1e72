import type { NodeId } from '../base/index.ts';
import type { Delta } from '../crdt/index.ts';
import { STATE } from '../members/index.ts';
import type { GroupState } from './state.ts';

/** A node that knows of nobody waits so long for somebody to turn up. */
const ALONE_MS = 3000;

/**
 * Counters leased before a crash and never used, declared seen without content (void), so that every context stays one
 * interval per actor.
 *
 * A change may have spread although its journal record was lost with the crash, and then others have let go of what it
 * replaced. To call such a dot void would take from them what it put in its place, and an acknowledged registration with
 * it. So the unused counters are declared void only when every member that has not left was caught up with since the
 * start: what any of them has, this node then has too. Until then the context has a gap, which costs two numbers.
 */
export class Voids {
  readonly #state: GroupState;
  readonly #leaseFrom: number;
  readonly #waiting: () => boolean;
  readonly #caughtUp = new Set<NodeId>();
  #aloneMs = Infinity;
  #done: boolean;

  /** Counters below `leaseFrom` are of earlier lives. `waiting`: contacts are still being tried. */
  constructor(state: GroupState, leaseFrom: number, waiting: () => boolean) {
    this.#state = state;
    this.#leaseFrom = leaseFrom;
    this.#waiting = waiting;
    this.#done = leaseFrom <= 1;
  }

  start(nowMs: number): void {
    if (!this.#done) this.#aloneMs = nowMs + ALONE_MS;
  }

  nextMs(): number {
    return this.#aloneMs;
  }

  /** This node has all that the member had. Returns what is to be spread, once. */
  caughtUp(id: NodeId): Delta | null {
    if (this.#done || this.#caughtUp.has(id)) return null;
    this.#caughtUp.add(id);
    return this.#declare();
  }

  /** For the node that nobody answers because there is nobody. */
  wake(nowMs: number): Delta | null {
    if (nowMs < this.#aloneMs) return null;
    this.#aloneMs = Infinity;
    return this.#waiting() ? null : this.#declare();
  }

  #declare(): Delta | null {
    const { members, map } = this.#state;
    for (const { record } of members.all()) {
      if (record.id !== members.self && record.state !== STATE.left && !this.#caughtUp.has(record.id))
        return null;
    }
    this.#done = true;
    this.#aloneMs = Infinity;
    const delta = map.voidCounters(members.self, 1, this.#leaseFrom - 1);
    return delta.context.length === 0 ? null : delta;
  }
}
