import { LIMITS, type NodeId, type Rng } from '../base/index.ts';
import { AntiEntropy, type Broadcaster, type Reach } from '../gossip/index.ts';
import { type DigestMessage, type Digests, KIND } from '../wire/index.ts';
import type { Link } from './link.ts';
import type { SessionEnd, Sessions } from './sessions.ts';
import { type GroupState, publicDigest, sameMap, sameState } from './state.ts';

/** Broadcasts not older than this are named in digests, and pushed to peers that did not have them. */
const RECENT_MS = 30_000;
/** Two nodes had a broadcast at different times: what is near the end of that time is named and not pushed. */
const RECENT_SLACK_MS = 5000;
/** How many: few while peers agree, more while a difference was seen of late, as under heavy loss. */
const RECENT_IDS = { calm: 12, rough: 48, roughMs: 10_000 } as const;

export interface ComparisonOutputs {
  /** This node has all that this member had a moment ago. */
  caughtUp(id: NodeId, nowMs: number): void;
  /** A peer told us of others who may not know us: introduce this node. */
  introduce(nowMs: number): void;
  /** A peer reported a digest. */
  digestCame(nowMs: number): void;
}

/**
 * Anti-entropy at work: digests out and in, what a difference leads to. First the cheap mending, pushing recent broadcasts
 * that the other has not seen (both sides do); what remains is reconciled in a stream session.
 */
export class Comparison {
  readonly counters = { pushes: 0 };
  readonly antiEntropy: AntiEntropy;
  readonly #state: GroupState;
  readonly #link: Link;
  readonly #reach: Reach;
  readonly #broadcaster: Broadcaster;
  readonly #sessions: Sessions;
  readonly #out: ComparisonOutputs;
  #synced = false;
  #mismatches = 0;
  #differedMs = -Infinity;

  constructor(
    parts: { state: GroupState; link: Link; reach: Reach; broadcaster: Broadcaster; sessions: Sessions },
    rng: Rng,
    out: ComparisonOutputs,
  ) {
    this.#state = parts.state;
    this.#link = parts.link;
    this.#reach = parts.reach;
    this.#broadcaster = parts.broadcaster;
    this.#sessions = parts.sessions;
    this.#out = out;
    this.antiEntropy = new AntiEntropy(parts.state.members, rng, {
      digest: (to, nonce, nowMs) => this.send(KIND.digest, to, nonce, nowMs),
      ours: () => publicDigest(parts.state.digests()),
    });
  }

  /** True once a peer's state was found equal or reconciled with. */
  get synced(): boolean {
    return this.#synced;
  }

  send(kind: DigestMessage['kind'], to: NodeId, nonce: number, nowMs: number): void {
    const most = nowMs - this.#differedMs < RECENT_IDS.roughMs ? RECENT_IDS.rough : RECENT_IDS.calm;
    const recent = this.#broadcaster.seen.recent(nowMs, RECENT_MS, most);
    const hears = this.#reach.weHear(to, nowMs);
    this.#link.send(to, { kind, nonce, digests: this.#state.digests(), hears, recent });
  }

  /** A peer's digests, however they came. */
  reported(id: NodeId, digests: Digests, nowMs: number): void {
    const member = this.#state.members.get(id);
    if (member === undefined) return;
    member.reported(publicDigest(digests), nowMs);
    const ours = this.#state.digests();
    if (sameMap(digests, ours)) this.#out.caughtUp(id, nowMs);
    if (sameState(digests, ours)) this.#synced = true;
    else this.antiEntropy.changed(nowMs);
  }

  asked(sender: NodeId, m: DigestMessage, nowMs: number): void {
    this.send(KIND.digestReply, sender, m.nonce, nowMs);
    this.#compare(sender, m, nowMs);
  }

  replied(sender: NodeId, m: DigestMessage, nowMs: number): void {
    const equal = sameState(m.digests, this.#state.digests());
    const rttMs = this.antiEntropy.answered(sender, m.nonce, equal, nowMs);
    if (rttMs >= 0) this.#state.members.get(sender)?.rtt.sample(rttMs);
    const pushed = this.#compare(sender, m, nowMs);
    if (equal) {
      if (this.#state.sweep() > 0) this.antiEntropy.changed(nowMs);
      return;
    }
    const pushing = pushed > 0 || m.recent.some((id) => !this.#broadcaster.seen.has(id));
    if (pushing && this.#mismatches++ < 1 && this.#synced) return;
    this.#mismatches = 0;
    this.#reconcile(sender, m.digests, nowMs);
  }

  /** A session that this node called is over. `met`: it was called by address, not because digests differed. */
  sessionEnded(end: SessionEnd, met: boolean, nowMs: number): void {
    if (!end.ok) return;
    const first = !this.#synced;
    this.#synced = true;
    if (end.equal) this.#out.caughtUp(end.peer, nowMs);
    if (first || met) this.#out.introduce(nowMs);
    this.antiEntropy.changed(nowMs);
  }

  #reconcile(sender: NodeId, digests: Digests, nowMs: number): void {
    const address = this.#link.addressOf(sender);
    if (address === null || this.#sessions.callingTo(sender)) return;
    this.#sessions.call(
      address,
      { id: sender, digests },
      (end, endMs) => this.sessionEnded(end, false, endMs),
      nowMs,
    );
  }

  /** Returns how many broadcasts were pushed to the sender because it had not seen them. */
  #compare(sender: NodeId, m: DigestMessage, nowMs: number): number {
    this.reported(sender, m.digests, nowMs);
    this.#out.digestCame(nowMs);
    if (sameState(m.digests, this.#state.digests())) {
      this.#mismatches = 0;
      return 0;
    }
    this.#differedMs = nowMs;
    const { seen } = this.#broadcaster;
    let pushed = 0;
    for (const id of this.#comparable(m.recent, nowMs)) {
      const payload = seen.payload(id);
      if (m.recent.includes(id) || payload === null || payload.length > LIMITS.messageBytes - 64) continue;
      pushed++;
      this.counters.pushes++;
      this.#link.send(sender, { kind: KIND.repair, seq: 0, id, ageMs: seen.ageMs(id, nowMs), payload });
    }
    return pushed;
  }

  /**
   * Our recent broadcasts as far back as the other's list goes. What it names no longer it may well have had: a list cut
   * for length ends, for this, with the last broadcast on it that we had too.
   */
  #comparable(theirs: readonly number[], nowMs: number): number[] {
    const { calm, rough } = RECENT_IDS;
    const ours = this.#broadcaster.seen.recent(
      nowMs,
      RECENT_MS - RECENT_SLACK_MS,
      Math.max(calm, theirs.length),
    );
    if (theirs.length !== calm && theirs.length !== rough) return ours;
    const last = ours.findLastIndex((id) => theirs.includes(id));
    return last < 0 ? ours : ours.slice(0, last + 1);
  }
}
