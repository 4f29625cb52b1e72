import { type Address, BoundedMap, LIMITS, type NodeId } from '../base/index.ts';
import type { MemberRecord } from '../members/index.ts';
import { type Digests, encodeValue, KIND, type Message, recordToWire } from '../wire/index.ts';
import type { Link } from './link.ts';
import { type GroupState, sameMap, sameMembers } from './state.ts';

/** Sessions this node calls at once, and answers at once. */
const CALLS = 8;
const ANSWERED = 64;
/** A session in which nothing moves for this long is given up, and any session that lasts so long. */
const SILENCE_MS = 10_000;
const LIFETIME_MS = 120_000;
/** Whoever opened a stream has said hello within this: anybody can open one and be silent. */
const HELLO_MS = 2000;
/** Turns after which a session ends even if there is more to say; the next round goes on. */
const TURNS = 64;
/** Answers of one turn: about what may wait on a stream. More are left to the next round. */
const TURN_ANSWERS = 192;
/** A stranger's address is called back at most this often. */
const STRANGER_PAUSE_MS = 5000;

/** Why a call of this node's own address fails. */
export const SELF_CALLED = 'that address is this node itself';

export type SessionEnd =
  | { readonly ok: true; readonly peer: NodeId; readonly equal: boolean }
  | { readonly ok: false; readonly reason: string };

interface Session {
  readonly stream: number;
  readonly caller: boolean;
  /** Where the other is called, or called from. */
  readonly address: Address;
  /** This node was told to call there. */
  readonly asked: boolean;
  peer: NodeId | null;
  /** Answers gathered for this turn. */
  readonly answers: Message[];
  turns: number;
  readonly startMs: number;
  movedMs: number;
  /** The other's summary was answered: one is all a session needs. */
  compared: boolean;
  readonly done: ((end: SessionEnd, nowMs: number) => void) | null;
}

/** The map's side of a session; implemented over crdt's reconciliation. */
export interface Reconciler {
  begin(): Uint8Array[];
  /** Answers to a step, or null when it is malformed. */
  respond(step: Uint8Array): Uint8Array[] | null;
}

export interface SessionOutputs {
  /** Joins a record; the one place that also defends this node's own. */
  mergeRecord(record: MemberRecord, from: NodeId | null, nowMs: number): void;
  digests(): Digests;
  /** A peer was heard on a stream. */
  heard(id: NodeId, nowMs: number): void;
  /** A process with this node's own id called; its record. */
  twinCalled(record: MemberRecord, nowMs: number): void;
}

/**
 * Stream sessions: two nodes bring each other up to date, members and map, in turns. The caller says hello and its first
 * questions; each side answers what it was asked and ends its turn; the caller closes when nothing is left to answer.
 * Every step is stateless (crdt's reconciliation), so a session may break off anywhere without harm.
 */
export class Sessions {
  readonly counters = {
    called: 0,
    answered: 0,
    failed: 0,
    refused: 0,
    completed: 0,
    cut: 0,
    /** Streams closed because no hello came on them: in time; before another wanted their place. */
    silent: 0,
    evicted: 0,
  };
  readonly #link: Link;
  readonly #state: GroupState;
  readonly #cluster: string;
  readonly #reconciler: Reconciler;
  readonly #out: SessionOutputs;
  readonly #sessions = new Map<number, Session>();
  readonly #strangers = new BoundedMap<Address, number>(256);
  #calls = 0;

  constructor(link: Link, state: GroupState, cluster: string, reconciler: Reconciler, out: SessionOutputs) {
    this.#link = link;
    this.#state = state;
    this.#cluster = cluster;
    this.#reconciler = reconciler;
    this.#out = out;
  }

  get open(): number {
    return this.#sessions.size;
  }

  /** Sessions this node called. */
  get calling(): number {
    return this.#calls;
  }

