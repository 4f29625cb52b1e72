import type { NodeId } from '../base/index.ts';
import type { Reach } from '../gossip/index.ts';
import type { MemberRecord } from '../members/index.ts';
import { type BeaconMessage, type Digests, KIND, type MulticastMessage } from '../wire/index.ts';
import type { Link } from './link.ts';
import type { GroupState } from './state.ts';

/** A changed multicast set is published after this long without changing back. */
const LABEL_SETTLE_MS = 1500;
/** While the view is younger than this, beacons name whom they hear by id as well. */
const VIEW_SETTLE_MS = 15_000;
/** So many ids at most: a beacon is one datagram. */
const HEARD_IDS = 64;
/** Every so many beacons introduce their sender to strangers. */
const INTRODUCE_EVERY = 4;

export interface PresenceOutputs {
  mergeRecord(record: MemberRecord, from: NodeId, nowMs: number): void;
  /** Publishes a new record of this node. */
  raise(record: MemberRecord, nowMs: number): void;
  /** A peer's digests came in its beacon. */
  reported(id: NodeId, digests: Digests, nowMs: number): void;
}

/** This node's presence on the link: its beacons, what others' tell, and the label of the set that follows. */
export class Presence {
  readonly #enabled: boolean;
  readonly #cluster: string;
  readonly #bootNonce: number;
  readonly #state: GroupState;
  readonly #reach: Reach;
  readonly #link: Link;
  readonly #out: PresenceOutputs;
  #beacons = 0;
  /** The last multicast of ours that carried something. */
  #seq = 0;
  #labelMs = Infinity;
  #viewDigest = -1;
  #viewSinceMs = -Infinity;

  constructor(
    options: { readonly cluster: string; readonly multicast: boolean },
    bootNonce: number,
    state: GroupState,
    reach: Reach,
    link: Link,
    out: PresenceOutputs,
  ) {
    this.#enabled = options.multicast;
    this.#cluster = options.cluster;
    this.#bootNonce = bootNonce;
    this.#state = state;
    this.#reach = reach;
    this.#link = link;
    this.#out = out;
  }

  nextMs(): number {
    return Math.min(this.#reach.nextMs(), this.#labelMs);
  }

  wake(nowMs: number): void {
    if (!this.#enabled) return;
    this.#reach.wake(nowMs, {
      beacon: (seq) => this.#beacon(seq, nowMs),
      askRepair: (to, seqs) => this.#link.send(to, { kind: KIND.askRepair, seqs }),
    });
    if (nowMs >= this.#labelMs) this.#publishLabel(nowMs);
  }

  /** Multicasts a payload of a broadcast. */
  multicast(id: number, ageMs: number, payload: Uint8Array, nowMs: number): void {
    const seq = this.#reach.sending(id, ageMs, payload, nowMs);
    this.#seq = seq;
    this.#link.multicast({ kind: KIND.multicast, bootNonce: this.#bootNonce, seq, id, ageMs, payload });
  }

  /** This node left: also those are told who know it by a beacon and have not said anything yet. */
  farewell(nowMs: number): void {
    if (this.#beacons > 0) this.#beacon(this.#seq, nowMs, true);
  }

  /** A member's record changed, or it is new. */
  memberChanged(record: MemberRecord, isNew: boolean, live: boolean, nowMs: number): void {
    const { members } = this.#state;
    this.#reach.setGroupSize(members.liveCount);
    if (!live) this.#reach.forget(record.id);
    else if (isNew && record.id !== members.self) this.#reach.refresh(nowMs);
    if (members.viewDigest === this.#viewDigest) return;
    this.#viewDigest = members.viewDigest;
    this.#viewSinceMs = nowMs;
  }

  beaconCame(sender: NodeId, m: BeaconMessage, nowMs: number): void {
    if (m.introduction !== null && m.introduction.record.id === sender) {
      this.#out.mergeRecord(m.introduction.record, sender, nowMs);
    }
    if (this.#listensTo(sender)) this.#learn(sender, m, nowMs);
    this.#out.reported(sender, m.digests, nowMs);
  }

  payloadCame(sender: NodeId, m: MulticastMessage, nowMs: number): void {
    if (!this.#listensTo(sender)) return;
    if (this.#reach.heardMulticast(sender, m.bootNonce, m.seq, true, nowMs)) this.#watchLabel(nowMs);
  }

  /** A peer said whether it hears our multicast. */
  confirmed(id: NodeId, hears: boolean, nowMs: number): void {
    if (this.#listensTo(id) && this.#reach.confirm(id, hears, nowMs)) this.#watchLabel(nowMs);
  }

  /** One that left may go on for a moment: it must not be put back into the set by what it still says. */
  #listensTo(id: NodeId): boolean {
    return this.#enabled && this.#state.members.isLive(id);
  }

  #learn(sender: NodeId, m: BeaconMessage, nowMs: number): void {
    if (this.#reach.heardMulticast(sender, m.bootNonce, m.seq, false, nowMs)) this.#watchLabel(nowMs);
    const { members } = this.#state;
    const index = members.viewByDigest(m.view)?.indexOf(members.self) ?? -1;
    if (index >= 0) this.confirmed(sender, (((m.heard[index >> 3] ?? 0) >> (index & 7)) & 1) === 1, nowMs);
    else if (m.heardIds.includes(members.self)) this.confirmed(sender, true, nowMs);
  }

  #beacon(seq: number, nowMs: number, last = false): void {
    this.#seq = seq;
    const view = this.#state.members.view();
    const heard = new Uint8Array(Math.ceil(view.ids.length / 8));
    const heardIds: NodeId[] = [];
    const naming = nowMs - this.#viewSinceMs < VIEW_SETTLE_MS;
    for (const id of this.#reach.hears(nowMs)) {
      const index = view.indexOf(id);
      if (index < 0) continue;
      heard[index >> 3] = (heard[index >> 3] as number) | (1 << (index & 7));
      if (naming && heardIds.length < HEARD_IDS) heardIds.push(id);
    }
    const introduce = last || this.#beacons < INTRODUCE_EVERY || this.#beacons % INTRODUCE_EVERY === 0;
    this.#beacons++;
    const record = this.#state.members.me().record;
    const message: BeaconMessage = {
      kind: KIND.beacon,
      bootNonce: this.#bootNonce,
      seq,
      view: view.digest,
      heard,
      heardIds,
      digests: this.#state.digests(),
      introduction: introduce ? { cluster: this.#cluster, record } : null,
    };
    if (!this.#link.multicast(message)) {
      this.#link.multicast({ ...message, heardIds: [], introduction: null });
    }
    this.#watchLabel(nowMs);
  }

  #watchLabel(nowMs: number): void {
    if (this.#reach.label(nowMs) === this.#state.members.me().record.reach) this.#labelMs = Infinity;
    else if (this.#labelMs === Infinity) this.#labelMs = nowMs + LABEL_SETTLE_MS;
  }

  #publishLabel(nowMs: number): void {
    this.#labelMs = Infinity;
    const me = this.#state.members.me().record;
    const reach = this.#reach.label(nowMs);
    if (reach !== me.reach) this.#out.raise({ ...me, reach, reachVersion: me.reachVersion + 1 }, nowMs);
  }
}
