/**
 * The I/O line. What the composed state machine takes in and gives out; `io` implements the outputs on real sockets and
 * files, `test/sim` on a seeded event heap. Types only.
 *
 * Time: `nowMs` is a monotonic clock in milliseconds with an arbitrary zero (fractions allowed); it never goes back
 * within one process. Every input is synchronous; outputs are called during an input and never call back into the
 * machine: whatever they lead to arrives later as an input of its own.
 */
import type { Address, NodeId, Rng } from '../base/index.ts';
import type { DetectionSettings } from '../members/index.ts';
import type {
  ConvergedView,
  CoverageView,
  EventType,
  JoinView,
  MemberStatus,
  MemberView,
  MetricFamily,
  OwnershipAt,
  PositionView,
  RangeView,
  Released,
  SegmentView,
} from './contract.ts';

/** What the state directory gave at start. Everything in it that had to be made durable already is. */
export interface Boot {
  readonly id: NodeId;
  /** Already raised above every one used before, on disk. */
  readonly incarnation: number;
  /** Random per start. */
  readonly bootNonce: number;
  /** Dot counters [leaseFrom, leaseTo) are this process's to use, on disk; from 1. */
  readonly leaseFrom: number;
  readonly leaseTo: number;
  /** Counters from here up to `leaseFrom` were never leased on this disk: whoever used them had another copy of it. */
  readonly unleasedFrom?: number;
  /** Bytes given to `Outputs.snapshot` by an earlier process, or null (none, or set aside as corrupt). */
  readonly snapshot: Uint8Array | null;
  /** Records given to `persist` and `note` since that snapshot, oldest first. */
  readonly journal: readonly Uint8Array[];
}

export interface NodeOptions {
  readonly name: string;
  readonly cluster: string;
  /** Where peers reach this node's gossip, datagrams and streams alike. */
  readonly advertise: Address;
  /** Where else they may, when that is silent. */
  readonly alternates?: readonly Address[];
  readonly resp: Address | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly capacity: Readonly<Record<string, number>>;
  readonly version: string;
  readonly multicast: boolean;
  /** Contacts tried from the start, again and again with growing pauses, until one answered. */
  readonly join: readonly Address[];
  /** Registered at start where absent. */
  readonly ranges: readonly { readonly start: number; readonly end: number; readonly priority: number }[];
  /** Runs unsealed on something other than loopback: named in the warnings. */
  readonly insecure: boolean;
  /** Nothing tells members from strangers: what those may cost is limited. */
  readonly unsealed?: boolean;
  /** Rate of probing and patience before `down`; what is absent has its default (members' DETECTION). */
  readonly detection?: Partial<DetectionSettings>;
  /** A member down for so long is marked left; null or absent: never. */
  readonly forgetAfterMs?: number | null;
}

export type Command =
  | {
      readonly kind: 'register';
      readonly start: number;
      readonly end: number;
      readonly priority: number;
      readonly node?: string;
    }
  | {
      readonly kind: 'adjust';
      readonly start: number;
      readonly end: number;
      readonly by: number;
      readonly node?: string;
    }
  | { readonly kind: 'release'; readonly start: number; readonly end: number; readonly node?: string }
  | { readonly kind: 'join'; readonly addresses: readonly string[] }
  | { readonly kind: 'leave'; readonly release: boolean }
  | { readonly kind: 'force-leave'; readonly node: string }
  | { readonly kind: 'converged'; readonly waitMs: number };

export type Answer =
  | { readonly ok: RangeView | Released | JoinView | ConvergedView | null }
  | { readonly error: { readonly code: string; readonly message: string; readonly field?: string } };

