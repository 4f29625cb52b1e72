import type { NodeId } from '../base/index.ts';
import { type Delta, type DeltaEntry, type RangeKey, respondReconcile, type Span } from '../crdt/index.ts';
import type { MemberRecord } from '../members/index.ts';
import { type Newer, reconcileFromWire, reconcileToWire } from '../wire/index.ts';
import type { Counters } from './counters.ts';
import type { Disk } from './disk.ts';
import { type Accusation, decodeGroup } from './group.ts';
import { Propagation } from './propagation.ts';
import { Arrivals, type Publication } from './publications.ts';
import type { GroupState } from './state.ts';

export interface IntakeOutputs {
  mergeRecord(record: MemberRecord, from: NodeId, nowMs: number): void;
  accused(accusation: Accusation): void;
  /** The map grew by something that came from elsewhere. */
  changed(nowMs: number): void;
  /** A message that another node published. */
  published(publication: Publication): void;
  /** Peers know dots of this node from `next` down that it does not know itself. */
  lifted(next: number): void;
}

/** So many removals in one journal record: it stays far below LIMITS.journalRecordBytes. */
const GONE_PER_RECORD = 8192;

/** Where changes from elsewhere come in: groups of a broadcast, and steps of a reconciliation. */
export class Intake {
  readonly counters = { malformedGroups: 0, malformedSteps: 0, lifts: 0 };
  readonly propagation = new Propagation();
  /** Of what had been missed and was sent again: it was lost, or this node was away. */
  readonly repaired = new Propagation();
  /** In the groups that came. */
  readonly newer: Newer = { messages: 0, records: 0, groups: 0 };
  readonly arrivals: Arrivals;
  readonly #state: GroupState;
  readonly #disk: Disk;
  readonly #dots: Counters;
  readonly #out: IntakeOutputs;

  constructor(state: GroupState, disk: Disk, dots: Counters, out: IntakeOutputs) {
    this.#state = state;
    this.#disk = disk;
    this.#dots = dots;
    this.#out = out;
    this.arrivals = new Arrivals(state.members.self, (publication) => out.published(publication));
  }

  /**
   * A broadcast's payload that is new here. `ageMs` is its age when the last hop sent it. False: it is no change, and nobody
   * needs it later.
   */
  deliver(payload: Uint8Array, from: NodeId, ageMs: number, nowMs: number, repaired: boolean): boolean {
    const group = decodeGroup(payload, this.newer);
    if (group === null) {
      this.counters.malformedGroups++;
      return true;
    }
    if (group.batch !== null) {
      this.arrivals.came(group.origin, group.batch, nowMs);
      if (group.deltas.length + group.records.length === 0) return false;
    }
    const rttMs = this.#state.members.get(from)?.srttMs ?? -1;
    (repaired ? this.repaired : this.propagation).add(ageMs + Math.max(0, rttMs) / 2);
    for (const record of group.records) this.#out.mergeRecord(record, group.origin, nowMs);
    for (const accusation of group.accusations) this.#out.accused(accusation);
    let changed = false;
    for (const delta of group.deltas) {
      if (!this.#state.join(delta, group.origin).inflated) continue;
      changed = true;
      this.#disk.noteDelta(delta);
    }
    if (changed) this.#grown(nowMs);
    return true;
  }

  /** Answers a step of a reconciliation; null when it is malformed. */
  reconcile(value: Uint8Array, nowMs: number): Uint8Array[] | null {
    const step = reconcileFromWire(value);
    if (step === null) {
      this.counters.malformedSteps++;
      return null;
    }
    const { reply, changes, inflated, refused, gone } = respondReconcile(this.#state.map, step);
    if (refused !== null) this.#state.counters.joinsRefused++;
    const entries = new Map<string, DeltaEntry>();
    if (step.kind === 'parts') for (const entry of step.delta.entries) entries.set(keyOf(entry), entry);
    for (const change of changes) {
      const author = change.after === 0 ? null : authorOf(entries.get(keyOf(change)));
      this.#state.follow({ changes: [change] }, author);
    }
    this.#state.lowered(changes);
    if (inflated && step.kind === 'parts') this.#note(step.delta, gone);
    if (inflated) this.#grown(nowMs);
    return (reply ?? []).map(reconcileToWire);
  }

  /**
   * Removals that listings told are on the disk too: else, were the node that released never to come back, a group that
   * was switched off as a whole could come up with the released entry.
   */
  #note(delta: Delta, gone: readonly Span[]): void {
    if (delta.entries.length + delta.context.length > 0) this.#disk.noteDelta(delta);
    for (let at = 0; at < gone.length; at += GONE_PER_RECORD) {
      this.#disk.noteDelta({ entries: [], context: gone.slice(at, at + GONE_PER_RECORD) });
    }
  }

  #grown(nowMs: number): void {
    this.#out.changed(nowMs);
    // An older state directory was put back: never use again what it had used later.
    if (!this.#dots.lift(this.#state.map.seenOf(this.#state.members.self))) return;
    this.counters.lifts++;
    this.#out.lifted(this.#dots.next);
  }
}

const keyOf = ({ node, start, end }: RangeKey): string => `${node}${start}-${end}`;

/** Who made a change that comparing brought: the one that wrote what now counts. Of a removal nothing tells. */
function authorOf(entry: DeltaEntry | undefined): NodeId | null {
  const author = entry?.live[0]?.actor ?? null;
  return entry?.live.every((dot) => dot.actor === author) ? author : null;
}
