/**
 * resp: the store's Redis-protocol server. Bytes become commands (request.ts), commands are found in one table (command.ts,
 * commands/), run where their keys are owned (routing.ts), and their replies go out in order (reply.ts, connection.ts).
 *
 * Intuition: Redis' own design, one event loop with bounded work per turn, and Redis Cluster's redirections on top of
 * shoal's ownership view instead of a gossip of its own. Two ports: one with Redis Cluster's semantics, and one that looks like
 * a single plain server and forwards.
 *
 * Does not know: how registrations and members come about (it sees the node contract), how messages are kept (`store`).
 * In: sockets, by role (role.ts); the node's events. Out: replies; commands to other nodes over links (link.ts).
 * Invariants: a client's replies are in the order of its commands; a command on keys runs here only when this node may answer for
 * all of them; nothing a client sends ends the process. Bounds: LIMITS, and the constants at the top of each file.
 * Tests: beside the files; test/e2e/store.test.ts.
 */
export { COMMANDS } from './commands/index.ts';
export { createGroupServer, type GroupServer, type GroupServerParts } from './group-server.ts';
export { ROLE, type Role } from './role.ts';
export { RespServer, type RespServerOptions } from './server.ts';
export type { ServerHooks } from './state.ts';
