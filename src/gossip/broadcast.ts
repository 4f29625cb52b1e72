import {
  BoundedMap,
  DeadlineHeap,
  type Due,
  LIMITS,
  murmur32,
  type NodeId,
  nodeIdToBytes,
  type Rng,
} from '../base/index.ts';
import type { MemberList, View } from '../members/index.ts';
import { Congestion } from './congestion.ts';
import { Permutation } from './permutation.ts';
import type { Reach } from './reach.ts';
import { SeenWindow } from './seen.ts';
import { splitTargets, treeWidth } from './tree.ts';

/** A tree message: the receiver answers for its own multicast set and for the sets at `from`, `length` of them. */
export interface TreePart {
  /** 48 random bits: names the broadcast and seeds the order of its tree. */
  readonly id: number;
  /** Digest of the view the places refer to; 0: the receiver answers for nobody but itself. */
  readonly view: number;
  /** First place of the part in the seeded order of the view's sets (cyclic), and how many places. */
  readonly from: number;
  readonly length: number;
  /** Age of the change, milliseconds, summed over hops without comparing clocks. */
  readonly ageMs: number;
}

/** What a broadcast sends; `node` encodes it. Payloads are encoded once and passed on as they are. */
export interface BroadcastOutputs {
  tree(to: NodeId, part: TreePart, payload: Uint8Array): void;
  /** The explicit form: the receiver answers for each node listed, and for no set. */
  list(to: NodeId, id: number, ids: readonly NodeId[], ageMs: number, payload: Uint8Array): void;
  ack(to: NodeId, id: number, needList: boolean): void;
  multicast(id: number, ageMs: number, payload: Uint8Array, nowMs: number): void;
  /**
   * A payload that is new here; `repaired`: it had been missed and was sent again. False: it is no change of the state, so it is
   * not kept for neighbours who compare theirs.
   */
  deliver(payload: Uint8Array, from: NodeId, ageMs: number, nowMs: number, repaired: boolean): boolean;
}

export interface BroadcastSettings {
  /** Parts a holder splits its list into; null chooses from the measured round trip. */
  readonly width: number | null;
  /** What one send costs the sender, milliseconds. */
  readonly sendMs: number;
}

/** Node ids in one explicit list at most: with a long payload fewer, so that list and payload fit a datagram. */
const LIST_IDS = 64;
/** Everything around a payload in a datagram (a multicast message has most), rounded up. */
const HEADER_BYTES = 50;
/** How often one hop's message is sent before its part is taken over. */
const ATTEMPTS = 2;
/**
 * What nobody will compare, publications, is sent so often to a silent node by itself, at pauses of at most so long, while few
 * enough hops wait: with 20 % of loss one in some 10,000 is missed.
 */
const PATIENT_ATTEMPTS = 6;
const PATIENT_MS = 1000;
const PATIENT_HOPS = 512;
/** Representatives of one set tried before the set is left to anti-entropy. */
const REPRESENTATIVES = 3;
/** A payload beyond this travels on a stream, whose acknowledgement takes longer. */
const STREAM_TIMEOUT_MS = 1500;

interface Hop extends Due {
  dueMs: number;
  readonly id: number;
  to: NodeId;
  readonly view: View | null;
  readonly from: number;
  readonly length: number;
  readonly ids: readonly NodeId[];
  readonly payload: Uint8Array;
  attempts: number;
  sentMs: number;
  tried: number;
  open: boolean;
  readonly lasting: boolean;
}

