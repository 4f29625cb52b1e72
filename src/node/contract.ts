/**
 * The node contract: what the rooms below the I/O line may ask of a running node, and what it answers. Types only, so
 * that `http`, `store` and the tests depend on shapes and not on the machine. The JSON of HTTP version 1 is these
 * shapes as they stand (INTERFACE.md), so a field added here is a field of the API.
 */
import type { Address, NodeId } from '../base/index.ts';

export type MemberStatus = 'alive' | 'suspect' | 'down' | 'left';

/** One registration. `priority` is positive: an entry at zero or below is released. */
export interface RangeView {
  readonly node: NodeId;
  /** The member's name, or the id when the member is not known. */
  readonly name: string;
  readonly start: number;
  readonly end: number;
  readonly priority: number;
}

export interface OwnerView {
  readonly node: NodeId;
  readonly name: string;
  readonly priority: number;
}

export interface SegmentView {
  readonly start: number;
  readonly end: number;
  readonly owners: readonly OwnerView[];
}

export interface PositionView {
  readonly position: number;
  readonly slot: number;
  readonly owners: readonly OwnerView[];
}

export interface MemberView {
  readonly id: NodeId;
  readonly name: string;
  readonly address: Address;
  readonly status: MemberStatus;
  readonly incarnation: number;
  readonly tags: Readonly<Record<string, string>>;
  /** Where its store answers Redis clients, or null. */
  readonly resp: Address | null;
  readonly capacity: Readonly<Record<string, number>>;
  /** Milliseconds since anything was heard from it; null when nothing ever was by this process; 0 for this node. */
  readonly lastSeenMs: number | null;
  /** Smoothed round trip; null until measured. */
  readonly rttMs: number | null;
  /** True for the node that answers. */
  readonly self: boolean;
  /** Additions to the interface: version of the agent, and the digest it last reported (null: not yet). */
  readonly version: string;
  readonly digest: string | null;
  /** Label of its multicast set: members with the same one hear each other. */
  readonly multicastSet: NodeId | null;
}

export interface StatusView {
  readonly node: {
    readonly id: NodeId;
    readonly name: string;
    readonly incarnation: number;
    readonly version: string;
    /** ISO 8601. */
    readonly startedAt: string;
    readonly uptimeSeconds: number;
    readonly addresses: {
      readonly gossip: Address;
      readonly http: Address | null;
      readonly resp: Address | null;
    };
  };
  readonly cluster: string;
  readonly digest: string;
  readonly members: {
    readonly alive: number;
    readonly suspect: number;
    readonly down: number;
    readonly left: number;
  };
  readonly ranges: {
    readonly registrations: number;
    readonly segments: number;
    readonly unownedPositions: number;
  };
  readonly health: { readonly score: number; readonly eventLoopLagMs: number };
  readonly multicast: {
    readonly enabled: boolean;
    readonly hears: readonly NodeId[];
    readonly heardBy: readonly NodeId[];
  };
  readonly encrypted: boolean;
  /** Ids of the keyring, the one in use first; empty when nothing is sealed. Never a key. */
  readonly keys: readonly Pick<KeyView, 'id' | 'primary' | 'holders' | 'lacking' | 'down'>[];
  readonly warnings: readonly string[];
}

export interface CoverageView {
  readonly covered: boolean;
  readonly copies: number;
  /** Positions with fewer live owners than asked, and where they are, sorted; at most 1000 gaps are listed. */
  readonly missingPositions: number;
  readonly gaps: readonly { readonly start: number; readonly end: number; readonly owners: number }[];
}

