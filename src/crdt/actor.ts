import { fold32, mix32, type NodeId, SetHash } from '../base/index.ts';
import { BLOCK_COUNTERS, Block } from './block.ts';
import type { Entry, StoredDot } from './entry.ts';
import { addInterval, contains, type Intervals, type ReadonlyIntervals } from './intervals.ts';

/** Up to this many blocks a span is looked up block by block; beyond, in the sorted list of blocks. */
const NARROW_BLOCKS = 8;

/** What a map knows of one actor's events: which were seen (the causal context) and which of them still count. */
export class Actor {
  readonly id: NodeId;
  readonly seedHi: number;
  readonly seedLo: number;
  /** Hash of the live dots. */
  readonly live = new SetHash();
  #seen: Intervals = [];
  readonly #blocks = new Map<number, Block>();
  /** The blocks in order, made when asked for. */
  #sorted: Block[] | null = null;
  readonly #totals: readonly SetHash[];

  /** `totals` are hashes over several actors that this one's changes go into as well. */
  constructor(id: NodeId, totals: readonly SetHash[]) {
    this.id = id;
    const [hi, lo] = idWords(id);
    this.seedHi = fold32(fold32(0x5ea15eed, hi), lo);
    this.seedLo = fold32(fold32(0x0dd5eed5, hi), lo);
    this.#totals = totals;
  }

  get seen(): ReadonlyIntervals {
    return this.#seen;
  }

  /** The greatest counter seen; 0 when none was. */
  get top(): number {
    return this.#seen[this.#seen.length - 1] ?? 0;
  }

  hasSeen(counter: number): boolean {
    return contains(this.#seen, counter);
  }

  get(counter: number): StoredDot | undefined {
    return this.#blocks.get(blockOf(counter))?.get(counter);
  }

  insert(dot: StoredDot): void {
    const index = blockOf(dot.counter);
    let block = this.#blocks.get(index);
    if (block === undefined) {
      block = new Block(index);
      this.#blocks.set(index, block);
      this.#sorted = null;
    }
    block.insert(dot);
    this.live.add(dot.hashHi, dot.hashLo);
    this.#count(dot.hashHi, dot.hashLo);
  }

  remove(dot: StoredDot): void {
    const block = this.#blocks.get(blockOf(dot.counter)) as Block;
    block.remove(dot);
    if (block.dots.length === 0) {
      this.#blocks.delete(block.index);
      this.#sorted = null;
    }
    this.live.remove(dot.hashHi, dot.hashLo);
    this.#uncount(dot.hashHi, dot.hashLo);
  }

  /** Marks [lo, hi] as seen; tells whether any of it was new. */
  see(lo: number, hi: number): boolean {
    return addInterval(this.#seen, lo, hi, this.#lostInterval, this.#gainedInterval);
  }

  /** The blocks that hold a live dot's counter in [lo, hi] or near its ends, ascending. */
  blocksIn(lo: number, hi: number): readonly Block[] {
    const first = blockOf(lo);
    const last = blockOf(hi);
    if (last - first < NARROW_BLOCKS) {
      const found: Block[] = [];
      for (let index = first; index <= last; index++) {
        const block = this.#blocks.get(index);
        if (block !== undefined) found.push(block);
      }
      return found;
    }
    this.#sorted ??= [...this.#blocks.values()].sort((a, b) => a.index - b.index);
    return this.#sorted.slice(firstAt(this.#sorted, first), firstAt(this.#sorted, last + 1));
  }

  /** Calls back for each live dot in [lo, hi], ascending. The callback must not change the actor. */
  forEachIn(lo: number, hi: number, visit: (dot: StoredDot) => void): void {
    for (const block of this.blocksIn(lo, hi)) {
      const dots = block.dots;
      for (let at = block.find(lo); at < dots.length; at++) {
        const dot = dots[at] as StoredDot;
        if (dot.counter > hi) break;
        visit(dot);
      }
    }
  }

  /** Hash of the live dots in [lo, hi]. */
  hashIn(lo: number, hi: number): SetHash {
    const into = new SetHash();
    for (const block of this.blocksIn(lo, hi)) {
      const from = block.index * BLOCK_COUNTERS;
      if (lo <= from && hi >= from + BLOCK_COUNTERS - 1) {
        into.add(block.hashHi, block.hashLo);
        continue;
      }
      for (const dot of block.dots)
        if (dot.counter >= lo && dot.counter <= hi) into.add(dot.hashHi, dot.hashLo);
    }
    return into;
  }

  readonly #lostInterval = (lo: number, hi: number): void => {
    this.#uncount(this.#intervalHash(this.seedHi, lo, hi), this.#intervalHash(this.seedLo, lo, hi));
  };

  readonly #gainedInterval = (lo: number, hi: number): void => {
    this.#count(this.#intervalHash(this.seedHi, lo, hi), this.#intervalHash(this.seedLo, lo, hi));
  };

  #intervalHash(seed: number, lo: number, hi: number): number {
    return mix32(foldCounter(foldCounter(seed, lo), hi));
  }

  #count(hi: number, lo: number): void {
    for (const total of this.#totals) total.add(hi, lo);
  }

  #uncount(hi: number, lo: number): void {
    for (const total of this.#totals) total.remove(hi, lo);
  }
}

/** The two lanes of a dot's hash: its key, its actor, its counter, its kind and its amount. Signed: small integers to V8. */
export function hashDot(entry: Entry, actor: Actor, dot: StoredDot): void {
  const kind = dot.base ? 1 : 2;
  const hi = foldCounter(fold32(entry.seedHi, actor.seedHi), dot.counter);
  const lo = foldCounter(fold32(entry.seedLo, actor.seedLo), dot.counter);
  dot.hashHi = mix32(fold32(fold32(hi, dot.amount), kind)) | 0;
  dot.hashLo = mix32(fold32(fold32(lo, dot.amount), kind)) | 0;
}

export function idWords(id: NodeId): [number, number] {
  return [Number.parseInt(id.slice(0, 8), 16) | 0, Number.parseInt(id.slice(8), 16) | 0];
}

function foldCounter(hash: number, counter: number): number {
  return fold32(fold32(hash, counter | 0), Math.floor(counter / 4294967296));
}

function blockOf(counter: number): number {
  return Math.floor(counter / BLOCK_COUNTERS);
}

/** Position of the first block with at least this index. */
function firstAt(sorted: readonly Block[], index: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as Block).index < index) low = middle + 1;
    else high = middle;
  }
  return low;
}
