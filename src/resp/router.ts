import type { Call } from './call.ts';
import type { Known } from './command.ts';

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
  /** Another node, which knows that the data is here, or has it from one that thought so: served here, or not at all. */
  final: 4,
} as const;
export type Role = (typeof ROLE)[keyof typeof ROLE];

/**
 * Asked before a command runs. The dispatcher need not ask when the client is local, nor when the command has exactly one
 * key, argument 1, whose slot has state 0; nor, of a cluster client, when the command has no keys.
 */
export interface Router {
  /** By slot: 0 when a command on one key of it runs here. */
  readonly state: Uint8Array;
  /** A turn of commands begins. */
  begin(nowMs: number): void;
  /** True: run it here and now. False: it was answered, or has taken a place among the replies for its answer. */
  admit(call: Call, command: Known): boolean;
}
