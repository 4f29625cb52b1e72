/**
 * members: who is in the group. A grow-only set of member records, each a lattice of its own: (incarnation, state rank),
 * as in SWIM (Das, Gupta, Motivala 2002, section 4.2), so that records may arrive in any order and any number of times.
 *
 * The intuition: only a node itself may say something new about itself, and says it with a higher incarnation; others may
 * only make its state worse, and it takes that back (refutes) by a higher incarnation still. Besides the state a record
 * carries the label of the node's multicast set (`reach`), under a version of its own, because it changes without a
 * restart and must be agreed on by those who plan broadcast trees.
 *
 * Inputs: records, decoded and checked by `wire`. Outputs: merge results, digests, the `View` (sorted live ids and their
 * multicast sets) that names positions in a tree. It sends nothing and knows no clock; `node` tells it when somebody was
 * heard.
 *
 * Invariants: a record never goes back in the lattice; `view()` is the same on all nodes with the same records; names
 * may clash (both members stay, the status says so). Bounds: LIMITS.members, then new ones are refused and counted.
 * Departure: two records of one incarnation with different contents (a cloned identity) are ordered by boot nonce, where
 * SWIM has no answer. Probing and suspicion come with part 2; until then a silent member simply stays listed.
 * Tests: record.test.ts (the lattice laws), list.test.ts.
 */
export { LocalHealth } from './health.ts';
export { type Member, MemberList, type MergeResult } from './list.ts';
export { DETECTION, type DetectionSettings, Prober, type ProberOutputs } from './prober.ts';
export {
  covers,
  joinRecords,
  type MemberRecord,
  type MemberState,
  STATE,
  STATE_NAMES,
} from './record.ts';
export { RoundTrip, RTO } from './rtt.ts';
export { SUSPICION, Suspicion, suspicionMs } from './suspicion.ts';
export { Targets } from './targets.ts';
export { View } from './view.ts';
