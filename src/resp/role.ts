/** Where a client came in, which decides what becomes of commands on keys of others. */
export const ROLE = {
  /** Everything is run here: tests, commands from within. */
  local: 0,
  /** The port with Redis Cluster's semantics. */
  cluster: 1,
  /** The port that looks like one plain server. */
  proxy: 2,
  /** Another node that takes this one for the server; what is not ours goes on to whoever it is, once. */
  relay: 3,
  /** Another node, which knows that the data is here, or has the command from one that thought so: served here, or not at all. */
  final: 4,
} as const;
export type Role = (typeof ROLE)[keyof typeof ROLE];
