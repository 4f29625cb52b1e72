import type { NodeId } from '../base/index.ts';
import type { MemberRecord, MemberState } from '../members/index.ts';

/** First byte of every datagram and frame. Raised only when older nodes could not even skip what is new. */
export const WIRE_VERSION = 1;
/** First byte of what a group with a key sends (the room `seal`). */
export const SEALED_BYTE = 0x81;

/** Message numbers on the wire. Append only; a number is never given another meaning. */
export const KIND = {
  tree: 1,
  list: 2,
  ack: 3,
  multicast: 4,
  beacon: 5,
  askRepair: 6,
  repair: 7,
  digest: 8,
  digestReply: 9,
  hello: 10,
  welcome: 11,
  reject: 12,
  end: 13,
  summary: 14,
  members: 15,
  reconcile: 16,
  probe: 17,
  probeAck: 18,
  probeAsk: 19,
  probeReport: 20,
  twin: 21,
} as const;

/** Three 64-bit sums: of the map, of all that member records say, and of their lasting part. */
export interface Digests {
  readonly mapHi: number;
  readonly mapLo: number;
  readonly standingHi: number;
  readonly standingLo: number;
  readonly lastingHi: number;
  readonly lastingLo: number;
}

/** A part of a broadcast tree, named by places in a seeded order (gossip's TreePart) and the payload. */
export interface TreeMessage {
  readonly kind: typeof KIND.tree;
  readonly id: number;
  readonly view: number;
  readonly from: number;
  readonly length: number;
  readonly ageMs: number;
  readonly payload: Uint8Array;
}

/** The same with the nodes listed. */
export interface ListMessage {
  readonly kind: typeof KIND.list;
  readonly id: number;
  readonly ids: readonly NodeId[];
  readonly ageMs: number;
  readonly payload: Uint8Array;
}

export interface AckMessage {
  readonly kind: typeof KIND.ack;
  readonly id: number;
  readonly needList: boolean;
  /** The sender has lately heard the receiver's multicast. */
  readonly hears: boolean;
}

export interface MulticastMessage {
  readonly kind: typeof KIND.multicast;
  readonly bootNonce: number;
  readonly seq: number;
  readonly id: number;
  readonly ageMs: number;
  readonly payload: Uint8Array;
}

/** Multicast: who is here, whom it hears, and how far its payloads have come. */
export interface BeaconMessage {
  readonly kind: typeof KIND.beacon;
  readonly bootNonce: number;
  readonly seq: number;
  /** Digest of the view `heard` refers to. */
  readonly view: number;
  /** Bit i: the i-th live member by id is heard. */
  readonly heard: Uint8Array;
  /** The same as ids, while views may differ; empty otherwise. */
  readonly heardIds: readonly NodeId[];
  readonly digests: Digests;
  /** Cluster name and own record now and then, for strangers. */
  readonly introduction: { readonly cluster: string; readonly record: MemberRecord } | null;
}

export interface AskRepairMessage {
  readonly kind: typeof KIND.askRepair;
  readonly seqs: readonly number[];
}

/** A broadcast again, for one who missed it; `seq` 0 when it was not a multicast of the sender's. */
export interface RepairMessage {
  readonly kind: typeof KIND.repair;
  readonly seq: number;
  readonly id: number;
  readonly ageMs: number;
  readonly payload: Uint8Array;
}

export interface DigestMessage {
  readonly kind: typeof KIND.digest | typeof KIND.digestReply;
  readonly nonce: number;
  readonly digests: Digests;
  readonly hears: boolean;
  /** Ids of broadcasts had of late, youngest first, so that the other can push what is missing. */
  readonly recent: readonly number[];
}

/** Opens a stream session: who calls, and of which cluster. */
export interface HelloMessage {
  readonly kind: typeof KIND.hello;
  readonly cluster: string;
  readonly record: MemberRecord;
  readonly digests: Digests;
}

export interface WelcomeMessage {
  readonly kind: typeof KIND.welcome;
  readonly record: MemberRecord;
  readonly digests: Digests;
}

/** Why a session is refused, for people. */
export interface RejectMessage {
  readonly kind: typeof KIND.reject;
  readonly reason: string;
}

/** End of a turn in a session. */
export interface EndMessage {
  readonly kind: typeof KIND.end;
}

/** Every member known with 32 bits of its record's hash. */
export interface SummaryMessage {
  readonly kind: typeof KIND.summary;
  readonly members: readonly { readonly id: NodeId; readonly hash: number }[];
}

export interface MembersMessage {
  readonly kind: typeof KIND.members;
  readonly records: readonly MemberRecord[];
  readonly want: readonly NodeId[];
}

/** A step of the map's set reconciliation; the value is `reconcile.ts`'s. */
export interface ReconcileMessage {
  readonly kind: typeof KIND.reconcile;
  readonly step: Uint8Array;
}

/** What the sender holds of the receiver, when it does not take it for alive: told, so that it can be taken back. */
export interface Standing {
  readonly state: MemberState;
  readonly incarnation: number;
}

/** Is the receiver there? And the answer. The smallest messages there are, for they are sent most. */
export interface ProbeMessage {
  readonly kind: typeof KIND.probe | typeof KIND.probeAck;
  readonly nonce: number;
  /** 32 bits of all digests: a difference leads to a comparison. */
  readonly digest: number;
  /** The sender has lately heard the receiver's multicast. */
  readonly hears: boolean;
  readonly standing: Standing | null;
  /** The sender's own, for a receiver that holds an older one against it. */
  readonly record: MemberRecord | null;
}

/** Asks the receiver to probe another member. */
export interface ProbeAskMessage {
  readonly kind: typeof KIND.probeAsk;
  readonly nonce: number;
  readonly target: NodeId;
}

/** Whether it answered the one that was asked, and its record when it gave that. */
export interface ProbeReportMessage {
  readonly kind: typeof KIND.probeReport;
  readonly nonce: number;
  readonly answered: boolean;
  readonly record: MemberRecord | null;
}

/** Between two processes with one node id: is the other alive, and which of the two has to give the id up? */
export interface TwinMessage {
  readonly kind: typeof KIND.twin;
  /** To be repeated by whoever answers; 0: nothing is asked. */
  readonly question: number;
  /** The question this answers: proof that its sender lives now; 0: none. */
  readonly answer: number;
  readonly bootNonce: number;
  readonly incarnation: number;
  /** How long the sender's process has run. */
  readonly ageMs: number;
  /** By the one of the two that decides: 0 not said, 1 the receiver gives up the id, 2 the sender does. */
  readonly verdict: 0 | 1 | 2 | 3;
}

export type Message =
  | TreeMessage
  | ListMessage
  | AckMessage
  | MulticastMessage
  | BeaconMessage
  | AskRepairMessage
  | RepairMessage
  | DigestMessage
  | HelloMessage
  | WelcomeMessage
  | RejectMessage
  | EndMessage
  | SummaryMessage
  | MembersMessage
  | ReconcileMessage
  | ProbeMessage
  | ProbeAskMessage
  | ProbeReportMessage
  | TwinMessage;

/** What came with more in it than this version knows: read as far as it is known, the rest ignored. Counters of the metrics. */
export interface Newer {
  messages: number;
  records: number;
  groups: number;
}

/** Why a datagram or frame was dropped. Each is a counter in the metrics. */
export const DROP_REASONS = [
  'too-short',
  'too-long',
  'other-version',
  'other-cluster',
  'malformed',
  'unknown-kind',
  'unknown-sender',
  'own-echo',
  'wrong-place',
  'too-many',
  'sealed',
] as const;
export type DropReason = (typeof DROP_REASONS)[number];
