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
  readonly #setOf = new Map<NodeId, number>();

  constructor(digest: number, live: readonly { id: NodeId; reach: NodeId }[]) {
    this.digest = digest;
    const byLabel = new Map<NodeId, NodeId[]>();
    for (const { id, reach } of live) {
      const set = byLabel.get(reach);
      if (set === undefined) byLabel.set(reach, [id]);
      else set.push(id);
    }
    this.ids = live.map((m) => m.id).sort();
    this.sets = [...byLabel.keys()].sort().map((label) => (byLabel.get(label) as NodeId[]).sort());
    for (let i = 0; i < this.sets.length; i++) {
      for (const id of this.sets[i] as readonly NodeId[]) this.#setOf.set(id, i);
    }
  }

  /** Index of the set that holds the node, or -1. */
  setIndexOf(id: NodeId): number {
    return this.#setOf.get(id) ?? -1;
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
