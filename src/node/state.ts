import { BoundedMap, hex64, mix32, type NodeId } from '../base/index.ts';
import { AworMap, type Delta, type JoinResult, type RangeKey } from '../crdt/index.ts';
import {
  MemberList,
  type MemberRecord,
  type MergeResult,
  STATE,
  STATE_NAMES,
  type Views,
} from '../members/index.ts';
import { OwnershipView } from '../ranges/index.ts';
import type { Digests } from '../wire/index.ts';
import type { NodeEvent } from './machine.ts';

/** Entries that await their sweep; of more, the oldest stay as they are: released, with a few bytes each. */
const LOW_ENTRIES = 4096;

/** A span of positions whose owners changed, and by what: told at the end of the input that did it. */
interface Moved {
  readonly subject: NodeId;
  readonly origin: NodeId | null;
  start: number;
  end: number;
}

/**
 * All that is replicated (the map and the member records), the ownership view that follows from both, and the events
 * that tell of each change. The one place where either changes.
 */
export class GroupState {
  readonly map = new AworMap();
  readonly members: MemberList;
  readonly ownership = new OwnershipView();
  readonly counters = { joinsRefused: 0, membersRefused: 0, sweeps: 0 };
  readonly #emit: (event: NodeEvent) => void;
  /** By subject and origin: as many as an input has of them. */
  readonly #moved = new Map<string, Moved>();
  /** Entries at zero or below that await their sweep, by when they came to be so: since the last equal round, before. */
  #low = new BoundedMap<string, RangeKey>(LOW_ENTRIES);
  #lowLong = new BoundedMap<string, RangeKey>(LOW_ENTRIES);

  constructor(self: MemberRecord, emit: (event: NodeEvent) => void, views?: Views) {
    this.members = new MemberList(self, views);
    this.#emit = emit;
  }

  /** Joins a delta that came from elsewhere, and remembers what it brought to zero or below. */
  join(delta: Delta, origin: NodeId | null): JoinResult {
    const result = this.map.join(delta);
    if (result.refused !== null) {
      this.counters.joinsRefused++;
      return result;
    }
    this.follow(result, origin);
    this.lowered(delta.entries);
    return result;
  }

  /**
   * Entries that joins have touched: those at zero or below are to be swept. Not at once, for changes overtake each
   * other: a decrease that came before what it decreases would be swept away, and what it decreases then come back whole.
   */
  lowered(entries: readonly RangeKey[]): void {
    for (const { node, start, end } of entries) {
      const key = { node, start, end };
      if (this.map.needsSweep(key)) this.#low.set(`${node}${start}-${end}`, key);
    }
  }

  /**
   * A round of comparing found a peer equal: sweeps what was low in the round before already, and of which nothing is
   * known to be missing. Returns how many.
   */
  sweep(): number {
    let swept = 0;
    for (const key of this.#lowLong.values()) {
      if (!this.map.needsSweep(key)) continue;
      if (!this.map.isWhole(key)) this.lowered([key]);
      else if (this.map.sweep(key) !== null) swept++;
    }
    this.#lowLong = this.#low;
    this.#low = new BoundedMap(LOW_ENTRIES);
    this.counters.sweeps += swept;
    return swept;
  }

  /** A delta from the state directory: nobody is told. */
  restoreDelta(delta: Delta): void {
    for (const { node, start, end, after } of this.map.join(delta).changes) {
      this.#show(node, start, end, after);
    }
    this.ownership.takeChanged();
  }

  restoreMember(record: MemberRecord): void {
    this.members.merge(record);
    this.#watch(record.id);
    this.ownership.takeChanged();
  }

