/**
 * store: the message table of this node and what keeps it on disk. In the field's terms: an in-memory key-value store with an
 * append log (log/) and snapshots, or as the cache of LevelDB (level/), whose versions carry what replication will need.
 *
 * Intuition: a message is a block of bytes outside the JavaScript heap (arena.ts, as in memcached's slabs and a log-structured
 * store's cleaning), found through an extendible hash for each Redis Cluster slot (slot-index.ts; Fagin et al., 1979), so that growth is
 * never more than one small table at a time and a slot's messages are found together: for walks, counts and hand-off. Every
 * version carries a dot and a hybrid logical clock (stamps.ts; Kulkarni et al., 2014). The log copies a record's words as they are.
 *
 * Knows nothing of the Redis protocol, of who owns what, or of other nodes. Called by `resp` (commands) and `daemon` (open, close).
 *
 * Time: expiry is by the wall clock, as in Redis: a clock set forward ends messages early, one set back late, and what had expired before
 * a restart and the setting back is there again until its time. Versions' clocks never go back.
 *
 * Invariants: a key has one record; a reference in the index is the first unit of a block that holds a whole record; what is
 * reported on disk (`backend.whenOnDisk`) is there after any crash, in order, and nothing that was not written appears.
 * Larger values are ropes (rope.ts) outside the arena: pieces that are shared, not copied, by copies, changes, replies and the log.
 * Bounds: 32 GiB of records of up to 64 KB in the arena, 8 GiB of index; `store_memory`, `store_disk` are the operator's; work in a turn
 * is bounded (compaction, snapshots and expiry go in steps).
 *
 * Departure: one thread. Parser, table and log share the event loop with the gossip, which is served between any two turns; a thread of
 * its own would cost 10 MB and a copy of every command and reply (STORE.md leaves it open, DESIGN section 7 wants one table). Measured on two
 * processors, beside the client (`npm run bench -- store-threads`): two servers of half the keys each, which pass nothing on and so do better
 * than two threads could, bring SETs 1.20 times and GETs 1.46 times what one does, for 85 MB more.
 *
 * Tests: table.test.ts (beside a Map), walk.test.ts, span.test.ts, backend.test.ts (what all three promise), log/*.test.ts (power cuts at every write), level/*.test.ts (several times the memory).
 */
export type { Backend, BackendCounters, BackendState, Listed, OnDisk, ReadThrough } from './backend.ts';
export { Crowded } from './crowded.ts';
export { LARGE_KEY_BYTES, LargeKeyHash, rememberHash } from './key-hash.ts';
export { placeOf } from './level/layout.ts';
export type { LogTuning } from './log/log-backend.ts';
export type { Notices } from './notices.ts';
export { Reaper } from './reaper.ts';
export { PIECE_BYTES, Rope, RopeBuilder, zeros } from './rope.ts';
export type { ChangeSink } from './sink.ts';
export { copySpan, equalSpan, Span } from './span.ts';
export { Stamps } from './stamps.ts';
export { Store, type StoreOptions } from './store.ts';
export { AHEAD, MessageTable } from './table.ts';
export { showRandom, Walk } from './walk.ts';
