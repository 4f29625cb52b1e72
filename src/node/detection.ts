import { BoundedMap, LIMITS, mix32, type NodeId, type Rng } from '../base/index.ts';
import { type DetectionSettings, Prober, STATE } from '../members/index.ts';
import { KIND, type Message, type ProbeMessage, type Standing } from '../wire/index.ts';
import type { Accusation, Outbox } from './group.ts';
import type { Link } from './link.ts';
import type { Roster } from './roster.ts';
import type { GroupState } from './state.ts';

/** A member not taken for alive that is heard after all is told so, at most this often. */
const TELL_PAUSE_MS = 1000;
/** One that left may go on talking for this long. */
const FAREWELL_MS = 3000;

export interface DetectionOutputs {
  /** A member answered a probe of this node. */
  answered(id: NodeId, nowMs: number): void;
  hears(id: NodeId, nowMs: number): boolean;
  confirmed(id: NodeId, hears: boolean, nowMs: number): void;
  /** A peer's digests are not ours. */
  differs(nowMs: number): void;
}

/**
 * The failure detector at work: its messages out and in, its verdicts to the roster and the group, and to the accused. To
 * whom a node does not take for alive, every probe and answer says so, with the incarnation that this is about; the
 * receiver takes it back and answers with its new record.
 */
export class Detection {
  readonly counters = { told: 0, introduced: 0 };
  readonly prober: Prober;
  readonly probePeriodMs: number;
  readonly #state: GroupState;
  readonly #roster: Roster;
  readonly #link: Link;
  readonly #outbox: Outbox;
  readonly #rng: Rng;
  readonly #out: DetectionOutputs;
  readonly #toldMs = new BoundedMap<NodeId, number>(LIMITS.toldMembers);

  constructor(
    parts: { state: GroupState; roster: Roster; link: Link; outbox: Outbox },
    rng: Rng,
    settings: DetectionSettings,
    out: DetectionOutputs,
  ) {
    this.#state = parts.state;
    this.#roster = parts.roster;
    this.#link = parts.link;
    this.#outbox = parts.outbox;
    this.#rng = rng;
    this.#out = out;
    this.probePeriodMs = settings.probePeriodMs;
    this.prober = new Prober(parts.state.members, rng, settings, {
      probe: (to, nonce, nowMs) => this.#send(KIND.probe, to, nonce, false, nowMs),
      ask: (helper, target, nonce) => this.#link.send(helper, { kind: KIND.probeAsk, nonce, target }),
      report: (to, nonce, answered, record) =>
        this.#link.send(to, { kind: KIND.probeReport, nonce, answered, record }),
      suspect: (id, accusers, nowMs) => this.#publish(id, STATE.suspect, accusers, nowMs),
      down: (id, nowMs) => this.#publish(id, STATE.down, null, nowMs),
    });
  }

  /** Returns false when the message is none of the detector's. */
  received(sender: NodeId, m: Message, nowMs: number): boolean {
    switch (m.kind) {
      case KIND.probe:
      case KIND.probeAck:
        this.#probeCame(sender, m, nowMs);
        break;
      case KIND.probeAsk:
        this.prober.errand(sender, m.nonce, m.target, nowMs);
        break;
      case KIND.probeReport:
        if (m.record !== null) this.#roster.merge(m.record, m.record.id, nowMs);
        this.prober.reported(sender, m.nonce, m.answered, nowMs);
        break;
      default:
        return false;
    }
    return true;
  }

  accused({ id, incarnation, accusers }: Accusation): void {
    this.prober.accused(id, incarnation, accusers);
  }

  /** Anything came from a member: is it one that should know that it is not taken for alive? */
  heard(id: NodeId, kind: number, nowMs: number): void {
    const member = this.#state.members.get(id);
    if (member === undefined || member.record.state < STATE.down) return;
    // Probes are answered anyway, and the answer says it.
    if (kind === KIND.probe || kind === KIND.probeAck) return;
    if (member.record.state === STATE.left && nowMs - member.stateMs < FAREWELL_MS) return;
    if (this.#toldOfLate(id, nowMs)) return;
    this.counters.told++;
    this.#send(KIND.probe, id, this.#rng.u32(), false, nowMs);
  }

  #probeCame(sender: NodeId, m: ProbeMessage, nowMs: number): void {
    if (m.record !== null && m.record.id === sender) this.#roster.merge(m.record, sender, nowMs);
    this.#out.confirmed(sender, m.hears, nowMs);
    if (m.standing !== null) this.#roster.told(m.standing.state, m.standing.incarnation, nowMs);
    const answering = m.kind === KIND.probe;
    if (answering) this.#send(KIND.probeAck, sender, m.nonce, m.standing !== null, nowMs);
    else {
      if (this.prober.answered(sender, m.nonce, m.record, nowMs)) this.#out.answered(sender, nowMs);
      if (m.standing !== null && !this.#toldOfLate(sender, nowMs)) {
        // It holds something older against us: here is the new record.
        this.counters.introduced++;
        this.#send(KIND.probe, sender, this.#rng.u32(), true, nowMs);
      }
    }
    if (m.digest !== this.#digest()) this.#out.differs(nowMs);
  }

  #send(kind: ProbeMessage['kind'], to: NodeId, nonce: number, introduce: boolean, nowMs: number): void {
    const record = introduce ? this.#roster.me() : null;
    const hears = this.#out.hears(to, nowMs);
    this.#link.send(to, {
      kind,
      nonce,
      digest: this.#digest(),
      hears,
      standing: this.#standingOf(to),
      record,
    });
  }

  #standingOf(id: NodeId): Standing | null {
    const record = this.#state.members.get(id)?.record;
    if (record === undefined || record.state === STATE.alive) return null;
    return { state: record.state, incarnation: record.incarnation };
  }

  #publish(
    id: NodeId,
    state: typeof STATE.suspect | typeof STATE.down,
    accusers: readonly NodeId[] | null,
    nowMs: number,
  ): void {
    const before = this.#state.members.get(id)?.record;
    if (before === undefined || before.state > state) return;
    this.#roster.merge({ ...before, state }, this.#state.members.self, nowMs);
    const { record } = this.#state.members.get(id) ?? { record: before };
    if (accusers === null) this.#outbox.addRecord(record, nowMs);
    else this.#outbox.addSuspicion(record, accusers, nowMs);
  }

  #digest(): number {
    const d = this.#state.digests();
    return mix32(d.mapHi ^ mix32(d.mapLo ^ mix32(d.standingHi ^ mix32(d.standingLo)))) >>> 0;
  }

  #toldOfLate(id: NodeId, nowMs: number): boolean {
    const last = this.#toldMs.get(id);
    if (last !== undefined && nowMs - last < TELL_PAUSE_MS) return true;
    this.#toldMs.set(id, nowMs);
    return false;
  }
}
