import { DeadlineHeap, type Due, jitter, LIMITS, type NodeId, type Rng } from '../base/index.ts';

/** Pauses between beacons: short while something is new, then longer, and always in proportion to the group, so that the
 * link carries a bounded number of beacons a second whatever its size and however many members come. Milliseconds. */
const BEACON = { settledMs: 5000, perMemberMs: 150, maxMs: 60_000 } as const;
const YOUNG = { beacons: 5, pauseMs: 1000, perMemberMs: 20, firstMs: 200, firstPerMemberMs: 5 } as const;
/** A sender not heard, or not confirming, for this many pauses does not count. */
const EXPIRE_PAUSES = 3;
/** After a payload, a beacon soon tells those who missed it that there was one. */
const TAIL_MS = 25;
/**
 * Out-of-order datagrams are waited for this long before a gap is asked for; then at growing pauses, so many times: a
 * publication that is not had by then is lost, with 20 % of loss one in some 2,000.
 */
const GAP_MS = 10;
const GAP_AGAIN_MS = 150;
const GAP_QUESTIONS = 6;

interface Heard {
  bootNonce: number;
  seq: number;
  heardMs: number;
  /** Its payloads that were missed and are still worth asking for. */
  missing: number[];
  /** The question about them that is due next; earlier ones left in the heap are stale. */
  gap: Gap | null;
}

interface Gap extends Due {
  readonly dueMs: number;
  readonly from: NodeId;
  readonly attempt: number;
}

interface Sent {
  readonly seq: number;
  readonly id: number;
  readonly ageMs: number;
  readonly atMs: number;
  readonly payload: Uint8Array;
}

export interface ReachOutputs {
  /** Multicast who we are and whom we hear; `seq` is that of our latest payload. */
  beacon(seq: number, nowMs: number): void;
  askRepair(to: NodeId, seqs: readonly number[]): void;
}

/** Learns who hears whose multicast, forgets what is not confirmed, and asks for multicasts that were missed. */
export class Reach {
  readonly enabled: boolean;
  readonly counters = { gaps: 0, repairsAsked: 0, repairsGivenUp: 0, repairsServed: 0, repairsUnknown: 0 };
  readonly #self: NodeId;
  readonly #rng: Rng;
  readonly #heard = new Map<NodeId, Heard>();
  /** When each peer last confirmed that it hears us. */
  readonly #confirmed = new Map<NodeId, number>();
  readonly #gaps = new DeadlineHeap<Gap>();
  readonly #sent: Sent[] = [];
  #seq = 0;
  #nextBeaconMs = Infinity;
  #tailMs = Infinity;
  #young = 0;
  #groupSize = 1;

  constructor(self: NodeId, rng: Rng, enabled: boolean) {
    this.#self = self;
    this.#rng = rng;
    this.enabled = enabled;
  }

  get seq(): number {
    return this.#seq;
  }

  start(nowMs: number): void {
    if (this.enabled) this.#nextBeaconMs = nowMs + jitter(this.#rng, 20, 0.9);
  }