  /** True while this node is in a session it called with that peer. */
  callingTo(peer: NodeId): boolean {
    for (const session of this.#sessions.values()) if (session.caller && session.peer === peer) return true;
    return false;
  }

  /** Calls an address. `peer` when it is a known member whose digests just differed from ours in `theirs`. */
  call(
    address: Address,
    peer: { id: NodeId; digests: Digests } | null,
    done: Session['done'],
    nowMs: number,
  ): boolean {
    if (this.#calls >= CALLS) return false;
    this.counters.called++;
    this.#calls++;
    const stream = this.#link.openStream(address);
    const session: Session = {
      stream,
      caller: true,
      address,
      asked: peer === null && done !== null,
      peer: peer?.id ?? null,
      answers: [],
      turns: 0,
      startMs: nowMs,
      movedMs: nowMs,
      compared: false,
      done,
    };
    this.#sessions.set(stream, session);
    const ours = this.#out.digests();
    this.#link.write(stream, {
      kind: KIND.hello,
      cluster: this.#cluster,
      record: this.#state.members.me().record,
      digests: ours,
    });
    if (peer === null || !sameMembers(peer.digests, ours)) this.#link.write(stream, this.#summary());
    if (peer === null || !sameMap(peer.digests, ours)) {
      for (const step of this.#reconciler.begin()) this.#link.write(stream, { kind: KIND.reconcile, step });
    }
    this.#link.write(stream, { kind: KIND.end });
    return true;
  }

  /** Calls back somebody unknown who sent us something, not too often. */
  callStranger(address: Address, nowMs: number): void {
    const last = this.#strangers.get(address);
    if (last !== undefined && nowMs - last < STRANGER_PAUSE_MS) return;
    this.#strangers.set(address, nowMs);
    if (this.#calls < CALLS / 2) this.call(address, null, null, nowMs);
  }

  /** Who is at the other end, for what it brings. */
  otherEnd(
    stream: number,
  ): { readonly address: Address; readonly asked: boolean; readonly caller: boolean } | null {
    return this.#sessions.get(stream) ?? null;
  }

  accepted(stream: number, from: Address, nowMs: number): void {
    if (!this.#makeRoom()) {
      this.counters.refused++;
      this.#link.close(stream);
      return;
    }
    this.#sessions.set(stream, {
      stream,
      caller: false,
      address: from,
      asked: false,
      peer: null,
      answers: [],
      turns: 0,
      startMs: nowMs,
      movedMs: nowMs,
      compared: false,
      done: null,
    });
  }

