import { LIMITS, type NodeId } from '../base/index.ts';
import type { Delta } from '../crdt/index.ts';
import { type MemberRecord, STATE } from '../members/index.ts';
import type { GroupState } from './state.ts';

/**
 * Nothing is declared void before a process has run this long: another process with a copy of its state directory, should
 * there be one, uses numbers in the gaps, and is found out long before.
 */
const SETTLE_MS = 600_000;

/** From so many gaps on people are told: each costs all members two numbers, and at the limit no change is taken. */
const GAPS_TOLD = LIMITS.contextIntervals / 16;
const NAMES_TOLD = 4;

/**
 * Counters of this node that were never used, though others above them were (each start begins at a number of its own, and
 * a crash wastes the rest of a lease), are declared seen without content (void), so that every context stays one interval
 * per actor.
 *
 * A change may have spread although its journal record was lost with the crash, and then others have let go of what it
 * replaced. To call such a dot void would take from them what it put in its place, and an acknowledged registration with
 * it. So the unused counters are declared void only when every member that has not left was caught up with since the
 * start: what any of them has, this node then has too. Until then the context has a gap, which costs two numbers.
 *
 * A member that is down is waited for as well, however long: down is a verdict, and who was cut off may have received what
 * nobody else did. So a board that never comes back keeps the gaps of all others open until `force-leave` or `forget_after`
 * says that it is gone; when there are many, `warnings` names it.
 */
export class Voids {
  readonly #state: GroupState;
  readonly #next: () => number;
  readonly #waiting: () => boolean;
  readonly #caughtUp = new Set<NodeId>();
  #settledMs = Infinity;
  #wakeMs = Infinity;
  /** A member is not caught up with: not looked at again before one more is. */
  #blocked = false;
  /** Something was declared by this process. */
  declared = false;

  /** `next`: the first counter not handed out. `waiting`: contacts are still being tried. */
  constructor(state: GroupState, next: () => number, waiting: () => boolean) {
    this.#state = state;
    this.#next = next;
    this.#waiting = waiting;
  }

  start(nowMs: number): void {
    this.#settledMs = nowMs + SETTLE_MS;
    this.#wakeMs = this.#settledMs;
  }

  nextMs(): number {
    return this.#wakeMs;
  }

  /** This node has all that the member had. Returns what is to be spread. */
  caughtUp(id: NodeId, nowMs: number): Delta | null {
    this.#caughtUp.add(id);
    this.#blocked = false;
    return this.due(nowMs);
  }

  wake(nowMs: number): Delta | null {
    if (nowMs < this.#wakeMs) return null;
    this.#wakeMs = Infinity;
    return this.due(nowMs);
  }

  /** To be asked after a change of this node's own as well: it may have left a gap below it. */
  due(nowMs: number): Delta | null {
    if (!(nowMs >= this.#settledMs)) return null;
    const { members, map } = this.#state;
    const seen = map.seenOf(members.self);
    if (this.#blocked || (seen.length <= 2 && (seen[0] ?? 1) === 1)) return null;
    if (!this.#knowsAll()) {
      this.#blocked = true;
      return null;
    }
    const top = Math.min(seen[seen.length - 1] as number, this.#next() - 1);
    if (top < 1) return null;
    const delta = map.voidCounters(members.self, 1, top);
    if (delta.context.length === 0) return null;
    this.declared = true;
    return delta;
  }

  warnings(nowMs: number): string[] {
    const out: string[] = [];
    const { members, map } = this.#state;
    const gaps = map.seenOf(members.self).length / 2;
    if (gaps < GAPS_TOLD) return out;
    const names: string[] = [];
    let more = 0;
    for (const { record } of members.all()) {
      if (!this.#missing(record)) continue;
      if (names.length < NAMES_TOLD) names.push(record.name);
      else more++;
    }
    const who = `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
    const why =
      names.length > 0 ? `not yet caught up with since its start: ${who}` : 'it has to run for longer';
    const settled =
      nowMs >= this.#settledMs ? '' : ` (they are looked at ${SETTLE_MS / 60_000} minutes after a start)`;
    out.push(
      `the change counters of this node have ${gaps} gaps, at ${LIMITS.contextIntervals} it refuses changes: ${why}${settled}; bring back or 'shoal force-leave' what is down`,
    );
    return out;
  }

  #missing(record: MemberRecord): boolean {
    if (record.id === this.#state.members.self || record.state === STATE.left) return false;
    return !this.#caughtUp.has(record.id);
  }

  #knowsAll(): boolean {
    let others = 0;
    for (const { record } of this.#state.members.all()) {
      if (record.id === this.#state.members.self || record.state === STATE.left) continue;
      if (this.#missing(record)) return false;
      others++;
    }
    return others > 0 || !this.#waiting();
  }
}