  /** Something about the link or the group is new: beacon soon and often for a while. */
  refresh(nowMs: number): void {
    if (!this.enabled) return;
    this.#young = 0;
    const firstMs = Math.max(YOUNG.firstMs, this.#groupSize * YOUNG.firstPerMemberMs);
    this.#nextBeaconMs = Math.min(this.#nextBeaconMs, nowMs + jitter(this.#rng, firstMs, 0.5));
  }

  setGroupSize(members: number): void {
    this.#groupSize = members;
  }

  /** How long a pause between settled beacons is, milliseconds. */
  pauseMs(): number {
    return Math.min(BEACON.maxMs, Math.max(BEACON.settledMs, this.#groupSize * BEACON.perMemberMs));
  }

  /** True while the node is known to hear our multicast. */
  hearsUs(id: NodeId, nowMs: number): boolean {
    const at = this.#confirmed.get(id);
    return at !== undefined && nowMs - at < EXPIRE_PAUSES * this.pauseMs() + 1000;
  }

  /** True while we have lately heard the node by multicast. */
  weHear(id: NodeId, nowMs: number): boolean {
    const heard = this.#heard.get(id);
    return heard !== undefined && nowMs - heard.heardMs < EXPIRE_PAUSES * this.pauseMs() + 1000;
  }

  /** Ids heard of late, sorted; what expired is dropped on the way. */
  hears(nowMs: number): NodeId[] {
    for (const id of this.#heard.keys()) if (!this.weHear(id, nowMs)) this.#heard.delete(id);
    return [...this.#heard.keys()].sort();
  }

  heardBy(nowMs: number): NodeId[] {
    for (const id of this.#confirmed.keys()) if (!this.hearsUs(id, nowMs)) this.#confirmed.delete(id);
    return [...this.#confirmed.keys()].sort();
  }

  /** Label of the set this node is in: the lowest id among itself and those it hears and is heard by. */
  label(nowMs: number): NodeId {
    let lowest = this.#self;
    for (const id of this.#confirmed.keys()) {
      if (id < lowest && this.hearsUs(id, nowMs) && this.weHear(id, nowMs)) lowest = id;
    }
    return lowest;
  }

  /** A peer said whether it has lately heard us by multicast. Returns true when that is news. */
  confirm(id: NodeId, hears: boolean, nowMs: number): boolean {
    const known = this.hearsUs(id, nowMs);
    if (hears) this.#confirmed.set(id, nowMs);
    else this.#confirmed.delete(id);
    return known !== hears;
  }

  forget(id: NodeId): void {
    this.#heard.delete(id);
    this.#confirmed.delete(id);
  }

  /**
   * A datagram came from `id` by multicast, saying that its latest payload is `seq` (and being that payload when
   * `isPayload`). Gaps behind it are asked for a little later. Returns true when the sender is newly heard.
   */
  heardMulticast(id: NodeId, bootNonce: number, seq: number, isPayload: boolean, nowMs: number): boolean {
    const heard = this.#heard.get(id);
    if (heard === undefined || heard.bootNonce !== bootNonce) {
      this.#heard.set(id, { bootNonce, seq, heardMs: nowMs, missing: [], gap: null });
      return heard === undefined;
    }
    const fresh = !this.weHear(id, nowMs);
    heard.heardMs = nowMs;
    if (seq <= heard.seq) {
      if (isPayload) this.repaired(id, seq);
      return fresh;
    }
    const last = isPayload ? seq - 1 : seq;
    if (heard.seq < last) this.#missed(id, heard, heard.seq + 1, last, nowMs);
    heard.seq = seq;
    return fresh;
  }

  /** Notes a gap. One question of a sender's waits at a time: gaps that follow closely are asked for together. */
  #missed(id: NodeId, heard: Heard, first: number, last: number, nowMs: number): void {
    this.counters.gaps++;
    const from = Math.max(first, last - LIMITS.multicastRepairs + 1);
    this.counters.repairsGivenUp += from - first;
    for (let seq = from; seq <= last; seq++) heard.missing.push(seq);
    const tooMany = Math.max(0, heard.missing.length - LIMITS.multicastRepairs);
    this.counters.repairsGivenUp += heard.missing.splice(0, tooMany).length;
    if (heard.gap?.attempt === 1) return;
    heard.gap = { dueMs: nowMs + jitter(this.#rng, GAP_MS, 0.5), from: id, attempt: 1 };
    this.#gaps.push(heard.gap);
  }

  /** A missed multicast came after all. */
  repaired(id: NodeId, seq: number): void {
    const missing = this.#heard.get(id)?.missing;
    const at = missing?.indexOf(seq) ?? -1;
    if (missing !== undefined && at >= 0) missing.splice(at, 1);
  }

  /** Notes a payload about to be multicast; returns its sequence number. */
  sending(id: number, ageMs: number, payload: Uint8Array, nowMs: number): number {
    this.#seq++;
    this.#sent.push({ seq: this.#seq, id, ageMs, atMs: nowMs, payload });
    if (this.#sent.length > LIMITS.multicastHistory) this.#sent.shift();
    this.#tailMs = nowMs + jitter(this.#rng, TAIL_MS, 0.3);
    return this.#seq;
  }

  /** What a peer missed, as far as it is still kept; never more than an honest peer asks for at once. */
  history(
    seqs: readonly number[],
    nowMs: number,
  ): { seq: number; id: number; ageMs: number; payload: Uint8Array }[] {
    const out: { seq: number; id: number; ageMs: number; payload: Uint8Array }[] = [];
    for (const seq of new Set(seqs.slice(0, LIMITS.multicastRepairs))) {
      const sent = this.#sent[seq - (this.#seq - this.#sent.length + 1)];
      if (sent === undefined || sent.seq !== seq) {
        this.counters.repairsUnknown++;
        continue;
      }
      this.counters.repairsServed++;
      out.push({ seq, id: sent.id, ageMs: sent.ageMs + nowMs - sent.atMs, payload: sent.payload });
    }
    return out;
  }

  nextMs(): number {
    return Math.min(this.#nextBeaconMs, this.#tailMs, this.#gaps.nextMs());
  }

  wake(nowMs: number, out: ReachOutputs): void {
    for (let gap = this.#gaps.popDue(nowMs); gap !== undefined; gap = this.#gaps.popDue(nowMs)) {
      const heard = this.#heard.get(gap.from);
      if (heard?.gap !== gap) continue;
      heard.gap = null;
      if (heard.missing.length === 0) continue;
      if (gap.attempt > GAP_QUESTIONS) {
        this.counters.repairsGivenUp += heard.missing.splice(0).length; // Left to anti-entropy.
        continue;
      }
      this.counters.repairsAsked++;
      out.askRepair(gap.from, [...heard.missing]);
      heard.gap = { ...gap, dueMs: nowMs + GAP_AGAIN_MS * gap.attempt, attempt: gap.attempt + 1 };
      this.#gaps.push(heard.gap);
    }
    if (nowMs >= this.#tailMs || nowMs >= this.#nextBeaconMs) {
      if (nowMs >= this.#nextBeaconMs) {
        this.#young++;
        const youngMs = Math.max(YOUNG.pauseMs, this.#groupSize * YOUNG.perMemberMs);
        const pauseMs = this.#young < YOUNG.beacons ? Math.min(youngMs, this.pauseMs()) : this.pauseMs();
        this.#nextBeaconMs = nowMs + jitter(this.#rng, pauseMs);
      }
      this.#tailMs = Infinity;
      out.beacon(this.#seq, nowMs);
    }
  }
}