/** What may be told of a key of the ring: everything but the key. Times are by this process. */
export interface KeyView {
  /** Eight hex digits. */
  readonly id: string;
  /** The one everything is sealed with, where the peer has it. */
  readonly primary: boolean;
  /** Living members known to have it, this node included; rises as they are heard. */
  readonly holders: number;
  /** Living members not known to have it. */
  readonly lacking?: number;
  /** Members that are down and may have no key of the ring but this one: without it they do not get back in by themselves. */
  readonly down?: number;
  readonly sealedMessages: number;
  readonly openedMessages: number;
  /** Milliseconds since it last sealed, and since it last opened, something; null: never. */
  readonly lastSealedMs: number | null;
  readonly lastOpenedMs: number | null;
}

export type KeyOperation = 'install' | 'use' | 'remove';

export interface ConvergedView {
  readonly converged: boolean;
  readonly digest: string;
  /** Every live member but this one; `digest` null when it did not answer in time. */
  readonly members: readonly { readonly id: NodeId; readonly name: string; readonly digest: string | null }[];
}

export interface JoinView {
  /** Addresses that answered. */
  readonly reached: number;
  readonly failed: readonly { readonly address: string; readonly message: string }[];
}

export const EVENT_TYPES = [
  'member-join',
  'member-leave',
  'member-suspect',
  'member-down',
  'member-update',
  'range-registered',
  'range-released',
  'range-priority',
  'owners-changed',
  'keys-changed',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export interface EventView {
  /** Rises by one with each event of this process, from a random number: an id tells which run it is of. */
  readonly id: number;
  readonly type: EventType;
  /** ISO 8601, this node's clock. */
  readonly time: string;
  /**
   * What it is about: a member id, or the node id of the range's entry. For owners-changed: the node by whose
   * registrations, or by whose coming or going, they changed. For keys-changed: this node.
   */
  readonly subject: NodeId;
  readonly name: string;
  /** The node that made the change, as far as the delta tells. Null on owners-changed by a member that came or went. */
  readonly origin: NodeId | null;
  /** Present on range events; on owners-changed the span of positions whose owners changed. */
  readonly range?: { readonly start: number; readonly end: number; readonly priority: number | null };
  /** Present on member events. */
  readonly member?: {
    readonly status: MemberStatus;
    readonly address: Address;
    readonly incarnation: number;
    /** What it was before; null: it was not known. */
    readonly was: MemberStatus | null;
  };
  /** Present on keys-changed: the ids of the ring, the primary first. Never a key. */
  readonly keys?: readonly string[];
}

/** The ownership view at one moment: never changes. Nodes that are down or left own nothing in it. */
export interface OwnershipAt {
  /** Equal versions are equal views, within one life of the node. */
  readonly version: number;
  ownersAt(position: number): readonly { readonly node: NodeId; readonly priority: number }[];
  /** The owners of every position of a span, in order, in pieces. */
  eachIn(
    start: number,
    end: number,
    visit: (
      start: number,
      end: number,
      owners: readonly { readonly node: NodeId; readonly priority: number }[],
    ) => void,
  ): void;
}

/** What the store asks of the node it runs on. */
export interface StoreNode
  extends Pick<NodeApi, 'status' | 'members' | 'ranges' | 'ready' | 'onEvent' | 'ownersAt'> {
  ownership(): OwnershipAt;
  /**
   * Tells the stores of all other nodes of a message, once each at most: what is lost on its way stays lost, and messages
   * of several nodes, or of one when the network reorders or loses some, may come in another order. At most
   * LIMITS.publicationBytes with its channel. Both arrays are the node's from then on. False: it was dropped, for it is too
   * long, too many wait, or the node is leaving.
   */
  publish(channel: Uint8Array, message: Uint8Array): boolean;
  /** Calls back for each message that another node published; returns how to stop. */
  onPublished(listener: (channel: Uint8Array, message: Uint8Array) => void): () => void;
}

/** The store of this node, as HTTP tells it. */
export interface StoreInfoView {
  readonly resp: Address;
  readonly proxy: Address | null;
  /** False: nobody has asked for anything yet, and nothing of it is in memory. */
  readonly awake: boolean;
  readonly backend: string;
  readonly directory: string | null;
  readonly keys: number;
  readonly expiring: number;
  /** Those of slots that this node does not serve: they go with it, though others own the slots. */
  readonly strays: number;
  /** Bytes of messages, and of memory held for them. */
  readonly usedBytes: number;
  readonly heldBytes: number;
  readonly memoryLimitBytes: number;
  readonly diskBytes: number;
  /** Null: as much as the disk has. */
  readonly diskLimitBytes: number | null;
  /** What has no room, so that writes that need some are refused. The disk's counts room for the next snapshot (log). */
  readonly full: 'memory' | 'disk' | null;
  /** Slots by what they are to this node; of those served some may be unsettled, or held elsewhere. */
  readonly slots: {
    readonly served: number;
    readonly unsettled: number;
    readonly held: number;
    readonly elsewhere: number;
    readonly unowned: number;
  };
  /** Connections; of them so many are other nodes'. */
  readonly clients: number;
  readonly links: number;
  readonly commands: number;
  /** Commands a second: lately, and over the last minute. */
  readonly perSecond: { readonly second: number; readonly minute: number };
  readonly forwarded: number;
  /** Keys that commands which read looked for, and that were there or not: INFO's keyspace_hits and keyspace_misses. */
  readonly hits: number;
  readonly misses: number;
  /** Messages whose time was over, since the start. */
  readonly expired: number;
  /** Bytes on their way to the disk. */
  readonly queuedBytes: number;
  readonly snapshots: number;
  /** When the last of them was whole, ISO 8601; null: none since the start, or a back end without. */
  readonly snapshotAt: string | null;
  /** Longest turn of the event loop's work, and longest step of a snapshot, since the start. */
  readonly longestTurnMs: number;
  readonly longestStepMs: number;
  /** Commands in the slow log. */
  readonly slow: number;
  readonly warnings: readonly string[];
}

/** Figures of the store over the last ten minutes: columns with an entry for each sample, oldest first. */
export interface StoreHistoryView {
  readonly everyMs: number;
  /** Wall clock of each sample, in milliseconds. */
  readonly atMs: readonly number[];
  readonly commandsPerSecond: readonly number[];
  readonly keys: readonly number[];
  readonly usedBytes: readonly number[];
  readonly heldBytes: readonly number[];
  readonly diskBytes: readonly number[];
  readonly clients: readonly number[];
  /** Share of the time that the event loop worked, all of the daemon in it. */
  readonly busyPercent: readonly number[];
  /** Latest that a timer of the daemon came in the 10 to 20 seconds before. */
  readonly lagMs: readonly number[];
}

/** Commands that took longer than allowed, newest first. No values: of the arguments only keys are shown. */
export interface StoreSlowView {
  /** What is allowed; negative: nothing is logged. */
  readonly slowerThanMs: number;
  readonly entries: readonly {
    readonly id: number;
    /** ISO 8601. */
    readonly time: string;
    readonly ms: number;
    readonly command: string;
    /** As in a scan; null: whoever asks may not know them. */
    readonly keys: readonly string[] | null;
    readonly client: string;
    readonly clientName: string;
  }[];
}

/** Messages of a range, in the order of slots; bytes that are not printable are shown as `\xNN`. */
export interface StoreScanView {
  readonly entries: readonly {
    readonly key: string;
    readonly position: number;
    readonly bytes: number;
    /** The beginning of the value. */
    readonly value: string;
    /** ISO 8601, or null. */
    readonly expiresAt: string | null;
  }[];
  /** Where to go on; 0: there is no more. */
  readonly cursor: number;
}

/** Messages of whole slots, those included whose time is over and that nobody has looked at since. */
export interface StoreCountView {
  readonly messages: number;
  readonly firstSlot: number;
  readonly lastSlot: number;
}

export interface StoreApi {
  info(): StoreInfoView;
  /** May reject when the disk must be read and cannot be. */
  scan(start: number, end: number, cursor: number, count: number): Promise<StoreScanView>;
  /** Of all slots that have a position of the range. */
  count(start: number, end: number): StoreCountView;
  /** Samples after that time, by the wall clock in milliseconds. */
  history(afterMs: number): StoreHistoryView;
  /** `trusted`: who asks may know keys though the store has a password. */
  slow(count: number, trusted: boolean): StoreSlowView;
}

/** One figure for `/metrics`. */
export interface MetricFamily {
  /** Starts with `shoal_`; counters end in `_total`, times in `_seconds`. */
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: readonly MetricSample[];
}

export type MetricSample =
  | { readonly labels?: Readonly<Record<string, string>>; readonly value: number }
  | {
      readonly labels?: Readonly<Record<string, string>>;
      /** Upper bounds ascending, without +Inf; `counts` are per bucket (not cumulative), one longer: the last is +Inf. */
      readonly bounds: readonly number[];
      readonly counts: readonly number[];
      readonly sum: number;
    };

/** `node` names another node's entry, by id or by name; default this node. */
export interface RangeInput {
  readonly start: number;
  readonly end: number;
  readonly node?: string;
}

export interface Released {
  readonly released: true;
}

/**
 * The running node as the edges see it. Every method rejects (or throws) with a ShoalError whose code is one of:
 * `bad-range bad-priority bad-amount bad-address bad-position bad-node bad-key` (400),
 * `not-registered unknown-node unknown-key` (404),
 * `name-conflict not-down member-is-self too-many-increments too-many-registrations not-sealed key-in-use too-many-keys` (409),
 * `leaving overloaded disk-full disk-failed timeout unreachable` (503).
 */
export interface NodeApi {
  status(): StatusView;
  /** Sorted by name, then id. Left members are included. */
  members(): readonly MemberView[];
  /** Sorted by start, end, node. With `node` (id or name) only its entries. */
  ranges(node?: string): readonly RangeView[];
  /** The whole segment table: sorted, covering 0..4294967295 without holes. */
  segments(): readonly SegmentView[];
  ownersAt(position: number): PositionView;
  ownersOfKey(key: string): PositionView;
  coverage(copies: number): CoverageView;
  /** Asks every live member for its digest, again until all agree or `waitMs` is over. */
  converged(waitMs: number): Promise<ConvergedView>;

  /** Resolves when the change is on this node's disk. */
  register(input: RangeInput & { readonly priority: number }): Promise<RangeView>;
  /** `by` may be negative; an entry that falls to zero or below is released. */
  adjust(input: RangeInput & { readonly by: number }): Promise<RangeView | Released>;
  release(input: RangeInput): Promise<Released>;

  join(addresses: readonly string[]): Promise<JoinView>;
  /** Announces `left` (releasing this node's ranges first when asked); the daemon stops afterwards. */
  leave(options: { readonly release: boolean }): Promise<void>;
  /** Marks a member left. A member that is alive after all refutes it and is back. */
  forceLeave(node: string): Promise<void>;

  /** The keyring, the primary first. @throws ShoalError `not-sealed` when this node runs without a key. */
  keys(): readonly KeyView[];
  /**
   * Changes the ring, and through the group that of every node. `key`: a key, or for `use` and `remove` its id. Resolves
   * with the ring when it is on this node's disk.
   */
  changeKeys(operation: KeyOperation, key: string): Promise<readonly KeyView[]>;

  /** Joined and in sync; the reason is for people. */
  ready(): { readonly ready: boolean; readonly reason: string };
  metrics(): readonly MetricFamily[];
  /** Calls back for each event, synchronously; returns how to stop. */
  onEvent(listener: (event: EventView) => void): () => void;
  /** Events still remembered with an id above `afterId`, oldest first. */
  eventsAfter(afterId: number): readonly EventView[];
  /** Recent propagation times of changes made elsewhere, milliseconds, oldest first, at most 200: for the page. */
  propagationMs(): readonly number[];
}
