import type { NodeId } from '../base/index.ts';

/**
 * The live membership (alive and suspect) at one moment, in an order that every node with the same records derives:
 * sorted ids, and the multicast sets among them sorted by label. `digest` names it in 48 bits: two nodes whose digests
 * agree can say "the 7th set" and mean the same one. Immutable.
 */
export class View {
  readonly digest: number;
  /** Sorted ids of live members, this node's among them. */
  readonly ids: readonly NodeId[];
  /** Sets of nodes that hear each other's multicast, each sorted; a node that hears nobody is a set of one. */
  readonly sets: readonly (readonly NodeId[])[];
  /** Null when every set is of one: then a node's set has the place of its id. */
  readonly #setOf: Map<NodeId, number> | null;

  constructor(digest: number, live: readonly { id: NodeId; reach: NodeId }[]) {
    this.digest = digest;
    this.ids = live.map((m) => m.id).sort();
    if (live.every((m) => m.reach === m.id)) {
      this.sets = this.ids.map((id) => [id]);
      this.#setOf = null;
      return;
    }
    const byLabel = new Map<NodeId, NodeId[]>();
    for (const { id, reach } of live) {
      const set = byLabel.get(reach);
      if (set === undefined) byLabel.set(reach, [id]);
      else set.push(id);
    }
    this.sets = [...byLabel.keys()].sort().map((label) => (byLabel.get(label) as NodeId[]).sort());
    const setOf = new Map<NodeId, number>();
    for (let i = 0; i < this.sets.length; i++) {
      for (const id of this.sets[i] as readonly NodeId[]) setOf.set(id, i);
    }
    this.#setOf = setOf;
  }

  /** Index of the set that holds the node, or -1. */
  setIndexOf(id: NodeId): number {
    return this.#setOf === null ? this.indexOf(id) : (this.#setOf.get(id) ?? -1);
  }

  /** Index of the id in `ids`, or -1; by binary search. */
  indexOf(id: NodeId): number {
    let low = 0;
    let high = this.ids.length - 1;
    while (low <= high) {
      const mid = (low + high) >> 1;
      const at = this.ids[mid] as NodeId;
      if (at === id) return mid;
      if (at < id) low = mid + 1;
      else high = mid - 1;
    }
    return -1;
  }
}

/** A message under way when the membership changes still finds the view it names: the last few are kept. */
export class Views {
  readonly #most: number;
  #recent: View[] = [];

  constructor(most = 4) {
    this.#most = most;
  }

  find(digest: number): View | null {
    return this.#recent.find((view) => view.digest === digest) ?? null;
  }

  add(view: View): void {
    if (this.#recent[0]?.digest === view.digest) return;
    this.#recent = [view, ...this.#recent.filter(({ digest }) => digest !== view.digest)].slice(
      0,
      this.#most,
    );
  }
}
