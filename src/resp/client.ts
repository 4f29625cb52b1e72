import { type AckLevel, isPlain, PLAIN_LEVEL } from './ack-level.ts';
import type { Known } from './command.ts';
import type { BitWork } from './commands/bit-work.ts';
import type { LargeReply } from './large-reply.ts';
import type { ReplyWriter } from './reply.ts';
import { RequestReader } from './request.ts';
import { ROLE, type Role } from './role.ts';
import type { Transaction } from './transaction.ts';
import { NO_WATCHED, type Stamp } from './watches.ts';

/** Reasons why a client's commands are looked at before they run; 0 when there is none. */
export const GATE = {
  unauthenticated: 1,
  transaction: 2,
  /** Subscribed, in RESP2: little else may be asked. */
  subscribed: 4,
  /** Replies are not wanted. */
  silent: 8,
  /** Writes wait for more than this node's memory. */
  acks: 16,
} as const;

/** A reply that is not known yet; those after it wait. */
export interface Pending {
  bytes: Uint8Array | LargeReply | null;
}

/** What carries a client's replies: its connection. */
export interface Outlet {
  /** Sends what is in the reply, so that what follows can be kept apart. */
  flush(): void;
  /** Takes a place, that given or a new one, in the order of replies, behind what is in the reply now. */
  place(place?: Pending): Pending;
  /** Whether further commands whose answers come from elsewhere should be begun. */
  readonly hasRoom: boolean;
  /**
   * Fills the place: it and what waited behind it goes out. The bytes may be others' afterwards, unless they are more than
   * COPIED_BYTES. True: so much waits that nobody should bring more, see `whenTaken`.
   */
  fill(place: Pending, bytes: Uint8Array | LargeReply): boolean;
  /** Calls back once some of what waits was taken, or the client is gone. */
  whenTaken(call: () => void): void;
  /** The other side does not take what was sent. */
  readonly isFull: boolean;
  /** Bytes beside the replies: a message, a monitor's line. Sent at the turn's end. */
  push(bytes: Uint8Array): void;
  /** Has the client's further commands run, in a turn of their own. */
  resume(): void;
  /** Ends the connection, without sending what waits. */
  cut(): void;
  readonly waitingBytes: number;
}

/** For clients without a connection: tests, commands run from within. */
export const NO_OUTLET: Outlet = {
  flush: () => {},
  place: (place = { bytes: null }) => place,
  hasRoom: true,
  fill: () => false,
  whenTaken: (call) => call(),
  isFull: false,
  push: () => {},
  resume: () => {},
  cut: () => {},
  waitingBytes: 0,
};

/** A client that waits for the answer of its command. */
export interface Blocked {
  /** Answers now, with an error that it was unblocked, or as if its time were over; false when it cannot be. */
  unblock(withError: boolean): boolean;
  /** The connection is gone. */
  cancel(): void;
}

/** CLIENT REPLY: `skip-next` while SKIP itself runs, `skip` for the command after it. */
export type ReplyMode = 'on' | 'off' | 'skip-next' | 'skip';

/** What a subscription or a watched key takes beside its name: some 240 bytes a channel, 460 a key, 550 a pattern (measured). */
const NAMED_BYTES = 512;

/** One connected client: what its connection remembers between commands. */
export class Client {
  readonly id: number;
  readonly address: string;
  readonly request = new RequestReader();
  /** RESP version of its replies. */
  version: 2 | 3 = 2;
  authenticated = true;
  /** See GATE. */
  gates = 0;
  name = '';
  libraryName = '';
  libraryVersion = '';
  user = 'default';
  /** Where it came in; see Router. */
  role: Role = ROLE.local;
  readonly connectedMs: number;
  lastMs: number;
  last: Known | null = null;
  /** QUIT was answered, or the protocol is broken: nothing more is read. */
  closing = false;
  /** A command waits for its answer: no further one is run. */
  blocked: Blocked | null = null;
  /** Called when the connection is gone, whether it waits or not. */
  onGone: (() => void) | null = null;
  transaction: Transaction | null = null;
  /** What a command that is run again has found out beforehand. */
  prepared: BitWork | null = null;
  /** Of an answer that is put together in steps, what there is of it. */
  gatheredBytes = 0;
  /** Of commands that wait for those before them on a slot whose keys are sought: see GroupProxy. */
  soughtBytes = 0;
  /** Keys watched (Latin-1 text), with what was seen of them: see Watches. */
  watched: Map<string, Stamp> = NO_WATCHED;
  watchedBytes = 0;
  /** One of them was written. */
  watchesStale = false;
  channels: Set<string> = NO_CHANNELS;
  patterns: Set<string> = NO_CHANNELS;
  shardChannels: Set<string> = NO_CHANNELS;
  /** Of the names of all these. */
  subscribedBytes = 0;
  replies: ReplyMode = 'on';
  acks: AckLevel = PLAIN_LEVEL;
  acksNext: AckLevel | null = null;
  /** Other nodes were sent writes of it: this one's disk cannot tell of them. */
  wroteElsewhere = false;
  /** What the replies of this turn hold back until the disk has it. */
  holds = false;
  noEvict = false;
  noTouch = false;
  isMonitor = false;
  outlet: Outlet = NO_OUTLET;
  localAddress = '';
  /** Bytes read from it and written to it. */
  bytesIn = 0;
  bytesOut = 0;

  constructor(id: number, address: string, nowMs: number) {
    this.id = id;
    this.address = address;
    this.connectedMs = nowMs;
    this.lastMs = nowMs;
  }

  /** The reply of the command that runs now is not wanted. */
  get isSilent(): boolean {
    return this.replies === 'off' || this.replies === 'skip';
  }

  /** Memory that it takes, of its own doing, beside what waits to be sent. */
  get heldBytes(): number {
    const { request, transaction, prepared } = this;
    const work =
      (transaction?.length ?? 0) + (prepared?.heldBytes ?? 0) + this.gatheredBytes + this.soughtBytes;
    const names = this.watchedBytes + this.subscribedBytes;
    return request.heldBytes + work + names + (this.watched.size + this.subscriptions) * NAMED_BYTES;
  }

  get subscriptions(): number {
    return this.channels.size + this.patterns.size + this.shardChannels.size;
  }

  gate(bit: number, on: boolean): void {
    this.gates = on ? this.gates | bit : this.gates & ~bit;
  }

  authenticate(yes: boolean): void {
    this.authenticated = yes;
    this.request.authenticated = yes;
    this.gate(GATE.unauthenticated, !yes);
  }

  useLevel(level: AckLevel): void {
    this.acks = level;
    this.gate(GATE.acks, !isPlain(level) || this.acksNext !== null);
  }

  useLevelOnce(level: AckLevel | null): void {
    this.acksNext = level;
    this.gate(GATE.acks, !isPlain(this.acks) || level !== null);
  }

  /** Of RESP2 clients with subscriptions little else may be asked. */
  gateSubscribed(): void {
    this.gate(GATE.subscribed, this.version === 2 && this.subscriptions > 0);
  }
}

/** Shared by all who have none; never added to. */
export const NO_CHANNELS: Set<string> = new Set();

/** Writes a deferred answer. */
export type WriteReply = (reply: ReplyWriter) => void;
