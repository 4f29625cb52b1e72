import { fold32, type NodeId } from '../base/index.ts';
import { type Actor, hashDot, idWords } from './actor.ts';
import type { LiveDot } from './delta.ts';

/** A live dot as the map keeps it: reachable from its entry and from its actor. */
export class StoredDot {
  readonly actor: Actor;
  readonly entry: Entry;
  readonly counter: number;
  readonly base: boolean;
  readonly amount: number;
  /** Where it stands in its entry's list. */
  at = 0;
  /** The last join whose delta had it live. */
  stamp: number;
  hashHi = 0;
  hashLo = 0;

  constructor(actor: Actor, entry: Entry, live: LiveDot, stamp: number) {
    this.actor = actor;
    this.entry = entry;
    this.counter = live.counter;
    this.base = live.kind === 'base';
    this.amount = live.amount;
    this.stamp = stamp;
    hashDot(entry, actor, this);
  }

  toLive(): LiveDot {
    return {
      actor: this.actor.id,
      counter: this.counter,
      kind: this.base ? 'base' : 'increment',
      amount: this.amount,
    };
  }
}

/** One key of the map and its DotFun. */
export class Entry {
  readonly node: NodeId;
  readonly start: number;
  readonly end: number;
  readonly seedHi: number;
  readonly seedLo: number;
  /** In no order. */
  readonly dots: StoredDot[] = [];
  /** max(bases, or 0 if none) + sum(increments), as of the end of the last join that touched the entry. */
  value = 0;
  /** The last join that touched the entry. */
  stamp = 0;

  constructor(node: NodeId, start: number, end: number) {
    this.node = node;
    this.start = start;
    this.end = end;
    const [hi, lo] = idWords(node);
    this.seedHi = fold32(fold32(fold32(fold32(0x2545f491, hi), lo), start), end);
    this.seedLo = fold32(fold32(fold32(fold32(0x9e3779b9, hi), lo), start), end);
  }

  get priority(): number {
    return Math.max(this.value, 0);
  }

  add(dot: StoredDot): void {
    dot.at = this.dots.push(dot) - 1;
  }

  remove(dot: StoredDot): void {
    const last = this.dots.pop() as StoredDot;
    if (last === dot) return;
    this.dots[dot.at] = last;
    last.at = dot.at;
  }

  /** What the dots say now. */
  evaluate(): number {
    let base = 0;
    let sum = 0;
    for (const dot of this.dots) {
      if (!dot.base) sum += dot.amount;
      else if (dot.amount > base) base = dot.amount;
    }
    return base + sum;
  }
}
