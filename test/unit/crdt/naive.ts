/**
 * The map as its definition says, with no thought for cost: the set of all live dots and the set of every dot ever seen.
 * A join is one line of set algebra. The real map is compared with this one on random histories.
 */
import type { NodeId } from '../../../src/base/index.ts';
import type { AworMap, Delta, LiveDot, RangeKey, Span } from '../../../src/crdt/index.ts';

export interface NaiveDot extends LiveDot {
  readonly key: string;
}

export class NaiveMap {
  live = new Map<string, NaiveDot>();
  seen = new Set<string>();

  join(other: NaiveMap): NaiveMap {
    const out = new NaiveMap();
    for (const [id, dot] of this.live) if (other.live.has(id) || !other.seen.has(id)) out.live.set(id, dot);
    for (const [id, dot] of other.live) if (this.live.has(id) || !this.seen.has(id)) out.live.set(id, dot);
    out.seen = new Set([...this.seen, ...other.seen]);
    return out;
  }

  static ofDelta(delta: Delta): NaiveMap {
    const out = new NaiveMap();
    const see = (span: Span): void => {
      for (let c = span.lo; c <= span.hi; c++) out.seen.add(dotText(span.actor, c));
    };
    for (const entry of delta.entries) {
      for (const dot of entry.live) {
        out.live.set(dotText(dot.actor, dot.counter), { ...dot, key: keyText(entry) });
        out.seen.add(dotText(dot.actor, dot.counter));
      }
      entry.removed.forEach(see);
    }
    delta.context.forEach(see);
    return out;
  }

  dotsOf(key: RangeKey): NaiveDot[] {
    return [...this.live.values()].filter((dot) => dot.key === keyText(key));
  }

  value(key: RangeKey): number {
    const dots = this.dotsOf(key);
    const bases = dots.filter((dot) => dot.kind === 'base').map((dot) => dot.amount);
    const increments = dots.filter((dot) => dot.kind === 'increment').map((dot) => dot.amount);
    return Math.max(0, ...bases) + increments.reduce((sum, amount) => sum + amount, 0);
  }

  register(actor: NodeId, counter: number, key: RangeKey, priority: number): void {
    this.release(key);
    this.#add({ actor, counter, kind: 'base', amount: priority, key: keyText(key) });
  }

  adjust(actor: NodeId, counter: number, key: RangeKey, by: number): void {
    const before = Math.max(0, this.value(key));
    if (before === 0 && by < 0) return;
    if (before === 0 || before + by <= 0) this.release(key);
    if (before + by > 0) this.#add({ actor, counter, kind: 'increment', amount: by, key: keyText(key) });
  }

  release(key: RangeKey): void {
    for (const dot of this.dotsOf(key)) this.live.delete(dotText(dot.actor, dot.counter));
  }

  sweep(key: RangeKey): void {
    if (this.value(key) <= 0) this.release(key);
  }

  void(actor: NodeId, lo: number, hi: number): void {
    for (let c = lo; c <= hi; c++) this.seen.add(dotText(actor, c));
  }

  #add(dot: NaiveDot): void {
    this.live.set(dotText(dot.actor, dot.counter), dot);
    this.seen.add(dotText(dot.actor, dot.counter));
  }

  /** Everything, in a form that compares. */
  dump(): unknown {
    const live = [...this.live.values()].map((d) => `${d.key} ${d.actor}.${d.counter} ${d.kind} ${d.amount}`);
    return { live: live.sort(), seen: [...this.seen].sort() };
  }
}

/** The real map, turned into the naive form through what it ships. */
export function naiveOf(map: AworMap): NaiveMap {
  let out = new NaiveMap();
  for (const delta of map.chunks(Number.POSITIVE_INFINITY)) out = out.join(NaiveMap.ofDelta(delta));
  return out;
}

export function keyText(key: RangeKey): string {
  return `${key.node}:${key.start}-${key.end}`;
}

function dotText(actor: NodeId, counter: number): string {
  return `${actor}.${counter}`;
}