/** As {@link EventView}, before the driver gives it an id and a wall-clock time. */
export interface NodeEvent {
  readonly type: EventType;
  readonly subject: NodeId;
  readonly name: string;
  readonly origin: NodeId | null;
  readonly range?: { readonly start: number; readonly end: number; readonly priority: number | null };
  readonly member?: {
    readonly status: MemberStatus;
    readonly address: Address;
    readonly incarnation: number;
    /** What it was before; null: it was not known. */
    readonly was: MemberStatus | null;
  };
  readonly keys?: readonly string[];
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Effects. Byte arrays given out are the receiver's to keep: the machine does not touch them again. */
export interface Outputs {
  /** One unicast datagram; at most LIMITS.messageBytes, so that it fits a datagram sealed. May be lost. */
  send(to: Address, bytes: Uint8Array): void;
  /** One datagram to everybody on the link. May be lost. */
  multicast(bytes: Uint8Array): void;
  /** Opens a stream under a handle the machine chose (positive, never reused); then `opened` or `closed` comes in. */
  connect(stream: number, to: Address): void;
  /** One frame (at most LIMITS.frameBytes), in order; allowed right after `connect`. Unknown handles are ignored. */
  write(stream: number, frame: Uint8Array): void;
  /** Sends what is waiting, then closes. No `closed` input follows. */
  close(stream: number): void;
  /** Appends to the journal and syncs it to disk (grouped); then `persisted(token, ...)` comes in. */
  persist(record: Uint8Array, token: number): void;
  /** Appends to the journal without waiting: written within about a second, so that a killed process loses little; not synced. */
  note(record: Uint8Array): void;
  /** Makes counters below `upTo` this process's, on disk; then `leased(upTo, ...)` comes in. */
  lease(upTo: number): void;
  /** Replaces snapshot and journal by these bytes, atomically; records appended later belong to the new journal. */
  snapshot(bytes: Uint8Array): void;
  answer(token: number, answer: Answer): void;
  event(event: NodeEvent): void;
  /** Another node published this message: for the subscribers of this one. At most once each. */
  published(channel: Uint8Array, message: Uint8Array): void;
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Part of this node's own record. */
export interface Described {
  /** The preferred one first; at least one. */
  readonly addresses?: readonly Address[];
  readonly capacity?: Readonly<Record<string, number>>;
}

/** Inputs. `Node` (node.ts) implements them. */
export interface Inputs {
  /** First input, once. */
  start(nowMs: number): void;
  datagram(bytes: Uint8Array, from: Address, viaMulticast: boolean, nowMs: number): void;
  /** A peer opened a stream to us, under a handle the driver chose (negative, never reused). */
  accepted(stream: number, from: Address, nowMs: number): void;
  opened(stream: number, nowMs: number): void;
  frame(stream: number, bytes: Uint8Array, nowMs: number): void;
  /** The stream is gone; a one-line reason for people. Not called after our own `close`. */
  closed(stream: number, reason: string, nowMs: number): void;
  /** `error`: null, or a stable code and message (`disk-full`, `disk-failed`). */
  persisted(token: number, error: { code: string; message: string } | null, nowMs: number): void;
  leased(upTo: number, error: { code: string; message: string } | null, nowMs: number): void;
  /** `token` is the driver's; exactly one `answer` with it follows, now or later. */
  command(token: number, command: Command, nowMs: number): void;
  /** To be told to the subscribers of all other nodes; see StoreNode. False: it was dropped. */
  publish(channel: Uint8Array, message: Uint8Array, nowMs: number): boolean;
  /** What peers are to know of this node is another from now on: where it is reached, its figures. */
  described(change: Described, nowMs: number): void;
  /** A deadline passed. Harmless when none did. */
  wake(nowMs: number): void;
  /** When `wake` is wanted next, in nowMs; Infinity for never. May change with every input. */
  nextWakeMs(): number;
}

/**
 * Another live process has this node's id and had it before: a copied state directory. `renew`: go on, as a new node, with
 * the snapshot of this one (which leaves its own record out). `refuse`: it holds registrations, so an operator must decide.
 */
export interface Yielded {
  readonly how: 'renew' | 'refuse';
  /** The node id both have, and where the other process is. */
  readonly id: NodeId;
  readonly other: Address;
}

/** What can be read from the machine at any moment, synchronously. */
export interface Views {
  readonly id: NodeId;
  readonly incarnation: number;
  digest(): string;
  memberCounts(): { alive: number; suspect: number; down: number; left: number };
  rangeCounts(): { registrations: number; segments: number; unownedPositions: number };
  healthScore(): number;
  /** Ids this node hears by multicast, and those known to hear it; sorted. */
  reach(nowMs: number): { hears: NodeId[]; heardBy: NodeId[] };
  /** `keysFail`: somebody is not understood for want of a key, which may be why answers are missing. */
  warnings(keysFail?: boolean): string[];
  members(nowMs: number): MemberView[];
  /** In order; one array for all who ask until something changes: not to be changed. */
  ranges(node?: string): readonly RangeView[];
  segments(): readonly SegmentView[];
  ownership(): OwnershipAt;
  ownersAt(position: number): PositionView;
  ownersOfKey(key: string): PositionView;
  coverage(copies: number): CoverageView;
  ready(): { ready: boolean; reason: string };
  metrics(nowMs: number): MetricFamily[];
  propagationMs(): readonly number[];
  /** True after a `leave` was answered: the daemon stops. */
  left(): boolean;
  /** Not null when this process must not go on with its node id. */
  yielded(): Yielded | null;
  /** For a clean stop: the first counter never used, and the state to put in the last snapshot. */
  nextCounter(): number;
  snapshotBytes(): Uint8Array;
}

export type Machine = Inputs & Views;

export type NodeFactory = (boot: Boot, options: NodeOptions, outputs: Outputs, rng: Rng) => Machine;
