import { fold32, mix32, type NodeId, SetHash } from '../base/index.ts';
import type { Actor } from './actor.ts';
import { Answer } from './answer.ts';
import { BLOCK_COUNTERS } from './block.ts';
import { type Change, compareIds, type JoinResult, type Refusal, type Span } from './delta.ts';
import { clip, contains, type Intervals, type ReadonlyIntervals, subtract } from './intervals.ts';
import { type AworMap, BUCKETS } from './map.ts';
import type {
  ActorRecord,
  ActorsMessage,
  BucketsMessage,
  Listing,
  PartsMessage,
  Print,
  ReconcileMessage,
} from './message.ts';

/** A differing range is cut into at most so many. */
const FAN_OUT = 8;
/** So few live dots are listed rather than cut further: a listing costs about what the hashes of a cut would. */
const LISTED_DOTS = 48;
/** Records of one `actors` message: about 10 KB. */
const RECORDS_PER_MESSAGE = 500;

export interface Response {
  /** Messages back to the sender, in order; null when there is nothing to say. */
  readonly reply: ReconcileMessage[] | null;
  readonly changes: readonly Change[];
  readonly inflated: boolean;
  readonly refused: Refusal | null;
  /** Dots that listings told to be gone: the message's delta does not say so, and who keeps a journal must note it. */
  readonly gone: readonly Span[];
}

/**
 * Opens a reconciliation: two maps find and ship exactly what the other lacks, both ways. Neither side keeps anything
 * between messages: whoever gets one answers it from its present state until there is nothing to answer. A message that
 * is lost, repeated or late costs bytes, never truth: all that changes state are deltas and listings, true for ever.
 *
 * `salt` is any 32 bits, fresh per round.
 */
export function beginReconcile(map: AworMap, salt: number): BucketsMessage {
  let count = 1;
  while (count < map.actorCount && count < BUCKETS) count *= 2;
  const hashes: number[] = [];
  for (let i = 0; i < count; i++) hashes.push(bucketHash(map, salt, i, count));
  return { kind: 'buckets', salt: salt >>> 0, hashes };
}

/** Costs O(message + this map's actors in differing buckets + their dots in differing ranges). */
export function respondReconcile(map: AworMap, message: ReconcileMessage): Response {
  return new Responder(map, message.salt).respond(message);
}

class Responder {
  readonly #map: AworMap;
  readonly #salt: number;
  readonly #answer: Answer;
  readonly #changes: Change[] = [];
  /** Actors that this answer describes whole, so that no range of theirs is described twice. */
  readonly #wholly = new Set<NodeId>();
  readonly #gone: Span[] = [];
  #inflated = false;

  constructor(map: AworMap, salt: number) {
    this.#map = map;
    this.#salt = salt;
    this.#answer = new Answer(salt);
  }

  respond(message: ReconcileMessage): Response {
    switch (message.kind) {
      case 'buckets': {
        const actors = this.#answerBuckets(message);
        return this.#response([...actors, ...(this.#answer.finish() ?? [])]);
      }
      case 'actors':
        this.#answerActors(message);
        return this.#response(this.#answer.finish() ?? []);
      case 'parts': {
        const refused = this.#answerParts(message);
        return this.#response(refused === null ? (this.#answer.finish() ?? []) : [], refused);
      }
    }
  }

