import { assert, LIMITS, mix32, type NodeId, SetHash, ShoalError } from '../base/index.ts';
import { Actor } from './actor.ts';
import { Chunker } from './chunks.ts';
import {
  type Change,
  compareIds,
  type Delta,
  type DotKind,
  type JoinResult,
  type LiveDot,
  MAX_COUNTER,
  type RangeKey,
  REMOVED_SPAN_COUNTERS,
  type Refusal,
  type Span,
} from './delta.ts';
import { Entry, StoredDot } from './entry.ts';
import { addInterval, clip, type Intervals, type ReadonlyIntervals, subtract } from './intervals.ts';
import { RangeTable } from './table.ts';

/** Actors fall into this many buckets by hash; reconciliation starts by comparing the buckets' hashes. */
export const BUCKETS = 256;

const NOTHING: ReadonlyIntervals = [];

/** One registration: an entry whose priority is positive. */
export interface Registration extends RangeKey {
  readonly priority: number;
}

/** See the room's header (index.ts). */
export class AworMap {
  readonly #nodes = new Map<NodeId, RangeTable>();
  readonly #actors = new Map<NodeId, Actor>();
  readonly #whole = new SetHash();
  readonly #buckets: SetHash[] = [];
  readonly #bucketActors: Actor[][] = [];
  #entryCount = 0;
  #size = 0;
  #joins = 0;
  #version = 0;

  constructor() {
    for (let i = 0; i < BUCKETS; i++) {
      this.#buckets.push(new SetHash());
      this.#bucketActors.push([]);
    }
  }

  /** Registered entries. */
  get size(): number {
    return this.#size;
  }

  /** Rises whenever a registration comes, goes or changes its priority. */
  get version(): number {
    return this.#version;
  }

  /** Entries with at least one live dot; those at zero or below are released, and await their sweep. */
  get entryCount(): number {
    return this.#entryCount;
  }

  get actorCount(): number {
    return this.#actors.size;
  }

  /** 16 hex digits: equal if and only if live dots and causal context are equal (up to a 64-bit accident). */
  digest(): string {
    return this.#whole.hex();
  }

