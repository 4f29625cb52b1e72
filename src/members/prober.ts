import { jitter, LIMITS, type NodeId, type Rng } from '../base/index.ts';
import { LocalHealth } from './health.ts';
import type { MemberList } from './list.ts';
import { type MemberRecord, STATE } from './record.ts';
import { RoundTrip } from './rtt.ts';
import { SUSPICION, Suspicion, suspicionMs } from './suspicion.ts';
import { Targets } from './targets.ts';

/**
 * The rate of probing and the patience before `down`, milliseconds. A dead member is first probed within two periods, is
 * suspected some seven answer times later (60 ms each on a LAN), and called down after
 * `suspicionPeriods * probePeriodMs` more when three others confirm it, three times that when nobody does; both are
 * multiplied by this node's local health. Traffic: one probe and one answer of 56 bytes each, headers included,
 * per node and period, whatever the size of the group. (README, "Failure detection", has it as a table for operators.)
 */
export interface DetectionSettings {
  readonly probePeriodMs: number;
  readonly suspicionPeriods: number;
  /** Members asked to probe for this one when an answer is missing (SWIM's k). */
  readonly helpers: number;
}

export const DETECTION: DetectionSettings = { probePeriodMs: 800, suspicionPeriods: 1.25, helpers: 3 };

/**
 * Probes sent directly in one round before it fails, and how many more for each point of local health: they cost less than a
 * suspicion that all are told of. Helpers are asked with the third, and have so many answer times for it.
 */
const ROUND = { attempts: 4, perScore: 2, askAt: 3, helperTimes: 5 } as const;
/** Probes of an errand for another before the answer is that there was none. */
const ERRAND_ATTEMPTS = 3;
/** While it accuses, a node probes this often within the shortest suspicion, and asks a helper every other time. */
const VERIFICATIONS = 10;
/** A timer this late is shifted along with all others; so late, the process had stopped and what it waited for is void. */
const LATE = { shiftMs: 60, stallMs: 500 } as const;
/** The answer of a member never measured may take this much longer than the average of all. */
const UNMEASURED = 1.5;

export interface ProberOutputs {
  probe(to: NodeId, nonce: number, nowMs: number): void;
  /** Asks a member to probe another. */
  ask(helper: NodeId, target: NodeId, nonce: number, nowMs: number): void;
  /** Tells who asked whether the target answered. */
  report(to: NodeId, nonce: number, answered: boolean, record: MemberRecord | null, nowMs: number): void;
  /** This node accuses a member: publish it, with all the accusers known. */
  suspect(id: NodeId, accusers: readonly NodeId[], nowMs: number): void;
  /** A suspicion was not refuted in time: publish it. */
  down(id: NodeId, nowMs: number): void;
}

/** Probes of one target, sent again and again until one is answered or the round gives up. */
interface Round {
  readonly kind: 'probe' | 'errand' | 'suspicion';
  readonly target: NodeId;
  readonly gapMs: number;
  /** Errands: who asked, under which nonce. */
  readonly from: NodeId | null;
  readonly fromNonce: number;
  startMs: number;
  dueMs: number;
  /** Probe rounds: when it fails, once helpers were asked. */
  failMs: number;
  attempts: number;
  /** Attempts before it gives up. */
  readonly limit: number;
  /** Nonces it used, of probes and of questions to helpers. */
  readonly nonces: number[];
  asked: number;
  readonly nacks: NodeId[];
}

/** What a nonce stands for. */
interface Sent {
  readonly round: Round;
  readonly to: NodeId;
  readonly sentMs: number;
}

/** The failure detector; see the room's header for what it is, and `DetectionSettings` for its times. */
export class Prober {
  readonly health = new LocalHealth();
  readonly counters = {
    probes: 0,
    resent: 0,
    answered: 0,
    failed: 0,
    asked: 0,
    nacks: 0,
    nacksMissed: 0,
    errands: 0,
    errandsRefused: 0,
    suspicions: 0,
    downs: 0,
    lateTimers: 0,
    stalls: 0,
  };
  readonly #members: MemberList;
  readonly #rng: Rng;
  readonly #out: ProberOutputs;
  readonly #settings: DetectionSettings;
  readonly #targets: Targets;
  /** Of all members together: what to expect of one never measured. */
  readonly #rtt = new RoundTrip();
  readonly #rounds = new Set<Round>();
  readonly #sent = new Map<number, Sent>();
  readonly #suspicions = new Map<NodeId, Suspicion>();
  #errands = 0;
  #probeMs = Infinity;
  #wantedMs = Infinity;
  /** When it was last found that a timer was late. */
  #lateMs = -Infinity;