/** Originates, relays, acknowledges and repairs broadcasts over the randomized tree and multicast. */
export class Broadcaster {
  readonly seen = new SeenWindow();
  readonly counters = {
    originated: 0,
    treeSent: 0,
    multicastSent: 0,
    retries: 0,
    takeovers: 0,
    abandoned: 0,
    listsAsked: 0,
    /** Hops not sent because too many wait already. */
    dropped: 0,
    /** Parts that no tree of the view has: not relayed. */
    misplaced: 0,
  };
  readonly #members: MemberList;
  readonly #reach: Reach;
  readonly #out: BroadcastOutputs;
  readonly #rng: Rng;
  readonly #settings: BroadcastSettings;
  readonly #due = new DeadlineHeap<Hop>();
  readonly #hops = new BoundedMap<number, Hop[]>(LIMITS.pendingHops);
  #open = 0;
  /** Of publications. */
  readonly #congestion = new Congestion();
  /** Smoothed one-way delay over all peers, milliseconds. */
  #hopMs = 0.25;

  constructor(
    members: MemberList,
    reach: Reach,
    out: BroadcastOutputs,
    rng: Rng,
    settings: BroadcastSettings,
  ) {
    this.#members = members;
    this.#reach = reach;
    this.#out = out;
    this.#rng = rng;
    this.#settings = settings;
  }

  get pendingHops(): number {
    return this.#open;
  }

  /** So many publications are on their way that no more are to be originated. */
  get congested(): boolean {
    return this.#congestion.full;
  }

  /** A receiver of multicasts missed some. */
  missed(nowMs: number): void {
    this.#congestion.lost(nowMs);
  }