  /** The digest as two unsigned 32-bit words, to be combined with other digests. */
  digestWords(): readonly [hi: number, lo: number] {
    return [this.#whole.hi, this.#whole.lo];
  }

  /** 0: not registered. */
  priority(key: RangeKey): number {
    return this.#find(key)?.priority ?? 0;
  }

  /** True when the entry has dots although it counts as released: `sweep` it. */
  needsSweep(key: RangeKey): boolean {
    const entry = this.#find(key);
    return entry !== undefined && entry.value <= 0;
  }

  /** True when all events of their authors below the entry's dots were seen: none that they may rest on is on its way. */
  isWhole(key: RangeKey): boolean {
    for (let dot = this.#find(key)?.first ?? null; dot !== null; dot = dot.next) {
      const [lo, hi] = dot.actor.seen;
      if (lo !== 1 || hi === undefined || hi < dot.counter) return false;
    }
    return true;
  }

  /** True when all dots of the entry are this actor's, from this counter on. */
  isAuthoredSince(key: RangeKey, actor: NodeId, counter: number): boolean {
    for (let dot = this.#find(key)?.first ?? null; dot !== null; dot = dot.next) {
      if (dot.actor.id !== actor || dot.counter < counter) return false;
    }
    return true;
  }

  hasSeen(actor: NodeId, counter: number): boolean {
    return this.#actors.get(actor)?.hasSeen(counter) ?? false;
  }

  /** True when any of [lo, hi] was seen. */
  hasSeenIn(actor: NodeId, lo: number, hi: number): boolean {
    return lo <= hi && clip(this.seenOf(actor), lo, hi).length > 0;
  }

  /** The greatest counter of this actor seen; 0 when none was. A node resumes above it. */
  topOf(actor: NodeId): number {
    return this.#actors.get(actor)?.top ?? 0;
  }

  /** What was seen of this actor: [lo0, hi0, lo1, hi1, ...], ascending, with gaps between. */
  seenOf(actor: NodeId): ReadonlyIntervals {
    return this.#actors.get(actor)?.seen ?? NOTHING;
  }

  /** The registered entries, in no particular order. */
  *entries(): IterableIterator<Registration> {
    for (const node of this.#nodes.keys()) yield* this.entriesOf(node);
  }

  /** The registered entries of one node, in no particular order. */
  *entriesOf(node: NodeId): IterableIterator<Registration> {
    for (const entry of this.#nodes.get(node)?.values() ?? []) {
      if (entry.value > 0) yield { node, start: entry.start, end: entry.end, priority: entry.value };
    }
  }

  // --- Mutators: each applies its delta before it returns it. ---

  /** Sets the entry's priority: replaces what was observed by one base dot. */
  register(actor: NodeId, counter: number, key: RangeKey, priority: number): Delta {
    assert(isAmount(priority) && priority > 0, `register with priority ${priority}`);
    const entry = this.#find(key);
    this.#checkRoom(entry);
    return this.#apply(key, [this.#fresh(actor, counter, 'base', priority)], observed(entry));
  }

  /**
   * Adds an increment. A result at zero or below is a release, which leaves the counter unused. Null when there is
   * nothing to do: a decrease of what is not registered (decreases left over by themselves await their sweep).
   * @throws ShoalError `too-many-increments`, `bad-amount`
   */
  adjust(actor: NodeId, counter: number, key: RangeKey, by: number): Delta | null {
    assert(isAmount(Math.abs(by)), `adjust by ${by}`);
    const entry = this.#find(key);
    const before = entry?.priority ?? 0;
    if (before === 0 && by < 0) return null;
    if (before + by <= 0) return this.release(key);
    this.#checkRoom(entry);
    if (before + by > LIMITS.priority) {
      const message = `the priority would be ${before + by}: the greatest is ${LIMITS.priority}`;
      throw new ShoalError('bad-amount', message, 'by');
    }
    if (entry !== undefined && entry.value > 0 && entry.count >= LIMITS.incrementsPerEntry) {
      const message = `this entry holds ${entry.count} separate changes: register it with its present priority, ${before}`;
      throw new ShoalError('too-many-increments', message, 'by');
    }
    // What has fallen to zero or below counts as released, so an increase starts from nothing.
    const gone = entry !== undefined && entry.value <= 0 ? observed(entry) : [];
    return this.#apply(key, [this.#fresh(actor, counter, 'increment', by)], gone);
  }

  /** Removes what was observed; null when there is nothing. Uses no dot. */
  release(key: RangeKey): Delta | null {
    const entry = this.#find(key);
    return entry === undefined ? null : this.#apply(key, [], observed(entry));
  }

  /** Cleans up an entry that joins have brought to zero or below; null when it is not such. Uses no dot. */
  sweep(key: RangeKey): Delta | null {
    const entry = this.#find(key);
    return entry === undefined || entry.value > 0 ? null : this.#apply(key, [], observed(entry));
  }

  /** Marks counters as seen without content: leased before a crash and never to be used. What was seen stays as it is. */
  voidCounters(actor: NodeId, lo: number, hi: number): Delta {
    assert(isCounter(lo) && isCounter(hi) && lo <= hi, `void of ${lo}..${hi}`);
    const context: Span[] = [];
    const unseen = subtract([lo, hi], this.seenOf(actor));
    for (let i = 0; i < unseen.length; i += 2)
      context.push({ actor, lo: unseen[i] as number, hi: unseen[i + 1] as number });
    return this.#applied({ entries: [], context });
  }

  // --- Join. ---

  /**
   * The lattice join. A dot lives on when both sides have it live, or one has it live and the other has not seen it.
   * Costs O(dots and spans of the delta + dots it removes). A refused delta changes nothing.
   */
  join(delta: Delta): JoinResult {
    const refused = this.#refusal(delta);
    if (refused !== null) return { changes: [], inflated: false, refused };
    this.#joins++;
    const touched: Entry[] = [];
    for (const item of delta.entries) for (const live of item.live) this.#bringIn(item, live, touched);
    const removed = this.#removeSeen(delta, touched);
    let grown = false;
    for (const span of delta.context) if (this.#see(span.actor, span.lo, span.hi)) grown = true;
    for (const item of delta.entries) {
      for (const span of item.removed) if (this.#see(span.actor, span.lo, span.hi)) grown = true;
      for (const live of item.live) if (this.#see(live.actor, live.counter, live.counter)) grown = true;
    }
    return { changes: this.#settle(touched), inflated: grown || removed, refused: null };
  }

  /** The delta's dot is live here afterwards, unless it was seen and is gone. */
  #bringIn(key: RangeKey, live: LiveDot, touched: Entry[]): void {
    const actor = this.#actorFor(live.actor);
    const known = actor.get(live.counter);
    if (known !== undefined) {
      known.stamp = this.#joins;
      return;
    }
    if (actor.hasSeen(live.counter)) return;
    const entry = this.#entryFor(key);
    this.#touch(entry, touched);
    const dot = new StoredDot(actor, entry, live, this.#joins);
    entry.add(dot);
    actor.insert(dot);
  }

  /** Removes the live dots that the delta has seen and does not have live. */
  #removeSeen(delta: Delta, touched: Entry[]): boolean {
    const gone: StoredDot[] = [];
    for (const item of delta.entries) for (const span of item.removed) this.#collectGone(span, gone);
    for (const span of delta.context) this.#collectGone(span, gone);
    for (const dot of gone) {
      // Overlapping spans of a careless sender name a dot twice.
      if (dot.stamp === this.#joins) continue;
      dot.stamp = this.#joins;
      this.#touch(dot.entry, touched);
      dot.entry.remove(dot);
      dot.actor.remove(dot);
    }
    return gone.length > 0;
  }

  #collectGone(span: Span, gone: StoredDot[]): void {
    const actor = this.#actors.get(span.actor);
    if (actor === undefined) return;
    if (span.lo === span.hi) {
      const dot = actor.get(span.lo);
      if (dot !== undefined && dot.stamp !== this.#joins) gone.push(dot);
      return;
    }
    actor.forEachIn(span.lo, span.hi, (dot) => {
      if (dot.stamp !== this.#joins) gone.push(dot);
    });
  }

  #see(actor: NodeId, lo: number, hi: number): boolean {
    return this.#actorFor(actor).see(lo, hi);
  }

  #touch(entry: Entry, touched: Entry[]): void {
    if (entry.stamp === this.#joins) return;
    entry.stamp = this.#joins;
    touched.push(entry);
  }

  /** Evaluates the touched entries anew; drops those without dots. */
  #settle(touched: readonly Entry[]): Change[] {
    const changes: Change[] = [];
    for (const entry of touched) {
      const before = entry.priority;
      entry.value = entry.evaluate();
      const after = entry.priority;
      if (entry.first === null) this.#drop(entry);
      if (before === after) continue;
      if (before === 0) this.#size++;
      else if (after === 0) this.#size--;
      changes.push({ node: entry.node, start: entry.start, end: entry.end, before, after });
    }
    if (changes.length > 0) this.#version++;
    return changes;
  }

  // --- Bounds. ---

  /** A delta of ordinary size passes after three comparisons; near a limit it is counted exactly. */
  #refusal(delta: Delta): Refusal | null {
    let claims = delta.context.length;
    for (const item of delta.entries) claims += item.live.length + item.removed.length;
    if (this.#entryCount + delta.entries.length > LIMITS.registrations) {
      let added = 0;
      for (const item of delta.entries) if (item.live.length > 0 && this.#find(item) === undefined) added++;
      if (this.#entryCount + added > LIMITS.registrations) return 'too-many-registrations';
    }
    if (
      this.#actors.size + claims > LIMITS.actors ||
      claims + this.#mostTorn(delta) > LIMITS.contextIntervals
    )
      return this.#contextRefusal(delta);
    return null;
  }

  #mostTorn(delta: Delta): number {
    let most = 0;
    for (const span of delta.context) most = Math.max(most, this.seenOf(span.actor).length);
    for (const item of delta.entries) {
      for (const span of item.removed) most = Math.max(most, this.seenOf(span.actor).length);
      for (const live of item.live) most = Math.max(most, this.seenOf(live.actor).length);
    }
    return most / 2;
  }

  #contextRefusal(delta: Delta): Refusal | null {
    const sets = new Map<NodeId, Intervals>();
    let added = 0;
    const claim = (id: NodeId, lo: number, hi: number): void => {
      let set = sets.get(id);
      if (set === undefined) {
        const actor = this.#actors.get(id);
        if (actor === undefined) added++;
        set = [...(actor?.seen ?? [])];
        sets.set(id, set);
      }
      addInterval(set, lo, hi);
    };
    for (const span of delta.context) claim(span.actor, span.lo, span.hi);
    for (const item of delta.entries) {
      for (const span of item.removed) claim(span.actor, span.lo, span.hi);
      for (const live of item.live) claim(live.actor, live.counter, live.counter);
    }
    if (this.#actors.size + added > LIMITS.actors) return 'too-many-actors';
    for (const set of sets.values()) if (set.length / 2 > LIMITS.contextIntervals) return 'context-too-torn';
    return null;
  }

  #checkRoom(entry: Entry | undefined): void {
    if (entry !== undefined || this.#entryCount < LIMITS.registrations) return;
    const message = `the group holds ${this.#entryCount} registrations, the most it can: release some first`;
    throw new ShoalError('too-many-registrations', message);
  }

  // --- Places. ---

  #fresh(actor: NodeId, counter: number, kind: DotKind, amount: number): LiveDot {
    assert(isCounter(counter), `counter ${counter}`);
    assert(!this.hasSeen(actor, counter), `the dot (${actor}, ${counter}) was used before`);
    return { actor, counter, kind, amount };
  }

  #apply(key: RangeKey, live: readonly LiveDot[], removed: readonly Span[]): Delta {
    const { node, start, end } = key;
    assert(isPosition(start) && isPosition(end) && start <= end, `range ${start}-${end}`);
    return this.#applied({ entries: [{ node, start, end, live, removed }], context: [] });
  }

  #applied(delta: Delta): Delta {
    const { refused } = this.join(delta);
    if (refused !== null)
      throw new ShoalError(
        refused,
        refused === 'context-too-torn'
          ? `the change counters of this node have as many gaps as they can (${LIMITS.contextIntervals}): its warnings tell what keeps them from being closed`
          : `the map knows as many writers as it can (${LIMITS.actors}): registrations by new ones are refused`,
      );
    return delta;
  }

  #find(key: RangeKey): Entry | undefined {
    return this.#nodes.get(key.node)?.get(key.start, key.end);
  }

  #entryFor(key: RangeKey): Entry {
    let ranges = this.#nodes.get(key.node);
    if (ranges === undefined) {
      ranges = new RangeTable();
      this.#nodes.set(key.node, ranges);
    }
    let entry = ranges.get(key.start, key.end);
    if (entry === undefined) {
      entry = new Entry(key.node, key.start, key.end);
      ranges.add(entry);
      this.#entryCount++;
    }
    return entry;
  }