  /** Brings a registration into the view. */
  #show(node: NodeId, start: number, end: number, priority: number): void {
    if (priority > 0 && !this.ownership.holds(node)) this.ownership.setLive(node, this.members.isLive(node));
    this.ownership.setRegistration(node, start, end, priority);
  }

  /** A member's state may have changed: of one without registrations the view need not know. */
  #watch(id: NodeId): void {
    if (this.ownership.holds(id)) this.ownership.setLive(id, this.members.isLive(id));
  }

  /** Brings view and watchers up to changes made to the map. */
  follow(result: Pick<JoinResult, 'changes'>, origin: NodeId | null): void {
    for (const { node, start, end, before, after } of result.changes) {
      this.#show(node, start, end, after);
      this.#noteOwners(node, origin);
      const type = before === 0 ? 'range-registered' : after === 0 ? 'range-released' : 'range-priority';
      const range = { start, end, priority: after === 0 ? null : after };
      this.#emit({ type, subject: node, name: this.nameOf(node), origin, range });
    }
  }

  /** Joins a member record and tells what that did. */
  merge(record: MemberRecord, origin: NodeId | null): MergeResult {
    const result = this.members.merge(record);
    if (result.kind === 'full') this.counters.membersRefused++;
    if (result.kind !== 'new' && result.kind !== 'changed') return result;
    const now = result.member.record;
    this.#watch(now.id);
    this.#noteOwners(now.id, null);
    const before = result.kind === 'new' ? null : result.before;
    const type = eventOf(before, now);
    if (type !== null) {
      const member = {
        status: STATE_NAMES[now.state],
        address: now.addresses[0] as MemberRecord['addresses'][number],
        incarnation: now.incarnation,
        was: before === null ? null : STATE_NAMES[before.state],
      };
      this.#emit({ type, subject: now.id, name: now.name, origin, member });
    }
    return result;
  }

  /** For each node whose registrations or life changed since the last call, one event for all positions it moved. */
  announceOwners(): void {
    if (this.#moved.size === 0) return;
    for (const { subject, origin, start, end } of this.#moved.values()) {
      const range = { start, end, priority: null };
      this.#emit({ type: 'owners-changed', subject, name: this.nameOf(subject), origin, range });
    }
    this.#moved.clear();
  }

  #noteOwners(subject: NodeId, origin: NodeId | null): void {
    const span = this.ownership.takeChanged();
    if (span === null) return;
    const key = `${subject}${origin ?? ''}`;
    const moved = this.#moved.get(key);
    if (moved === undefined) {
      this.#moved.set(key, { subject, origin, start: span.start, end: span.end });
      return;
    }
    moved.start = Math.min(moved.start, span.start);
    moved.end = Math.max(moved.end, span.end);
  }

  nameOf(id: NodeId): string {
    return this.members.get(id)?.record.name ?? id;
  }

  digests(): Digests {
    const [mapHi, mapLo] = this.map.digestWords();
    const standing = this.members.standingDigest();
    const lasting = this.members.lastingDigest();
    return {
      mapHi,
      mapLo,
      standingHi: standing.hi,
      standingLo: standing.lo,
      lastingHi: lasting.hi,
      lastingLo: lasting.lo,
    };
  }
}

function eventOf(before: MemberRecord | null, now: MemberRecord): NodeEvent['type'] | null {
  const wasIn = before !== null && before.state !== STATE.left;
  if (now.state === STATE.left) return wasIn ? 'member-leave' : null;
  if (!wasIn) return 'member-join';
  if (before.state !== now.state) {
    if (now.state === STATE.down) return 'member-down';
    if (now.state === STATE.suspect) return 'member-suspect';
    return before.state === STATE.down ? 'member-join' : 'member-update';
  }
  // A changed reach alone is the machinery's own affair.
  return before.incarnation !== now.incarnation ? 'member-update' : null;
}

/** The digest people see, of this node or of a peer: map and lasting part of the members. */
export function publicDigest(d: Digests): string {
  return hex64(
    mix32(d.mapHi ^ mix32(d.lastingHi ^ 0x9e3779b9)),
    mix32(d.mapLo ^ mix32(d.lastingLo ^ 0x85ebca6b)),
  );
}

/** Neither has anything to tell the other. */
export function sameState(a: Digests, b: Digests): boolean {
  return (
    a.mapHi === b.mapHi &&
    a.mapLo === b.mapLo &&
    a.standingHi === b.standingHi &&
    a.standingLo === b.standingLo
  );
}

export function sameMap(a: Digests, b: Digests): boolean {
  return a.mapHi === b.mapHi && a.mapLo === b.mapLo;
}

export function sameMembers(a: Digests, b: Digests): boolean {
  return a.standingHi === b.standingHi && a.standingLo === b.standingLo;
}