  constructor(members: MemberList, rng: Rng, settings: DetectionSettings, out: ProberOutputs) {
    this.#members = members;
    this.#rng = rng;
    this.#settings = settings;
    this.#out = out;
    this.#targets = new Targets(members, rng);
  }

  get suspected(): number {
    return this.#suspicions.size;
  }

  start(nowMs: number): void {
    this.#probeMs = nowMs + jitter(this.#rng, this.#settings.probePeriodMs / 2, 0.9);
    for (const { record } of this.#members.all()) this.changed(record, nowMs);
  }

  stop(): void {
    this.#probeMs = Infinity;
    this.#wantedMs = Infinity;
    for (const round of this.#rounds) this.#close(round);
    this.#suspicions.clear();
  }

  /**
   * How late is this input? The time a process did not run does not count against others, whose
   * answers may be waiting to be read: running rounds get it back, and after a stall they are void.
   */
  #arrive(nowMs: number): void {
    const lateMs = nowMs - this.#wantedMs;
    if (!(lateMs > LATE.shiftMs)) return;
    this.#wantedMs = Infinity;
    this.#lateMs = nowMs;
    this.counters.lateTimers++;
    const stalled = lateMs > LATE.stallMs;
    if (stalled) {
      this.counters.stalls++;
      this.health.worsen(1);
    }
    for (const round of this.#rounds) {
      if (stalled && round.kind === 'probe') this.#close(round);
      round.startMs += lateMs;
      round.dueMs += lateMs;
      round.failMs += lateMs;
    }
    for (const suspicion of this.#suspicions.values()) suspicion.checkMs += lateMs;
    if (this.#probeMs < nowMs) this.#probeMs = nowMs + jitter(this.#rng, this.#settings.probePeriodMs / 2);
  }

  /** A member's record is new or changed. */
  changed(record: MemberRecord, nowMs: number): void {
    const { id, state, incarnation } = record;
    if (id === this.#members.self) return;
    const known = this.#suspicions.get(id);
    if (state === STATE.suspect) {
      if (known?.incarnation === incarnation) return;
      // Somebody decides within the longest suspicion; else this node looks for itself.
      this.#suspicions.set(id, new Suspicion(incarnation, nowMs + this.#patienceMs()));
    } else this.#suspicions.delete(id);
    if (state === STATE.suspect && known === undefined) return;
    for (const round of this.#rounds) {
      if (round.target !== id || round.kind === 'errand') continue;
      if (round.kind === 'suspicion' || state > STATE.suspect) this.#close(round);
    }
  }

  /** Others accuse a member too. */
  accused(id: NodeId, incarnation: number, accusers: readonly NodeId[]): void {
    const suspicion = this.#suspicions.get(id);
    if (suspicion?.incarnation === incarnation) suspicion.accuse(accusers);
  }

  /** An answer to a probe; returns whether that one was still open. `record` is the sender's own, when it came along. */
  answered(from: NodeId, nonce: number, record: MemberRecord | null, nowMs: number): boolean {
    // After a stall an answer may be read before any timer runs.
    this.#arrive(nowMs);
    const sent = this.#sent.get(nonce);
    if (sent === undefined || sent.to !== from || sent.round.target !== from) {
      // Too late for its round; yet it lives.
      for (const round of this.#rounds)
        if (round.kind === 'suspicion' && round.target === from) this.#settle(round, record, nowMs);
      return false;
    }
    const { round } = sent;
    this.#measure(from, round, nowMs - sent.sentMs, sent.sentMs);
    if (round.kind === 'probe') {
      this.counters.answered++;
      if (round.attempts === 1) this.health.improve();
      else if (round.attempts >= ROUND.askAt) this.health.worsen(1);
    }
    this.#settle(round, record, nowMs);
    return true;
  }

  /**
   * What a probe across a stall of this process took is no round trip. Nor is that of one under suspicion, which may itself
   * have stood still; but it may be that its timeout is too short, and then the next rounds have to learn better.
   */
  #measure(from: NodeId, round: Round, rttMs: number, sentMs: number): void {
    if (sentMs < this.#lateMs) return;
    const rtt = this.#members.get(from)?.rtt;
    if (round.kind === 'suspicion' && rtt !== undefined && rtt.srttMs >= 0) {
      rtt.late();
      return;
    }
    rtt?.sample(rttMs);
    if (round.kind !== 'suspicion') this.#rtt.sample(rttMs);
  }

  /** A helper tells whether the target answered it. */
  reported(from: NodeId, nonce: number, answered: boolean, nowMs: number): void {
    const sent = this.#sent.get(nonce);
    if (sent === undefined || sent.to !== from || sent.round.target === from) return;
    const { round } = sent;
    if (answered) {
      this.#settle(round, null, nowMs);
      return;
    }
    this.counters.nacks++;
    this.#sent.delete(nonce);
    round.nacks.push(from);
    if (round.kind === 'suspicion') this.#suspicions.get(round.target)?.accuse([from]);
    else if (round.nacks.length === round.asked && round.attempts === round.limit)
      round.dueMs = Math.min(round.dueMs, nowMs);
  }

  /** A member asks this node to probe another for it. */
  errand(from: NodeId, nonce: number, target: NodeId, nowMs: number): void {
    if (target === this.#members.self || this.#members.get(target) === undefined) return;
    if (this.#errands >= LIMITS.probeErrands) {
      this.counters.errandsRefused++;
      return;
    }
    this.counters.errands++;
    this.#errands++;
    this.#begin('errand', target, nowMs, from, nonce);
  }

  nextMs(): number {
    let next = this.#probeMs;
    for (const { dueMs } of this.#rounds) if (dueMs < next) next = dueMs;
    for (const { checkMs } of this.#suspicions.values()) if (checkMs < next) next = checkMs;
    return next;
  }

  /** To be called with every input. */
  wake(nowMs: number): void {
    this.#arrive(nowMs);
    for (const round of this.#rounds) if (nowMs >= round.dueMs) this.#step(round, nowMs);
    for (const [id, suspicion] of this.#suspicions) {
      if (nowMs < suspicion.checkMs) continue;
      suspicion.checkMs = nowMs + this.#patienceMs();
      if (!this.#probing(id)) this.#begin('probe', id, nowMs);
    }
    if (nowMs >= this.#probeMs) {
      const { probePeriodMs } = this.#settings;
      this.#probeMs = nowMs + jitter(this.#rng, probePeriodMs * (1 + this.health.score / 2), 0.1);
      const target = this.#targets.next((id) => !this.#probing(id));
      if (target !== null) this.#begin('probe', target, nowMs);
      // Nobody is left to ask whose answer would show that this node is well.
      else if (this.#rounds.size === 0) this.health.improve();
    }
    this.#wantedMs = this.nextMs();
  }

  #probing(id: NodeId): boolean {
    for (const round of this.#rounds) if (round.target === id && round.kind !== 'errand') return true;
    return false;
  }

  #minMs(): number {
    return this.#settings.suspicionPeriods * this.#settings.probePeriodMs * this.health.factor;
  }

  /** How long others have to decide. */
  #patienceMs(): number {
    return jitter(this.#rng, 2 * SUSPICION.maxOfMin * this.#minMs());
  }

  /** How long one answer may take. */
  #gapMs(id: NodeId): number {
    const rtt = this.#members.get(id)?.rtt;
    const ms = rtt === undefined || rtt.srttMs < 0 ? UNMEASURED * this.#rtt.timeoutMs() : rtt.timeoutMs();
    return Math.min(ms, this.#settings.probePeriodMs);
  }

  #begin(
    kind: Round['kind'],
    target: NodeId,
    nowMs: number,
    from: NodeId | null = null,
    fromNonce = 0,
  ): void {
    let gapMs = this.#gapMs(target);
    // A sick node waits longer, and asks the more often: but an errand is done in its asker's time.
    if (kind === 'probe') gapMs *= 1 + this.health.score / 4;
    if (kind === 'suspicion') gapMs = Math.max(gapMs, this.#minMs() / this.health.factor / VERIFICATIONS);
    const round: Round = {
      kind,
      target,
      gapMs,
      from,
      fromNonce,
      startMs: nowMs,
      dueMs: nowMs,
      failMs: Infinity,
      attempts: 0,
      limit: kind === 'errand' ? ERRAND_ATTEMPTS : ROUND.attempts + ROUND.perScore * this.health.score,
      nonces: [],
      asked: 0,
      nacks: [],
    };
    this.#rounds.add(round);
    this.#step(round, nowMs);
  }

  #step(round: Round, nowMs: number): void {
    if (round.kind === 'suspicion') this.#verify(round, nowMs);
    else if (round.kind === 'errand') this.#run(round, nowMs);
    else this.#probe(round, nowMs);
  }

  #probe(round: Round, nowMs: number): void {
    if (round.attempts < round.limit) {
      this.#send(round, nowMs);
      round.dueMs = nowMs + round.gapMs;
      if (round.attempts !== ROUND.askAt) return;
      this.#ask(round, this.#settings.helpers, nowMs);
      round.failMs = nowMs + Math.max(ROUND.helperTimes, round.limit - ROUND.askAt + 1) * round.gapMs;
      return;
    }
    if (nowMs < round.failMs && round.nacks.length < round.asked) {
      round.dueMs = round.failMs;
      return;
    }
    this.#close(round);
    this.counters.failed++;
    // Helpers that did not even say so: the trouble may be here.
    const missed = round.asked - round.nacks.length;
    this.counters.nacksMissed += missed;
    this.health.worsen(round.asked === 0 ? 1 : missed);
    this.#accuse(round.target, round.nacks, nowMs);
  }

  /** Looked at for another: no accusation follows. */
  #run(round: Round, nowMs: number): void {
    if (round.attempts < round.limit) {
      this.#send(round, nowMs);
      round.dueMs = nowMs + round.gapMs;
      return;
    }
    this.#close(round);
    this.#out.report(round.from as NodeId, round.fromNonce, false, null, nowMs);
  }

  #accuse(id: NodeId, nackers: readonly NodeId[], nowMs: number): void {
    const member = this.#members.get(id);
    if (member === undefined || !this.#members.isLive(id)) return;
    let suspicion = this.#suspicions.get(id);
    if (suspicion === undefined) {
      suspicion = new Suspicion(member.record.incarnation, Infinity);
      this.#suspicions.set(id, suspicion);
    }
    suspicion.accuse([this.#members.self, ...nackers]);
    this.counters.suspicions++;
    // Published first, so that the very next probe tells the suspect.
    this.#out.suspect(id, suspicion.accusers, nowMs);
    if (this.#suspicions.has(id)) this.#begin('suspicion', id, nowMs);
  }

  /** An accuser goes on asking, itself and by helpers: only one whom the suspect never answers may call it down. */
  #verify(round: Round, nowMs: number): void {
    const suspicion = this.#suspicions.get(round.target);
    if (suspicion === undefined) {
      this.#close(round);
      return;
    }
    const wanted = Math.min(SUSPICION.confirmations, this.#members.liveCount - 2);
    const timeoutMs = suspicionMs(this.#minMs(), suspicion.confirmations, wanted);
    if (nowMs - round.startMs >= timeoutMs && round.attempts >= VERIFICATIONS / 2) {
      this.#close(round);
      this.counters.downs++;
      this.#out.down(round.target, nowMs);
      return;
    }
    this.#send(round, nowMs);
    if (round.attempts % 2 === 0) this.#ask(round, 1, nowMs);
    const leftMs = round.startMs + timeoutMs - nowMs;
    round.dueMs = nowMs + (leftMs > 0 ? Math.min(round.gapMs, leftMs) : round.gapMs);
  }

  #send(round: Round, nowMs: number): void {
    round.attempts++;
    if (round.kind === 'probe' && round.attempts === 1) this.counters.probes++;
    else this.counters.resent++;
    this.#out.probe(round.target, this.#nonce(round, round.target, nowMs), nowMs);
  }

  #ask(round: Round, count: number, nowMs: number): void {
    for (const helper of this.#targets.helpers(count, round.target)) {
      round.asked++;
      this.counters.asked++;
      this.#out.ask(helper, round.target, this.#nonce(round, helper, nowMs), nowMs);
    }
  }

  #nonce(round: Round, to: NodeId, sentMs: number): number {
    const nonce = this.#rng.u32();
    round.nonces.push(nonce);
    this.#sent.set(nonce, { round, to, sentMs });
    return nonce;
  }

  /** The target answered. */
  #settle(round: Round, record: MemberRecord | null, nowMs: number): void {
    this.#close(round);
    const suspicion = this.#suspicions.get(round.target);
    if (suspicion !== undefined) suspicion.checkMs = nowMs + this.#patienceMs();
    if (round.kind === 'errand') this.#out.report(round.from as NodeId, round.fromNonce, true, record, nowMs);
  }

  #close(round: Round): void {
    if (!this.#rounds.delete(round)) return;
    if (round.kind === 'errand') this.#errands--;
    for (const nonce of round.nonces) this.#sent.delete(nonce);
  }
}