  #drop(entry: Entry): void {
    const ranges = this.#nodes.get(entry.node) as RangeTable;
    ranges.delete(entry);
    if (ranges.size === 0) this.#nodes.delete(entry.node);
    this.#entryCount--;
  }

  #actorFor(id: NodeId): Actor {
    let actor = this.#actors.get(id);
    if (actor === undefined) {
      const bucket = bucketOf(id);
      actor = new Actor(id, [this.#buckets[bucket] as SetHash, this.#whole]);
      this.#actors.set(id, actor);
      (this.#bucketActors[bucket] as Actor[]).push(actor);
    }
    return actor;
  }

  /** The whole state as deltas of about `chunkBytes` each; their join, in any order, is this map. */
  chunks(chunkBytes: number): Delta[] {
    const deltas: Delta[] = [];
    const chunker = new Chunker(chunkBytes, (delta) => deltas.push(delta));
    for (const actor of this.actors()) chunker.add(actor, actor.seen);
    chunker.flush();
    return deltas;
  }

  // --- For reconciliation, inside this room. ---

  actor(id: NodeId): Actor | undefined {
    return this.#actors.get(id);
  }

  bucketHash(bucket: number): SetHash {
    return this.#buckets[bucket] as SetHash;
  }

  /** In order of first appearance. */
  actorsInBucket(bucket: number): readonly Actor[] {
    return this.#bucketActors[bucket] as Actor[];
  }

  /** Sorted by id. */
  actors(): Actor[] {
    return [...this.#actors.values()].sort((a, b) => compareIds(a.id, b.id));
  }
}

export function bucketOf(id: NodeId): number {
  const hi = Number.parseInt(id.slice(0, 8), 16);
  const lo = Number.parseInt(id.slice(8), 16);
  return mix32(mix32(hi) ^ lo) % BUCKETS;
}

export function isCounter(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= MAX_COUNTER;
}

export function isAmount(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= LIMITS.priority;
}

function isPosition(value: number): boolean {
  return value >>> 0 === value;
}

/** All dots of an entry, as spans in order. */
function observed(entry: Entry | undefined): Span[] {
  if (entry === undefined) return [];
  const dots: StoredDot[] = [];
  for (let dot = entry.first; dot !== null; dot = dot.next) dots.push(dot);
  if (dots.length > 1) dots.sort((a, b) => compareIds(a.actor.id, b.actor.id) || a.counter - b.counter);
  const spans: { actor: NodeId; lo: number; hi: number }[] = [];
  for (const dot of dots) {
    const last = spans[spans.length - 1];
    const follows = last !== undefined && last.actor === dot.actor.id && last.hi + 1 === dot.counter;
    if (follows && dot.counter - last.lo < REMOVED_SPAN_COUNTERS) last.hi++;
    else spans.push({ actor: dot.actor.id, lo: dot.counter, hi: dot.counter });
  }
  return spans;
}
