import type { NodeId } from '../base/index.ts';

/** Greatest counter a dot may have: counters are whole numbers from 1 to this. */
export const MAX_COUNTER = Number.MAX_SAFE_INTEGER;

/** Widest span a delta names as removed from one entry, so that a few bytes cannot ask for a long walk. */
export const REMOVED_SPAN_COUNTERS = 4096;

/** The key of an entry: whose registration it is, and of which positions (both ends inclusive). */
export interface RangeKey {
  readonly node: NodeId;
  readonly start: number;
  readonly end: number;
}

/** `base`: the largest one of an entry counts. `increment`: all of an entry's add up; may be negative. */
export type DotKind = 'base' | 'increment';

/** One event that still counts. The dot (actor, counter) names it for ever. */
export interface LiveDot {
  readonly actor: NodeId;
  readonly counter: number;
  readonly kind: DotKind;
  readonly amount: number;
}

/** The dots (actor, lo) to (actor, hi), both ends inclusive. */
export interface Span {
  readonly actor: NodeId;
  readonly lo: number;
  readonly hi: number;
}

export interface DeltaEntry extends RangeKey {
  readonly live: readonly LiveDot[];
  /** Dots of this entry that no longer count. */
  readonly removed: readonly Span[];
}

/**
 * A small state: its dots are the `live` ones, its causal context is exactly live + removed + context. A dot in the
 * context that is not live was seen and is gone (released, replaced or void).
 */
export interface Delta {
  readonly entries: readonly DeltaEntry[];
  /** What was seen besides: voids, and the dead dots of a state that is shipped whole. */
  readonly context: readonly Span[];
}

/** An entry whose priority a join or a mutator changed. A priority of 0 is: not registered. */
export interface Change extends RangeKey {
  readonly before: number;
  readonly after: number;
}

/** Why a join was refused; the state is then as before. */
export type Refusal = 'context-too-torn' | 'too-many-actors' | 'too-many-registrations';

export interface JoinResult {
  readonly changes: readonly Change[];
  /** Something was new, be it only context. False: do not spread it, whoever sent it knows no more than this node. */
  readonly inflated: boolean;
  readonly refused: Refusal | null;
}

/** Strings compare by code unit; ids are hex, so this is their numeric order. */
export function compareIds(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
