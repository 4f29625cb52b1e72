/**
 * ranges: the 32-bit key space and who owns what of it. Keys become positions (keys.ts), people's ranges are checked
 * and read (range.ts), and registrations with liveness become the ownership view (ownership.ts): elementary segments,
 * each with its ordered owners, published as immutable snapshots.
 *
 * Intuition: consistent hashing the way Redis Cluster does it (fixed slots, hash tags), with ranges that nodes claim
 * by themselves instead of slots that somebody assigns; equals are ordered by rendezvous hashing per tile.
 *
 * Knows nothing of the replicated map that registrations come from, nor of members beyond live or not live. Called by
 * `node` (the view), and below the I/O line by `cli`, `http`, `resp`, `store` (keys, slots, texts).
 *
 * Invariants: slot s is exactly the range [s << 18, s << 18 | 0x3ffff]; segments cover the key space without holes;
 * equal registrations and liveness give equal owners everywhere, in whatever order they became known.
 * Bounds: see ownership.ts. Ownership is never exclusive: it is an order, taken from what this node has heard.
 *
 * Tests: keys.test.ts, range.test.ts, ownership.test.ts (against a naive model), cost.test.ts, cells.test.ts (the tree).
 */
export { rendezvousWeight } from './cover.ts';
export { crc16, hashTag, positionOf, SLOT_COUNT, slotAt, slotOf, slotRange } from './keys.ts';
export { OwnershipView } from './ownership.ts';
export {
  checkPosition,
  checkRange,
  KEY_SPACE_END,
  KEY_SPACE_SIZE,
  parsePosition,
  type Range,
  type Side,
} from './range.ts';
export type { Owner } from './registration.ts';
export type { Segment } from './runs.ts';
export { type Coverage, type Gap, OwnershipSnapshot } from './snapshot.ts';