  /** Sends a payload of this node's to every live member. `lasting`: who misses it gets it by comparing states. */
  originate(payload: Uint8Array, nowMs: number, lasting = true): void {
    const id = this.#rng.below(0x10000) * 4294967296 + this.#rng.u32();
    this.seen.add(id, payload, nowMs, 0, lasting);
    this.counters.originated++;
    const view = this.#members.view();
    const own = view.setIndexOf(this.#members.self);
    const places = view.sets.length;
    let directed = 0;
    // A node that is leaving is not in its own view any more: then every place is somebody else's, even a single one.
    if (places > (own < 0 ? 0 : 1)) {
      const start = own < 0 ? 0 : order(view, id).indexOf(own) + 1;
      const length = own < 0 ? places : places - 1;
      directed += this.#spread(view, id, start % places, length, payload, nowMs);
    }
    const { hearers, sent } = this.#coverSet(view, own, id, payload, nowMs);
    // One destination known to hear multicast is visited anyway: no change rests on multicast alone.
    if (directed + sent === 0 && hearers.length > 0) {
      this.#visit(hearers[this.#rng.below(hearers.length)] as NodeId, id, payload, nowMs);
    }
  }

  /** A tree message came. */
  treeReceived(from: NodeId, part: TreePart, payload: Uint8Array, nowMs: number): void {
    const before = this.#members.viewByDigest(part.view);
    this.#take(from, part.id, payload, part.ageMs, nowMs);
    if (part.view === 0) {
      this.#out.ack(from, part.id, false);
      return;
    }
    // The payload may be the very news that makes the views agree.
    const view = before ?? this.#members.viewByDigest(part.view);
    this.#out.ack(from, part.id, view === null);
    if (view === null) {
      this.counters.listsAsked++;
      return;
    }
    const places = view.sets.length;
    if (part.length >= places || part.from >= places) {
      this.counters.misplaced++;
      return;
    }
    if (!this.seen.take(part.id, part.from * 65536 + part.length)) return;
    this.#spread(view, part.id, part.from, part.length, payload, nowMs);
    this.#coverSet(view, view.setIndexOf(this.#members.self), part.id, payload, nowMs);
  }

  /** An explicit list came. */
  listReceived(
    from: NodeId,
    id: number,
    ids: readonly NodeId[],
    ageMs: number,
    payload: Uint8Array,
    nowMs: number,
  ): void {
    this.#take(from, id, payload, ageMs, nowMs);
    this.#out.ack(from, id, false);
    if (ids.length === 0 || !this.seen.take(id, -1 - hashIds(ids))) return;
    this.#spreadList(ids, id, payload, nowMs);
  }

  /** A multicast payload came. */
  multicastReceived(from: NodeId, id: number, ageMs: number, payload: Uint8Array, nowMs: number): void {
    this.#take(from, id, payload, ageMs, nowMs);
  }

  /** What this node had missed came: it asked for it, or a peer that compared states pushed it. */
  repairReceived(from: NodeId, id: number, ageMs: number, payload: Uint8Array, nowMs: number): void {
    this.#take(from, id, payload, ageMs, nowMs, true);
  }

  /** An acknowledgement came. Returns the round trip in milliseconds when it is a clean sample, else -1. */
  ackReceived(from: NodeId, id: number, needList: boolean, nowMs: number): number {
    const hop = this.#hops.get(id)?.find((h) => h.open && h.to === from);
    if (hop === undefined) {
      // Answered before, or given up: what was sent again had not been lost.
      if (this.seen.has(id)) this.#members.get(from)?.rtt.late();
      return -1;
    }
    this.#close(hop);
    const rttMs = hop.attempts === 1 ? nowMs - hop.sentMs : -1;
    if (rttMs >= 0 && !hop.lasting) this.#congestion.answered(hop.payload.length);
    if (rttMs >= 0) this.#hopMs += (rttMs / 2 - this.#hopMs) / 16;
    if (needList && hop.view !== null) this.#spreadList(this.#listOf(hop, hop.view), id, hop.payload, nowMs);
    return rttMs;
  }

  /** A member is down or left: nobody waits for its answers any longer. */
  memberGone(id: NodeId, nowMs: number): void {
    if (this.#open === 0) return;
    for (const hops of [...this.#hops.values()])
      for (const hop of [...hops]) if (hop.open && hop.to === id) this.#takeOver(hop, nowMs);
  }

  nextMs(): number {
    return this.#due.nextMs();
  }

  wake(nowMs: number): void {
    for (let hop = this.#due.popDue(nowMs); hop !== undefined; hop = this.#due.popDue(nowMs)) {
      if (!hop.open) continue;
      if (!hop.lasting) this.#congestion.lost(nowMs);
      if (hop.attempts < this.#attemptsOf(hop)) {
        this.counters.retries++;
        this.#transmit(hop, nowMs);
      } else {
        this.#takeOver(hop, nowMs);
      }
    }
  }

  #take(from: NodeId, id: number, payload: Uint8Array, ageMs: number, nowMs: number, repaired = false): void {
    if (this.seen.has(id)) return;
    const lasting = this.#out.deliver(payload, from, ageMs, nowMs, repaired);
    this.seen.add(id, payload, nowMs, ageMs, lasting);
  }

  /** Hands out places of the seeded order; returns how many messages that took here. */
  #spread(view: View, id: number, from: number, length: number, payload: Uint8Array, nowMs: number): number {
    if (length === 0) return 0;
    const places = view.sets.length;
    const permutation = order(view, id);
    const parts = splitTargets(from, length, this.#width(length));
    for (const { head, from: next, length: rest } of parts) {
      const set = view.sets[permutation.at(head % places)] as readonly NodeId[];
      this.#send(
        { id, view, to: this.#representative(set), from: next % places, length: rest, ids: [] },
        payload,
        nowMs,
      );
    }
    return parts.length;
  }

  #spreadList(listed: readonly NodeId[], id: number, payload: Uint8Array, nowMs: number): number {
    // Who made the list may not know yet who is gone.
    const ids = listed.filter((to) => this.#members.get(to) === undefined || this.#members.isLive(to));
    // A part longer than one list holds is cut by the sender itself.
    const cuts = Math.ceil(ids.length / (listRoom(payload) + 1)) + 1;
    const parts = splitTargets(0, ids.length, Math.max(this.#width(ids.length), cuts));
    for (const { head, from, length } of parts) {
      const rest = ids.slice(from, from + length);
      this.#send({ id, view: null, to: ids[head] as NodeId, from: 0, length, ids: rest }, payload, nowMs);
    }
    return parts.length;
  }

  /** Sees to it that the others in a set this node is in get the payload: by multicast where they hear it. */
  #coverSet(
    view: View,
    index: number,
    id: number,
    payload: Uint8Array,
    nowMs: number,
  ): { hearers: NodeId[]; sent: number } {
    const hearers: NodeId[] = [];
    const deaf: NodeId[] = [];
    for (const member of view.sets[index] ?? []) {
      if (member === this.#members.self) continue;
      (this.#reach.hearsUs(member, nowMs) ? hearers : deaf).push(member);
    }
    if (hearers.length === 1 || !fitsDatagram(payload)) deaf.push(...hearers.splice(0));
    if (hearers.length > 0) {
      this.counters.multicastSent++;
      this.#out.multicast(id, this.seen.ageMs(id, nowMs), payload, nowMs);
    }
    return { hearers, sent: this.#spreadList(this.#shuffled(deaf), id, payload, nowMs) };
  }

  #visit(to: NodeId, id: number, payload: Uint8Array, nowMs: number): void {
    this.#send({ id, view: null, to, from: 0, length: 0, ids: [] }, payload, nowMs);
  }

  #send(
    to: { id: number; view: View | null; to: NodeId; from: number; length: number; ids: readonly NodeId[] },
    payload: Uint8Array,
    nowMs: number,
  ): void {
    const lasting = this.seen.lasting(to.id);
    if (this.#open >= (lasting ? LIMITS.pendingHops : LIMITS.publicationHops)) {
      this.counters.dropped++;
      return;
    }
    const hop: Hop = {
      dueMs: 0,
      id: to.id,
      to: to.to,
      view: to.view,
      from: to.from,
      length: to.length,
      ids: to.ids,
      payload,
      attempts: 0,
      sentMs: nowMs,
      tried: 1,
      open: true,
      lasting,
    };
    const hops = this.#hops.get(hop.id);
    if (hops === undefined) this.#hops.set(hop.id, [hop]);
    else hops.push(hop);
    this.#open++;
    this.#transmit(hop, nowMs);
  }

  #transmit(hop: Hop, nowMs: number): void {
    const ageMs = this.seen.ageMs(hop.id, nowMs);
    this.#settle(hop);
    hop.attempts++;
    if (!hop.lasting && hop.attempts === 1) this.#congestion.sent(hop.payload.length);
    hop.sentMs = nowMs;
    const rto = this.#members.get(hop.to)?.rtt.timeoutMs() ?? STREAM_TIMEOUT_MS;
    const floor = fitsDatagram(hop.payload) ? 0 : STREAM_TIMEOUT_MS;
    const wait = hop.attempts > ATTEMPTS ? Math.min(rto * ATTEMPTS, PATIENT_MS) : rto * hop.attempts;
    hop.dueMs = nowMs + Math.max(wait, floor);
    this.#due.push(hop);
    this.counters.treeSent++;
    if (hop.view !== null) {
      const part = { id: hop.id, view: hop.view.digest, from: hop.from, length: hop.length, ageMs };
      this.#out.tree(hop.to, part, hop.payload);
    } else if (hop.ids.length > 0) {
      this.#out.list(hop.to, hop.id, hop.ids, ageMs, hop.payload);
    } else {
      this.#out.tree(hop.to, { id: hop.id, view: 0, from: 0, length: 0, ageMs }, hop.payload);
    }
  }

  /** The node at the head of the part is silent: another of its set, or the rest of the list without it. */
  #takeOver(hop: Hop, nowMs: number): void {
    this.#close(hop);
    this.counters.takeovers++;
    if (!hop.lasting && !isAlone(hop) && this.#members.isLive(hop.to))
      this.#visit(hop.to, hop.id, hop.payload, nowMs);
    if (hop.view === null) {
      this.counters.abandoned++;
      this.#spreadList(hop.ids, hop.id, hop.payload, nowMs);
      return;
    }
    const set = hop.view.sets[hop.view.setIndexOf(hop.to)] ?? [];
    if (hop.tried < Math.min(REPRESENTATIVES, set.length)) {
      const next = set[(set.indexOf(hop.to) + 1) % set.length] as NodeId;
      if (next !== this.#members.self) {
        const again: Hop = { ...hop, to: next, attempts: 0, tried: hop.tried + 1, open: true };
        this.#hops.get(hop.id)?.push(again) ?? this.#hops.set(hop.id, [again]);
        this.#open++;
        this.#transmit(again, nowMs);
        return;
      }
    }
    this.counters.abandoned++;
    this.#spread(hop.view, hop.id, hop.from, hop.length, hop.payload, nowMs);
  }

  #attemptsOf(hop: Hop): number {
    const patient = !hop.lasting && isAlone(hop) && this.#open < PATIENT_HOPS;
    return patient ? PATIENT_ATTEMPTS : ATTEMPTS;
  }

  #settle(hop: Hop): void {
    if (!hop.lasting && hop.attempts === 1) this.#congestion.over(hop.payload.length);
  }

  #close(hop: Hop): void {
    this.#settle(hop);
    hop.open = false;
    this.#open--;
    const hops = this.#hops.get(hop.id);
    if (hops?.every((h) => !h.open)) this.#hops.delete(hop.id);
  }

  /** Every node the hop's receiver would have answered for, itself not among them. */
  #listOf(hop: Hop, view: View): NodeId[] {
    const ids: NodeId[] = [];
    const add = (set: readonly NodeId[]): void => {
      for (const id of set) if (id !== hop.to && id !== this.#members.self) ids.push(id);
    };
    add(view.sets[view.setIndexOf(hop.to)] ?? []);
    const permutation = order(view, hop.id);
    const places = view.sets.length;
    for (let i = 0; i < hop.length; i++)
      add(view.sets[permutation.at((hop.from + i) % places)] as readonly NodeId[]);
    return ids;
  }

  /** A random node of the set, one heard from of late where a few draws find it. */
  #representative(set: readonly NodeId[]): NodeId {
    let choice = set[this.#rng.below(set.length)] as NodeId;
    for (let i = 0; i < 3 && set.length > 1 && this.#members.get(choice)?.heardMs === -Infinity; i++) {
      choice = set[this.#rng.below(set.length)] as NodeId;
    }
    return choice;
  }

  #shuffled(ids: NodeId[]): NodeId[] {
    for (let i = ids.length - 1; i > 0; i--) {
      const j = this.#rng.below(i + 1);
      [ids[i], ids[j]] = [ids[j] as NodeId, ids[i] as NodeId];
    }
    return ids;
  }

  #width(targets: number): number {
    return this.#settings.width ?? treeWidth(targets, this.#hopMs, this.#settings.sendMs);
  }
}

function order(view: View, id: number): Permutation {
  return new Permutation(view.sets.length, id >>> 0);
}

/** Nobody but its receiver depends on it. */
function isAlone({ view, length, ids, to }: Hop): boolean {
  if (length > 0 || ids.length > 0) return false;
  return view === null || (view.sets[view.setIndexOf(to)]?.length ?? 1) === 1;
}

const fitsDatagram = (payload: Uint8Array): boolean => payload.length <= LIMITS.messageBytes - HEADER_BYTES;

/** How many ids a list with this payload has room for; what does not fit a datagram anyway travels on a stream. */
function listRoom(payload: Uint8Array): number {
  if (!fitsDatagram(payload)) return LIST_IDS;
  return Math.min(LIST_IDS, Math.floor((LIMITS.messageBytes - HEADER_BYTES - payload.length) / 8));
}

function hashIds(ids: readonly NodeId[]): number {
  const bytes = new Uint8Array(ids.length * 8);
  ids.forEach((id, i) => {
    nodeIdToBytes(id, bytes, i * 8);
  });
  return murmur32(bytes, ids.length);
}