  /** True when one more may be answered: the oldest on which no hello came yet gives way, so that silence keeps nobody out. */
  #makeRoom(): boolean {
    let answering = 0;
    let silent: Session | null = null;
    for (const session of this.#sessions.values()) {
      if (session.caller) continue;
      answering++;
      if (session.peer === null) silent ??= session;
    }
    if (answering < ANSWERED) return true;
    if (silent === null) return false;
    this.counters.evicted++;
    this.#link.close(silent.stream);
    this.#sessions.delete(silent.stream);
    return true;
  }

  /** A message of a session came. Returns false when its kind has no business on a session. */
  received(stream: number, from: NodeId, message: Message, nowMs: number): boolean {
    const session = this.#sessions.get(stream);
    if (session === undefined) return true;
    session.movedMs = nowMs;
    switch (message.kind) {
      case KIND.hello:
        this.#hello(session, from, message.cluster, message.record, nowMs);
        return true;
      case KIND.welcome:
        if (session.caller && message.record.id === from) {
          session.peer = from;
          this.#out.mergeRecord(message.record, from, nowMs);
          this.#out.heard(from, nowMs);
        }
        return true;
      case KIND.reject:
        if (session.caller) this.#fail(session, message.reason, nowMs);
        return true;
      case KIND.summary:
        if (session.peer !== null && !session.compared) {
          session.compared = true;
          for (const answer of this.#compare(message.members)) this.#answer(session, answer);
        }
        return true;
      case KIND.members:
        if (session.peer !== null) this.#members(session, message.records, message.want, nowMs);
        return true;
      case KIND.reconcile: {
        if (session.peer === null) return true;
        const answers = this.#reconciler.respond(message.step);
        if (answers === null) return false;
        for (const step of answers) this.#answer(session, { kind: KIND.reconcile, step });
        return true;
      }
      case KIND.end:
        if (session.peer !== null) this.#turn(session, nowMs);
        return true;
      default:
        return false;
    }
  }

  closed(stream: number, reason: string, nowMs: number): void {
    const session = this.#sessions.get(stream);
    if (session === undefined) return;
    if (session.caller) this.#finish(session, { ok: false, reason }, nowMs);
    else this.#sessions.delete(stream);
  }

  nextMs(): number {
    let next = Infinity;
    for (const session of this.#sessions.values()) next = Math.min(next, endsMs(session));
    return next;
  }

  wake(nowMs: number): void {
    for (const session of this.#sessions.values()) {
      if (nowMs < endsMs(session)) continue;
      this.#link.close(session.stream);
      if (session.caller) this.#finish(session, { ok: false, reason: 'no answer in time' }, nowMs);
      else this.#sessions.delete(session.stream);
      if (!session.caller && session.peer === null) this.counters.silent++;
    }
  }

  #hello(session: Session, from: NodeId, cluster: string, record: MemberRecord, nowMs: number): void {
    if (session.caller || session.peer !== null) return;
    const me = this.#state.members.me().record;
    let reason = '';
    if (cluster !== this.#cluster) reason = `that node is of cluster '${this.#cluster}', not '${cluster}'`;
    else if (record.id !== from) reason = 'the hello names another node than its sender';
    else if (from === me.id) {
      reason = record.bootNonce === me.bootNonce ? SELF_CALLED : 'that node has the same node id';
    }
    if (reason !== '') {
      if (record.id === me.id && record.bootNonce !== me.bootNonce) this.#out.twinCalled(record, nowMs);
      this.counters.refused++;
      this.#link.write(session.stream, { kind: KIND.reject, reason });
      this.#link.close(session.stream);
      this.#sessions.delete(session.stream);
      return;
    }
    this.counters.answered++;
    session.peer = from;
    this.#out.mergeRecord(record, from, nowMs);
    this.#out.heard(from, nowMs);
    const ours = this.#state.members.me().record;
    this.#answer(session, { kind: KIND.welcome, record: ours, digests: this.#out.digests() });
  }

  #answer(session: Session, message: Message): void {
    if (session.answers.length < TURN_ANSWERS) session.answers.push(message);
    else this.counters.cut++;
  }

  #turn(session: Session, nowMs: number): void {
    session.turns++;
    const over = session.answers.length === 0 || session.turns > TURNS;
    if (over && session.caller) {
      this.#link.close(session.stream);
      this.#finish(
        session,
        { ok: true, peer: session.peer as NodeId, equal: session.answers.length === 0 },
        nowMs,
      );
      return;
    }
    // A caller ends before that.
    if (session.turns > TURNS + 1) {
      this.#link.close(session.stream);
      this.#sessions.delete(session.stream);
      return;
    }
    for (const message of session.answers.splice(0)) this.#link.write(session.stream, message);
    this.#link.write(session.stream, { kind: KIND.end });
  }

  #fail(session: Session, reason: string, nowMs: number): void {
    this.#link.close(session.stream);
    this.#finish(session, { ok: false, reason }, nowMs);
  }

  #finish(session: Session, end: SessionEnd, nowMs: number): void {
    this.#sessions.delete(session.stream);
    this.#calls--;
    this.counters[end.ok ? 'completed' : 'failed']++;
    session.done?.(end, nowMs);
  }

  #summary(): Message {
    const members: { id: NodeId; hash: number }[] = [];
    for (const member of this.#state.members.all()) {
      members.push({ id: member.record.id, hash: this.#state.members.standingOf(member) });
    }
    members.sort((a, b) => (a.id < b.id ? -1 : 1));
    return { kind: KIND.summary, members };
  }

  /** Our records that the other lacks or has differently, and the ids only it has. */
  #compare(theirs: readonly { id: NodeId; hash: number }[]): Message[] {
    const hashes = new Map<NodeId, number>();
    const want: NodeId[] = [];
    for (const { id, hash } of theirs) {
      hashes.set(id, hash);
      if (this.#state.members.get(id) === undefined) want.push(id);
    }
    const records: MemberRecord[] = [];
    for (const member of this.#state.members.all()) {
      if (hashes.get(member.record.id) !== this.#state.members.standingOf(member))
        records.push(member.record);
    }
    return membersMessages(records, want);
  }

  #members(session: Session, records: readonly MemberRecord[], want: readonly NodeId[], nowMs: number): void {
    const back: MemberRecord[] = [];
    for (const record of records) {
      // The other passes on what it knows: whoever made it so, it was not the other.
      this.#out.mergeRecord(record, null, nowMs);
      const ours = this.#state.members.get(record.id);
      // What we know better goes back. A record of our own may have been raised by the merge.
      if (ours !== undefined && session.turns < 4 && !this.#state.members.sameRecord(ours.record, record))
        back.push(ours.record);
    }
    for (const id of want) {
      const ours = this.#state.members.get(id);
      if (ours !== undefined) back.push(ours.record);
    }
    if (back.length > 0) for (const message of membersMessages(back, [])) this.#answer(session, message);
  }
}

const endsMs = ({ caller, peer, startMs, movedMs }: Session): number =>
  caller || peer !== null ? Math.min(movedMs + SILENCE_MS, startMs + LIFETIME_MS) : startMs + HELLO_MS;

/** Records cut into messages of which each is well within a frame; the ids wanted go with the first. */
function membersMessages(records: readonly MemberRecord[], want: readonly NodeId[]): Message[] {
  const messages: Message[] = [];
  let some: MemberRecord[] = [];
  let bytes = 0;
  const cut = (): void => {
    messages.push({ kind: KIND.members, records: some, want: messages.length === 0 ? want : [] });
    some = [];
    bytes = 0;
  };
  for (const record of records) {
    some.push(record);
    bytes += encodeValue(recordToWire(record)).length;
    if (bytes >= LIMITS.syncChunkBytes) cut();
  }
  if (some.length > 0 || messages.length === 0) cut();
  return messages;
}
