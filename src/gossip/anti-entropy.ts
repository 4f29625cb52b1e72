import { jitter, type NodeId, type Rng } from '../base/index.ts';
import { type Member, type MemberList, STATE } from '../members/index.ts';

/** Pauses between rounds, milliseconds: after a difference, after a change; from there it grows while all is equal. */
const PAUSE = {
  differedMs: 300,
  firstMs: 1000,
  growth: 1.6,
  perMemberMs: 400,
  minMaxMs: 3000,
  maxMs: 30_000,
} as const;
/** A digest is sent this often in one round when no answer comes. */
const ATTEMPTS = 3;
/**
 * Every so many rounds one goes to a silent member, if there is any: that is how partitions heal. Counted, not drawn, so
 * that two sides that can meet again do so within three of the longest pauses of a small group. When only a few are down
 * (fewer than one in `fewOf`) they are contacted the more rarely the longer nobody else went: a board that was sold must not
 * cost traffic for ever, and one that is cut off by itself finds most others down and goes on asking.
 */
const SILENT = { every: 3, fewOf: 4, slowerAfterMs: 300_000, mostEvery: 48 } as const;

/**
 * A node that comes back compares with one after the other at short pauses, until each reported what it has itself: it may
 * have been killed while it told the group something, and then those that stayed differ too and have nobody else who knows.
 * The rounds are bounded, because under load reports always differ; groups of more `members`, where they could not reach
 * everybody, are left to the pauses above.
 */
const RETURN = { members: 12, rounds: 12, pauseMs: 50 } as const;

export interface AntiEntropyOutputs {
  /** What this node would report now. */
  ours(): string;
  digest(to: NodeId, nonce: number, nowMs: number): void;
}

interface Round {
  readonly peer: NodeId;
  readonly nonce: number;
  attempt: number;
  sentMs: number;
  dueMs: number;
}

/**
 * When to compare digests with whom: at a jittered pause, with one random member, now and then a silent one. The pause
 * backs off while states are equal (an idle group whispers) and starts again from a second on any change. After a restart the
 * first rounds follow each other closely.
 */
export class AntiEntropy {
  readonly counters = { rounds: 0, equal: 0, differed: 0, unanswered: 0 };
  readonly #members: MemberList;
  readonly #rng: Rng;
  readonly #out: AntiEntropyOutputs;
  #pauseMs: number = PAUSE.firstMs;
  #nextMs = Infinity;
  #round: Round | null = null;
  #startMs = 0;
  /** Rounds at short pauses still to come. */
  #returning = 0;

  constructor(members: MemberList, rng: Rng, out: AntiEntropyOutputs) {
    this.#members = members;
    this.#rng = rng;
    this.#out = out;
  }

  /** `returning`: it was in the group before this start. */
  start(nowMs: number, returning: boolean): void {
    this.#startMs = nowMs;
    this.#returning = returning && this.#members.liveCount <= RETURN.members ? RETURN.rounds : 0;
    this.#nextMs = nowMs + jitter(this.#rng, 50, 0.8);
  }

  /** The state changed, here or in what a peer reported: compare soon, and often for a while. */
  changed(nowMs: number): void {
    this.#pauseMs = PAUSE.firstMs;
    this.#nextMs = Math.min(this.#nextMs, nowMs + jitter(this.#rng, this.#pauseMs));
  }

