/**
 * crdt: the replicated map. An observed-remove, add-wins map (AWORMap) from (node, start, end) to a counter, with delta
 * mutators, and the reconciliation of two copies of it.
 *
 * Intuition: every change is an event with a name that is never used again, its dot (actor, counter). A copy keeps the
 * events that still count ("live": a base or an increment of an entry) and, as intervals of counters per actor, the
 * names of all events it has ever seen (the causal context). To release is to forget live events while remembering
 * their names; hence no tombstones. Two copies join event by event: live on both sides, or live on one and never seen
 * by the other, lives on; all else is gone. An entry's priority is max(bases, 0) + sum(increments); at zero or below it
 * counts as released, and whoever sees it removes its events (`sweep`).
 *
 * Papers: Almeida, Shoker, Baquero, "Delta state replicated data types" (DotFun, DotMap, causal context); Enes et al.,
 * "Efficient synchronization of state-based CRDTs" (`inflated`: do not send back what came from there); Meyer,
 * "Range-based set reconciliation" (arXiv 2212.13567).
 *
 * Does not know: members, time, who sent what, where counters come from (the caller leases them on disk), disks, bytes
 * (`wire/delta.ts` and `wire/reconcile.ts` encode what is here).
 *
 * In: mutators with a fresh counter; deltas; reconciliation messages. Out: deltas, changes of priority, replies.
 *
 * Invariants: a live dot has been seen; a dot has one key, kind and amount for ever; each interval list is sorted,
 * disjoint and without adjacent intervals, so equal sets have equal form and the digest needs no order.
 * Bounds: a mutation, and the join of a one-entry delta, touch the entry and one block of 64 counters per actor
 * named, whatever the size of the map. Registrations, actors, intervals per actor and increments per entry are limited
 * by name (base LIMITS); a delta that would exceed them is refused whole.
 *
 * Departures: the paper's CCounter folds an actor's increments into one dot, so that a reset concurrent with an
 * increase revives the whole partial count; here each increment keeps its own dot and amount, and nothing is folded.
 * Set reconciliation there compares sets; here a causal context tells "not yet seen" from "seen and gone", so that
 * contexts are compared first, which settles whatever is new, and ranges only for what was removed.
 *
 * Tests: laws.test.ts (the laws, against a naive model), map.test.ts, reconcile.test.ts; bench: test/bench/crdt.ts.
 */
export type {
  Change,
  Delta,
  DeltaEntry,
  DotKind,
  JoinResult,
  LiveDot,
  RangeKey,
  Refusal,
  Span,
} from './delta.ts';
export { MAX_COUNTER, REMOVED_SPAN_COUNTERS } from './delta.ts';
export type { ReadonlyIntervals } from './intervals.ts';
export { AworMap, type Registration } from './map.ts';
export {
  type ActorRecord,
  type ActorsMessage,
  type BucketsMessage,
  LISTING_COUNTERS,
  type Listing,
  type PartsMessage,
  type Print,
  type ReconcileMessage,
} from './message.ts';
export { beginReconcile, type Response, respondReconcile } from './reconcile.ts';
