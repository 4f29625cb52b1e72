/**
 * gossip: how a change reaches every live node in a few network hops, and how what was lost is repaired.
 *
 * Three layers, from fast to certain. (1) Multicast, for the nodes known to hear it (`Reach`): knowledge that is learnt
 * from beacons, confirmed by the hearers and forgotten when it is not; gaps in the sequence are asked for. (2) A randomized
 * logarithmic tree (`Broadcaster`) over the multicast sets, a set of one being a node that hears nobody: the holder of a
 * list hands parts of it on, each hop is acknowledged, retried once, and then taken over, so that a dead inner node costs
 * a timeout and never a subtree. The list is named, not carried: (view digest, seed, from, length) is an interval of a
 * seeded permutation (`Permutation`) of the sorted sets; a receiver with another view asks for the explicit list.
 * (3) Anti-entropy (`AntiEntropy`): digests compared with a random member at a pause that backs off while all is equal.
 * The shape is that of bimodal multicast (Birman et al. 1999): an unreliable fast broadcast, then gossip of digests, where
 * recent broadcasts the other has not seen are pushed again (`SeenWindow`) before states are reconciled.
 *
 * The tree and the sets: the tree visits one node of each set, and that node answers for its set, by multicast for those
 * that confirm to hear it and by directed messages for those that do not. So a wrong label costs messages, never delivery.
 * Rejected: carrying the sender's reach in every datagram (each acknowledgement would grow with the group); the origin
 * addressing all itself (its uplink would be the tree); eager-push spanning trees as in Plumtree (state per edge to
 * maintain, where a permutation needs none).
 *
 * Some payloads are no changes (the store's publications): nobody compares them, so they are not kept in the seen window, are
 * sent to a silent node more often, and go out no faster than they are answered (`Congestion`).
 *
 * Does not know: what a payload is, how messages are encoded, addresses, or the map. Inputs: messages by kind, a clock
 * value, randomness. Outputs: the three `...Outputs` interfaces, implemented by `node`.
 * Invariants: with no loss, exactly one tree message per set but the origin's (one per node without multicast), at most
 * ceil(log2 n) rounds with halving; a payload is delivered once; a part of a list is relayed once.
 * Bounds: LIMITS.pendingHops, publicationHops, seenMessages, multicastHistory, multicastRepairs.
 * Anti-entropy also is what goes on asking members that are down, for ever, more rarely with time when they are few.
 * Departures: anti-entropy sends its digest up to three times in a round before it calls it unanswered, and the one random
 * directed visit is made only when no other directed message was (with several sets the tree's own messages are that).
 * Tests: permutation.test.ts, tree.test.ts, broadcast.test.ts, reach.test.ts, anti-entropy.test.ts, and all of test/sim.
 */
export { AntiEntropy, type AntiEntropyOutputs } from './anti-entropy.ts';
export { Broadcaster, type BroadcastOutputs, type BroadcastSettings, type TreePart } from './broadcast.ts';
export { Permutation } from './permutation.ts';
export { Reach, type ReachOutputs } from './reach.ts';
export { SeenWindow } from './seen.ts';
export { type Handover, splitTargets, treeWidth } from './tree.ts';
