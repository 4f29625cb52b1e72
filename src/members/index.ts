/**
 * members: who is in the group, and who of them is there. A grow-only set of member records, each a lattice of its own:
 * (incarnation, state rank), as in SWIM (Das, Gupta, Motivala 2002), so that records may arrive in any order and any number
 * of times; and the failure detector that moves them, SWIM's with Lifeguard (Dadgar, Phillips, Currey 2018).
 *
 * The intuition: only a node itself may say something new about itself, and says it with a higher incarnation; others may
 * only make its state worse, and it takes that back (refutes) by a higher incarnation still. So nobody is called `down`
 * without having been told, and asked again and again: one probe a period (`Targets`: a ring in turn with a shuffled list);
 * when no answer comes, more of them, and helpers that probe in this node's place and say if they got none (nacks); then
 * the suspicion is published with its accusers, the accuser goes on asking for a time that shrinks with confirmations
 * (`suspicionMs`), every such probe telling the suspect, and only an accuser that itself got nothing decides. A node that
 * misses what it should have got, or wakes late, waits longer (`LocalHealth`) and gives back the time it did not run.
 * Besides the state a record carries the label of the node's multicast set (`reach`), under a version of its own, because it
 * changes without a restart and must be agreed on by those who plan broadcast trees.
 *
 * Inputs: records, decoded and checked by `wire`; answers, nacks, errands and the time. Outputs: merge results, digests, the
 * `View` (sorted live ids and their multicast sets) that names positions in a tree; `ProberOutputs`. It sends nothing
 * itself and reads no clock. The times follow from `DetectionSettings` (prober.ts), which has the formula.
 *
 * Invariants: a record never goes back in the lattice; `view()` is the same on all nodes with the same records; names may
 * clash (both members stay, the status says so). Traffic and times do not depend on the size of the group. Bounds:
 * LIMITS.members, then new ones are refused and counted; LIMITS.probeErrands; one round at a time per member. A member this
 * node never dealt with costs its record and two words.
 * Departures: two records of one incarnation with different contents (a cloned identity) are ordered by boot nonce, where
 * SWIM has no answer. Half of the probes go round a shared ring, which bounds the time to the first probe by two periods,
 * where independent choices have a tail. Helpers' nacks count as confirmations, so that these need not wait for other
 * probers. Who only heard of a suspicion does not time it out but, when nobody decides, probes for itself; so a lost
 * refutation costs no false verdict. The suspicion's length does not grow with the group: news travel by a tree, in hops.
 * There is no probe by stream (memberlist has one): who gets no datagram from anybody takes no part in spreading, and a
 * member half there would be suspected and deny it for ever; one-way and single bad links are what helpers are for.
 * Tests: record.test.ts (the lattice laws), rtt.test.ts, prober.test.ts; node/detection.test.ts; test/sim/detection.test.ts,
 * and the scenarios kill (to 5000 nodes), leave, alarms, stalls; test/net/detection.test.ts; `npm run bench -- detect`.
 */
export { LocalHealth, WORST_HEALTH } from './health.ts';
export { Member, MemberList, type MergeResult } from './list.ts';
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
export { View, Views } from './view.ts';
