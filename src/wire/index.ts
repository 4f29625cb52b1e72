/**
 * wire: what travels between nodes, and how it is written. A union of messages on a numeric tag from an append-only table
 * (message.ts); each datagram or stream frame is a 13-byte envelope (version, cluster tag, sender) and one msgpack array
 * (codec.ts). Deltas and reconciliation steps are packed bytes inside (delta.ts, reconcile.ts), because they are the bulk.
 *
 * Intuition: decoding is the border. What passes it has every length, type and bound checked, so that the rooms behind it
 * deal with values, not with strangers; what does not pass is a counted reason (DROP_REASONS), never an exception.
 *
 * Growth: an array may get more elements (older nodes ignore them), a new kind gets a new number (older nodes count it as
 * unknown and go on); the version byte changes only when that is not enough.
 * Does not know: sockets, who is a member, what the messages are for.
 * Bounds: a datagram LIMITS.datagramBytes, a frame LIMITS.frameBytes; a tree message's header, everything but its
 * payload, is at most 40 bytes. Tests: codec.test.ts, delta.test.ts, and the fuzzers.
 */
export { asNodeId, isBytes, isCount, isList, isText } from './check.ts';
export {
  Codec,
  clusterTag,
  type Decoded,
  decodeValue,
  ENVELOPE_BYTES,
  encodeValue,
  isGreeting,
} from './codec.ts';
export { deltaFromWire, deltaToWire, stateFromWire, stateToWire } from './delta.ts';
export {
  type AckMessage,
  type BeaconMessage,
  type DigestMessage,
  type Digests,
  DROP_REASONS,
  type DropReason,
  type HelloMessage,
  KIND,
  type ListMessage,
  type MembersMessage,
  type Message,
  type MulticastMessage,
  type Newer,
  type ProbeAskMessage,
  type ProbeMessage,
  type ProbeReportMessage,
  type RepairMessage,
  type Standing,
  type SummaryMessage,
  type TreeMessage,
  type TwinMessage,
  type WelcomeMessage,
  WIRE_VERSION,
} from './message.ts';
export { reconcileFromWire, reconcileToWire } from './reconcile.ts';
export { MAX_INCARNATION, recordFromWire, recordsFromWire, recordToWire } from './record.ts';
