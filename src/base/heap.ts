/** Something that waits in a {@link DeadlineHeap}. */
export interface Due {
  /** When, in milliseconds of the node's clock. Must not change while the item waits. */
  dueMs: number;
}

/** A binary min-heap of deadlines. Items that no longer matter are left in and recognised as stale by their owner. */
export class DeadlineHeap<T extends Due> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  push(item: T): void {
    const items = this.#items;
    let i = items.push(item) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = items[parent] as T;
      if (above.dueMs <= item.dueMs) break;
      items[i] = above;
      i = parent;
    }
    items[i] = item;
  }

  /** The earliest deadline, or Infinity. */
  nextMs(): number {
    return this.#items[0]?.dueMs ?? Infinity;
  }

  /** Takes the earliest item if it is due. */
  popDue(nowMs: number): T | undefined {
    const items = this.#items;
    const top = items[0];
    if (top === undefined || top.dueMs > nowMs) return undefined;
    const last = items.pop() as T;
    if (items.length > 0) this.#sink(last);
    return top;
  }

  #sink(item: T): void {
    const items = this.#items;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && (items[child + 1] as T).dueMs < (items[child] as T).dueMs) child++;
      const below = items[child] as T;
      if (below.dueMs >= item.dueMs) break;
      items[i] = below;
      i = child;
    }
    items[i] = item;
  }
}
