/**
 * node: the composed state machine. Everything above the I/O line meets here: the map, the members, the ownership view
 * that follows from both, and the three layers that spread and repair them.
 *
 * Intuition: a step function, as in etcd's raft or quinn-proto. An input (a datagram, a frame, a command, a disk's answer,
 * a deadline) comes with the present time, changes the state, and calls outputs (send, multicast, stream, persist, answer,
 * event); nothing else happens. The same object runs on sockets under `io` and by the thousand under the simulator.
 *
 * A change's way: a command becomes a delta in `Mutations` (mutations.ts), is joined into `GroupState` (state.ts), written
 * to the journal, and at the same time put into the `Outbox` (group.ts), which cuts what waits into groups that fit a
 * datagram; the `Broadcaster` spreads them; the command is answered when the journal record is on disk. On the way in, a
 * group is decoded, joined, noted in the journal without waiting, and told to watchers as events. What was missed is found
 * by `AntiEntropy` and mended by pushes of recent broadcasts or by a stream session (sessions.ts).
 *
 * A message published for the channels of the store goes the same way from the outbox on, as a group that changes nothing
 * (publications.ts).
 *
 * Does not know: sockets, files, clocks, wall time, HTTP. Inputs and outputs: machine.ts; shapes for the edges: contract.ts.
 * Invariants: a dot counter comes from a block that is on disk as this node's (counters.ts) and is used once; a command is
 * answered once; an acknowledged change is on disk; an input never throws for what a stranger sent.
 * Bounds: LIMITS; per-peer state exists for members only, and strangers become members only by their own record.
 * A member's death: `members`' prober decides, detection.ts carries its messages and tells the accused; suspicions and
 * verdicts go out by the same groups as changes, so all know within hops of the first. Registrations of the dead stay and
 * do not count.
 * Tests: test/sim (the main ones), node.test.ts, hostile.test.ts, unsealed.test.ts, disk-full.test.ts, events.test.ts, publications.test.ts.
 */
export type * from './contract.ts';
export { EVENT_TYPES } from './contract.ts';
export { snapshotSoundness } from './journal.ts';
export type {
  Answer,
  Boot,
  Command,
  Described,
  Inputs,
  LogLevel,
  Machine,
  NodeEvent,
  NodeFactory,
  NodeOptions,
  Outputs,
  Views,
  Yielded,
} from './machine.ts';
export type { NodeSettings } from './node.ts';
export { createNode, Node } from './views.ts';
