import type { NodeId } from '../base/index.ts';

/** Accusers beside the first that bring the timeout down to its minimum, and the longest timeout in minima. */
export const SUSPICION = { confirmations: 3, maxOfMin: 3 } as const;

/**
 * How long a suspicion lasts, after Lifeguard (section 3.2): from the maximum with one accuser down to the minimum with
 * `wanted` more, by the logarithm of how many there are: each further confirmation says less than the one before.
 */
export function suspicionMs(minMs: number, confirmations: number, wanted: number): number {
  if (wanted <= 0) return minMs;
  const maxMs = SUSPICION.maxOfMin * minMs;
  const share = Math.log(Math.min(confirmations, wanted) + 1) / Math.log(wanted + 1);
  return maxMs - (maxMs - minMs) * share;
}

/** One suspected member as this node knows of it: who accuses it, and when this node looks for itself. */
export class Suspicion {
  readonly incarnation: number;
  readonly #accusers = new Set<NodeId>();
  /** When a node that is no accuser itself probes the suspect, because nobody has decided. */
  checkMs: number;

  constructor(incarnation: number, checkMs: number) {
    this.incarnation = incarnation;
    this.checkMs = checkMs;
  }

  /** Notes accusers, as many as count. True when there was a new one. */
  accuse(ids: readonly NodeId[]): boolean {
    const before = this.#accusers.size;
    for (const id of ids) if (this.#accusers.size <= SUSPICION.confirmations) this.#accusers.add(id);
    return this.#accusers.size > before;
  }

  get accusers(): NodeId[] {
    return [...this.#accusers];
  }

  /** Accusers beside the first. */
  get confirmations(): number {
    return Math.max(0, this.#accusers.size - 1);
  }
}