  /** The longest pause: bounded so that small groups, too, meet across a healed partition within seconds. */
  maxPauseMs(): number {
    return Math.min(PAUSE.maxMs, Math.max(PAUSE.minMaxMs, this.#members.liveCount * PAUSE.perMemberMs));
  }

  /** The answer to a round's digest. Returns the round trip, or -1 when it is not a clean sample. */
  answered(from: NodeId, nonce: number, equal: boolean, nowMs: number): number {
    const round = this.#round;
    if (round === null || round.peer !== from || round.nonce !== nonce) return -1;
    this.#round = null;
    if (equal) {
      this.counters.equal++;
      // Rounds in quick succession tell no more of how calm the group is than one.
      if (this.#returning === 0) this.#pauseMs = Math.min(this.maxPauseMs(), this.#pauseMs * PAUSE.growth);
    } else {
      this.counters.differed++;
      this.#pauseMs = PAUSE.firstMs;
    }
    this.#nextMs = nowMs + jitter(this.#rng, equal ? this.#pauseMs : PAUSE.differedMs);
    if (this.#returning > 0) this.#nextMs = nowMs + jitter(this.#rng, RETURN.pauseMs);
    return round.attempt === 1 ? nowMs - round.sentMs : -1;
  }

  nextMs(): number {
    return this.#round === null ? this.#nextMs : this.#round.dueMs;
  }

  wake(nowMs: number): void {
    const round = this.#round;
    if (round !== null && nowMs >= round.dueMs) {
      if (round.attempt < ATTEMPTS) {
        this.#ask(round, nowMs);
        return;
      }
      this.#round = null;
      this.counters.unanswered++;
      this.#returning = 0;
      const member = this.#members.get(round.peer);
      if (member !== undefined) member.unansweredMs = nowMs;
      this.#nextMs = nowMs + jitter(this.#rng, this.#pauseMs);
    }
    if (this.#round === null && nowMs >= this.#nextMs) this.#begin(nowMs);
  }

  #begin(nowMs: number): void {
    this.#nextMs = Infinity;
    this.counters.rounds++;
    const silentTurn = this.counters.rounds % this.#silentEvery(nowMs) === 0;
    const known = (m: Member): boolean => m.record.state !== STATE.left;
    // With nobody else left, those believed gone are asked: that may be a mistake, or another may be at their address.
    const peer =
      this.#notCaughtUp() ??
      (silentTurn ? this.#members.pick(this.#rng, isSilent) : null) ??
      this.#members.pick(this.#rng, (m) => known(m) && !isSilent(m)) ??
      this.#members.pick(this.#rng, known) ??
      this.#members.pick(this.#rng, () => true);
    if (peer === null) {
      this.#pauseMs = Math.min(PAUSE.maxMs, this.#pauseMs * PAUSE.growth);
      this.#nextMs = nowMs + jitter(this.#rng, this.#pauseMs);
      return;
    }
    this.#round = { peer: peer.record.id, nonce: this.#rng.u32(), attempt: 0, sentMs: nowMs, dueMs: 0 };
    this.#ask(this.#round, nowMs);
  }

  /** Whom a node that came back has yet to agree with; those first that are known to differ. */
  #notCaughtUp(): Member | null {
    if (this.#returning === 0) return null;
    this.#returning--;
    const ours = this.#out.ours();
    const heard = (m: Member): boolean => m.digestMs >= this.#startMs;
    const live = (m: Member): boolean => m.record.state <= STATE.suspect && !isSilent(m);
    const peer =
      this.#members.pick(this.#rng, (m) => live(m) && heard(m) && m.digest !== ours) ??
      this.#members.pick(this.#rng, (m) => live(m) && !heard(m));
    if (peer === null) this.#returning = 0;
    return peer;
  }

  #silentEvery(nowMs: number): number {
    let down = 0;
    let lastMs = -Infinity;
    for (const member of this.#members.all()) {
      if (!isSilent(member)) continue;
      if (member.record.state !== STATE.down) return SILENT.every;
      down++;
      lastMs = Math.max(lastMs, member.stateMs);
    }
    if (down * SILENT.fewOf >= down + this.#members.liveCount) return SILENT.every;
    return Math.min(
      SILENT.mostEvery,
      Math.ceil(SILENT.every * (1 + (nowMs - lastMs) / SILENT.slowerAfterMs)),
    );
  }

  #ask(round: Round, nowMs: number): void {
    round.attempt++;
    round.sentMs = nowMs;
    const rto = this.#members.get(round.peer)?.rtt.timeoutMs() ?? 500;
    round.dueMs = nowMs + rto * round.attempt;
    this.#out.digest(round.peer, round.nonce, nowMs);
  }
}

/** Believed gone, or not heard since it last left a round unanswered. A member nobody asked yet is believed to be there. */
function isSilent({ record, heardMs, unansweredMs }: Member): boolean {
  return record.state === STATE.down || (record.state !== STATE.left && unansweredMs > heardMs);
}