  #response(reply: ReconcileMessage[], refused: Refusal | null = null): Response {
    return {
      reply: reply.length === 0 ? null : reply,
      changes: this.#changes,
      inflated: this.#inflated,
      refused,
      gone: this.#gone,
    };
  }

  // --- Buckets: which actors differ? ---

  #answerBuckets(message: BucketsMessage): ActorsMessage[] {
    const of = message.hashes.length;
    const nothing = salted(this.#salt, new SetHash());
    const messages: ActorsMessage[] = [];
    let buckets: { bucket: number; records: ActorRecord[] }[] = [];
    let records = 0;
    for (let bucket = 0; bucket < of; bucket++) {
      const theirs = message.hashes[bucket] as number;
      if (theirs === bucketHash(this.#map, this.#salt, bucket, of)) continue;
      const actors = actorsIn(this.#map, bucket, of);
      if (theirs === nothing) {
        // An empty bucket: nothing to compare, all to ship.
        for (const actor of actors) this.#answerRecord(this.#unknown(actor.id));
        continue;
      }
      buckets.push({ bucket, records: actors.map((actor) => this.#record(actor)) });
      records += actors.length;
      if (records >= RECORDS_PER_MESSAGE) {
        messages.push({ kind: 'actors', salt: this.#salt, of, buckets });
        buckets = [];
        records = 0;
      }
    }
    if (buckets.length > 0) messages.push({ kind: 'actors', salt: this.#salt, of, buckets });
    return messages;
  }

  // --- Actors: what has one seen that the other has not? ---

  #answerActors(message: ActorsMessage): void {
    for (const { bucket, records } of message.buckets) {
      const listed = new Set(records.map((record) => record.actor));
      for (const record of records) this.#answerRecord(record);
      for (const actor of actorsIn(this.#map, bucket, message.of))
        if (!listed.has(actor.id)) this.#answerRecord(this.#unknown(actor.id));
    }
  }

  #answerRecord(theirs: ActorRecord): void {
    const actor = this.#map.actor(theirs.actor);
    if (actor === undefined) {
      if (theirs.seen.length > 0) this.#answer.record(this.#unknown(theirs.actor));
      return;
    }
    const unseenThere = subtract(actor.seen, theirs.seen);
    const shipped = this.#answer.ship(actor, unseenThere);
    const unseenHere = subtract(theirs.seen, actor.seen);
    if (unseenHere.length > 0 || !shipped) {
      // They will see that they know more (or that more is here) and go on from our record.
      this.#answer.record(this.#record(actor));
      return;
    }
    // All they have seen was seen here, so a difference in what both have seen is in what is live of it.
    const common = new SetHash();
    common.add(actor.live.hi, actor.live.lo);
    for (let i = 0; i < unseenThere.length; i += 2) {
      const part = actor.hashIn(unseenThere[i] as number, unseenThere[i + 1] as number);
      common.remove(part.hi, part.lo);
    }
    if (salted(this.#salt, common) === theirs.hash) return;
    this.#wholly.add(actor.id);
    this.#describe(actor, actor.seen[0] ?? 1, actor.top);
  }

  // --- Parts: which live dots does one have that the other has seen go? ---

  #answerParts(message: PartsMessage): Refusal | null {
    const refused = this.#take(this.#map.join(message.delta));
    if (refused !== null) return refused;
    // What the listings say is gone goes first: the records are compared with, and ours made from, the state after it.
    const gone = this.#gone;
    const askAbout: NodeId[] = [];
    for (const listing of message.listings) this.#answerListing(listing, gone, askAbout);
    if (gone.length > 0) this.#take(this.#map.join({ entries: [], context: gone }));
    for (const id of askAbout) {
      const actor = this.#map.actor(id);
      this.#answer.record(actor === undefined ? this.#unknown(id) : this.#record(actor));
    }
    for (const record of message.records) this.#answerRecord(record);
    for (const print of message.prints) this.#answerPrint(print);
    return null;
  }

  #take(result: JoinResult): Refusal | null {
    this.#changes.push(...result.changes);
    if (result.inflated) this.#inflated = true;
    return result.refused;
  }

  #answerPrint(print: Print): void {
    if (this.#wholly.has(print.actor)) return;
    const actor = this.#map.actor(print.actor);
    if (actor === undefined) {
      this.#answer.record(this.#unknown(print.actor));
      return;
    }
    if (salted(this.#salt, actor.hashIn(print.lo, print.hi)) !== print.hash)
      this.#describe(actor, print.lo, print.hi);
  }

  /** Tells what is live in [lo, hi]: by hashes of its parts, or dot by dot when there are few. */
  #describe(actor: Actor, lo: number, hi: number): void {
    const blocks = actor.blocksIn(lo, hi);
    let dots = 0;
    for (const block of blocks) dots += block.dots.length;
    if (blocks.length <= 1 || dots <= LISTED_DOTS) {
      const live: number[] = [];
      actor.forEachIn(lo, hi, (dot) => live.push(dot.counter));
      this.#answer.list({ actor: actor.id, lo, hi, seen: clip(actor.seen, lo, hi), live });
      return;
    }
    const parts = Math.min(FAN_OUT, blocks.length);
    let from = lo;
    for (let part = 1; part <= parts; part++) {
      const next = blocks[Math.floor((part * blocks.length) / parts)];
      const to = next === undefined ? hi : next.index * BLOCK_COUNTERS - 1;
      this.#answer.print({
        actor: actor.id,
        lo: from,
        hi: to,
        hash: salted(this.#salt, actor.hashIn(from, to)),
      });
      from = to + 1;
    }
  }

  /** Settles the listed range: learns and ships removals, ships what is unseen there, asks for what is unseen here. */
  #answerListing(theirs: Listing, gone: Span[], askAbout: NodeId[]): void {
    const { lo, hi } = theirs;
    const actor = this.#map.actor(theirs.actor);
    const seen = clip(actor?.seen ?? [], lo, hi);
    if (subtract(theirs.seen, seen).length > 0) askAbout.push(theirs.actor);
    if (actor === undefined) return;
    this.#answer.ship(actor, subtract(seen, theirs.seen));
    const liveThere = new Set(theirs.live);
    const liveHere: Intervals = [];
    actor.forEachIn(lo, hi, ({ counter }) => {
      liveHere.push(counter, counter);
      if (!liveThere.has(counter) && contains(theirs.seen, counter))
        gone.push({ actor: actor.id, lo: counter, hi: counter });
    });
    this.#answer.shipDead(deadSpans(actor, subtract(seen, liveHere), theirs.live));
  }

  #record(actor: Actor): ActorRecord {
    return { actor: actor.id, seen: [...actor.seen], hash: salted(this.#salt, actor.live) };
  }

  /** The record of an actor of which nothing was seen. */
  #unknown(actor: NodeId): ActorRecord {
    return { actor, seen: [], hash: salted(this.#salt, new SetHash()) };
  }
}

/** The stretches of `dead` (seen here and not live) from the first to the last counter that is live there. */
function deadSpans(actor: Actor, dead: ReadonlyIntervals, liveThere: readonly number[]): Span[] {
  const spans: Span[] = [];
  let at = 0;
  for (let i = 0; i < dead.length; i += 2) {
    const lo = dead[i] as number;
    const hi = dead[i + 1] as number;
    while (at < liveThere.length && (liveThere[at] as number) < lo) at++;
    if (at >= liveThere.length || (liveThere[at] as number) > hi) continue;
    const first = liveThere[at] as number;
    while (at + 1 < liveThere.length && (liveThere[at + 1] as number) <= hi) at++;
    spans.push({ actor: actor.id, lo: first, hi: liveThere[at] as number });
  }
  return spans;
}

/** The actors of one of `of` buckets, sorted by id. */
function actorsIn(map: AworMap, bucket: number, of: number): Actor[] {
  const width = BUCKETS / of;
  const actors: Actor[] = [];
  for (let i = bucket * width; i < (bucket + 1) * width; i++) actors.push(...map.actorsInBucket(i));
  return actors.sort((a, b) => compareIds(a.id, b.id));
}

function bucketHash(map: AworMap, salt: number, bucket: number, of: number): number {
  const width = BUCKETS / of;
  const sum = new SetHash();
  for (let i = bucket * width; i < (bucket + 1) * width; i++) {
    const part = map.bucketHash(i);
    sum.add(part.hi, part.lo);
  }
  return salted(salt, sum);
}

/** 64 bits to 32, another way for each salt. */
function salted(salt: number, hash: SetHash): number {
  return mix32(fold32(fold32(salt, hash.hi), hash.lo));
}
