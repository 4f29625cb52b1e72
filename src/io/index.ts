/**
 * io: everything that touches the world. Sockets, files, clocks and entropy, and the driver that runs the state
 * machine of `node` on them; as with the drivers of any sans-I/O protocol (quinn over quinn-proto), a thin shell that
 * decides nothing about membership.
 *
 * In: the factory of the machine, where to bind, where to keep state. Out: a running node as `node/contract.ts`
 * describes it, for `http`, `daemon` and the library. It does not know what datagrams, frames, journal records and
 * snapshots mean: bytes go through unread, and bounds on their size are all it enforces.
 *
 * Parts: `network` (gossip datagrams in `udp`, `multicast`, streams of frames in `tcp`), `state/` (identity, counter
 * lease, journal, snapshot, lock), `driver` (inputs in, effects out, one timer), `events`, `commands`, `log`.
 *
 * Invariants and bounds. The machine is never entered while it runs: everything the world answers comes in a later
 * turn. Nothing from a socket throws; every queue and table is bounded by LIMITS. What was confirmed as persisted is
 * on disk, and counters and incarnations given out are below a lease on disk, whatever moment the power fails. An idle
 * node writes nothing and wakes only for its own deadlines.
 *
 * Departures: the lock on a state directory is an abstract socket, not a pid file, so that it cannot go stale. Notes are
 * written within a second but not synced: a process that dies loses none; a power cut may lose those of the last
 * half minute, which peers have.
 *
 * Tests: beside the files; the transports against one suite (`testing/network-suite.ts`), the state directory against a
 * file system that crashes and fails at every step (`testing/memory-disk.ts`).
 */
export { monotonicMs, wallTime } from './clock.ts';
export { createDriver, Driver } from './driver.ts';
export type { DriverOptions } from './driver-options.ts';
export { randomNodeId, randomU32 } from './entropy.ts';
export { isLoopback, isWildcard } from './interfaces.ts';
export { createLog, type Log, type LogOptions, prettyLine, silentLog } from './log.ts';
export type { Seal, SealFactory, SealSurroundings } from './sealing.ts';
export { makeDirectory } from './state/disk.ts';
export { DirectoryLock } from './state/lock.ts';
