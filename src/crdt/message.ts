import type { NodeId } from '../base/index.ts';
import type { Delta } from './delta.ts';
import type { ReadonlyIntervals } from './intervals.ts';

/** Live counters one listing names at most. */
export const LISTING_COUNTERS = 256;

/** All hashes are 32 bits of a 64-bit set hash under the message's salt: an accident in one round is none in the next. */
export type ReconcileMessage = BucketsMessage | ActorsMessage | PartsMessage;

/** "My actors, by bucket, hash to this." Opens a reconciliation. */
export interface BucketsMessage {
  readonly kind: 'buckets';
  readonly salt: number;
  /** A power of two of them, at most 256; bucket i holds the actors whose bucket number's leading bits are i. */
  readonly hashes: readonly number[];
}

/** "In these buckets we differ; here are all of my actors in them." An actor not listed is unknown to the sender. */
export interface ActorsMessage {
  readonly kind: 'actors';
  readonly salt: number;
  /** Of how many buckets these are some. */
  readonly of: number;
  readonly buckets: readonly { readonly bucket: number; readonly records: readonly ActorRecord[] }[];
}

/** What the other lacks, and what is still to be compared. */
export interface PartsMessage {
  readonly kind: 'parts';
  readonly salt: number;
  /** To be joined first. */
  readonly delta: Delta;
  readonly records: readonly ActorRecord[];
  readonly prints: readonly Print[];
  readonly listings: readonly Listing[];
}

/** "Of this actor I have seen these counters, and what is live hashes to this." */
export interface ActorRecord {
  readonly actor: NodeId;
  readonly seen: ReadonlyIntervals;
  readonly hash: number;
}

/** "My live dots of this actor from lo to hi hash to this." Per actor, ascending and disjoint in a message. */
export interface Print {
  readonly actor: NodeId;
  readonly lo: number;
  readonly hi: number;
  readonly hash: number;
}

/** "Of this actor's counters from lo to hi I have seen these, and exactly these are live." Ascending and disjoint. */
export interface Listing {
  readonly actor: NodeId;
  readonly lo: number;
  readonly hi: number;
  readonly seen: ReadonlyIntervals;
  readonly live: readonly number[];
}
