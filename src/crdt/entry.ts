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
  /** Its neighbours among the dots of its entry. */
  next: StoredDot | null = null;
  previous: StoredDot | null = null;
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
  /** Signed, because V8 keeps a number above 2^31 as an object of its own. */
  readonly startBits: number;
  readonly endBits: number;
  readonly seedHi: number;
  readonly seedLo: number;
  /** The dots, linked, in no order: one array less for each of a million entries. */
  first: StoredDot | null = null;
  count = 0;
  /** max(bases, or 0 if none) + sum(increments), as of the end of the last join that touched the entry. */
  value = 0;
  /** The last join that touched the entry. */
  stamp = 0;

  constructor(node: NodeId, start: number, end: number) {
    this.node = node;
    this.startBits = start | 0;
    this.endBits = end | 0;
    const [hi, lo] = idWords(node);
    this.seedHi = fold32(fold32(fold32(fold32(0x2545f491, hi), lo), start), end);
    this.seedLo = fold32(fold32(fold32(fold32(0x9e3779b9, hi), lo), start), end);
  }

  get start(): number {
    return this.startBits >>> 0;
  }

  get end(): number {
    return this.endBits >>> 0;
  }

  get priority(): number {
    return Math.max(this.value, 0);
  }

  add(dot: StoredDot): void {
    dot.next = this.first;
    if (this.first !== null) this.first.previous = dot;
    this.first = dot;
    this.count++;
  }

  remove(dot: StoredDot): void {
    if (dot.previous === null) this.first = dot.next;
    else dot.previous.next = dot.next;
    if (dot.next !== null) dot.next.previous = dot.previous;
    dot.next = null;
    dot.previous = null;
    this.count--;
  }

  /** What the dots say now. */
  evaluate(): number {
    let base = 0;
    let sum = 0;
    for (let dot = this.first; dot !== null; dot = dot.next) {
      if (!dot.base) sum += dot.amount;
      else if (dot.amount > base) base = dot.amount;
    }
    return base + sum;
  }
}
