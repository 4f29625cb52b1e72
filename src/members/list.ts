import { LIMITS, type NodeId, type Rng, SetHash } from '../base/index.ts';
import {
  joinRecords,
  lastingHash,
  type MemberRecord,
  type MemberState,
  STATE,
  seatHash,
  standingHash,
} from './record.ts';
import { RoundTrip } from './rtt.ts';
import { View, Views } from './view.ts';

/** What only this node knows of a member it has dealt with. */
interface Dealings {
  heardMs: number;
  stateMs: number;
  unansweredMs: number;
  digest: string | null;
  digestMs: number;
  readonly rtt: RoundTrip;
}

/**
 * One member as this node sees it: the shared record, and what only this node knows of it. That is made when there is
 * something to know: in a large group a node deals with few of the others.
 */
export class Member {
  record: MemberRecord;
  #own: Dealings | null = null;

  constructor(record: MemberRecord) {
    this.record = record;
  }

  /** When anything was last heard from it; -Infinity when nothing ever was by this process. */
  get heardMs(): number {
    return this.#own?.heardMs ?? -Infinity;
  }

  set heardMs(ms: number) {
    this.#dealings().heardMs = ms;
  }

  /** When this process learnt its present state; -Infinity when that is older than it. */
  get stateMs(): number {
    return this.#own?.stateMs ?? -Infinity;
  }

  set stateMs(ms: number) {
    this.#dealings().stateMs = ms;
  }

  /** When it last left questions unanswered; -Infinity when it never did. */
  get unansweredMs(): number {
    return this.#own?.unansweredMs ?? -Infinity;
  }

  set unansweredMs(ms: number) {
    this.#dealings().unansweredMs = ms;
  }

  /** The digest it last reported (16 hex digits), or null. */
  get digest(): string | null {
    return this.#own?.digest ?? null;
  }

  get digestMs(): number {
    return this.#own?.digestMs ?? -Infinity;
  }

  reported(digest: string, nowMs: number): void {
    const own = this.#dealings();
    own.digest = digest;
    own.digestMs = nowMs;
  }

  get rtt(): RoundTrip {
    return this.#dealings().rtt;
  }

  /** Smoothed round trip, milliseconds; -1 until measured. */
  get srttMs(): number {
    return this.#own?.rtt.srttMs ?? -1;
  }

  #dealings(): Dealings {
    this.#own ??= {
      heardMs: -Infinity,
      stateMs: -Infinity,
      unansweredMs: -Infinity,
      digest: null,
      digestMs: -Infinity,
      rtt: new RoundTrip(),
    };
    return this.#own;
  }
}

/** What a merge did. */
export type MergeResult =
  | { readonly kind: 'none' }
  | { readonly kind: 'full' }
  | { readonly kind: 'new'; readonly member: Member }
  | { readonly kind: 'changed'; readonly member: Member; readonly before: MemberRecord };

const NONE: MergeResult = { kind: 'none' };
const FULL: MergeResult = { kind: 'full' };

const isLive = (state: MemberState): boolean => state === STATE.alive || state === STATE.suspect;

/** Every member this node knows of, itself included, with digests of the whole kept up to date in O(1) per change. */
export class MemberList {
  readonly self: NodeId;
  readonly #members = new Map<NodeId, Member>();
  readonly #lasting = new SetHash();
  readonly #standing = new SetHash();
  readonly #viewHash = new SetHash();
  readonly #views: Views;
  #live = 0;
  #namesVersion = 0;
  #view: View | null = null;

  /** `views`: those of several lists may be kept together, where these are in one process (the simulator). */
  constructor(self: MemberRecord, views: Views = new Views()) {
    this.self = self.id;
    this.#views = views;
    this.merge(self);
  }

  get size(): number {
    return this.#members.size;
  }

  /** Rises whenever a member gets its first or another name. */
  get namesVersion(): number {
    return this.#namesVersion;
  }

  /** Alive and suspect members, this node's among them. */
  get liveCount(): number {
    return this.#live;
  }

  get(id: NodeId): Member | undefined {
    return this.#members.get(id);
  }

  me(): Member {
    return this.#members.get(this.self) as Member;
  }

  all(): IterableIterator<Member> {
    return this.#members.values();
  }

  isLive(id: NodeId): boolean {
    const member = this.#members.get(id);
    return member !== undefined && isLive(member.record.state);
  }

  /** Joins a record into the list. The caller has checked its fields. */
  merge(record: MemberRecord): MergeResult {
    const member = this.#members.get(record.id);
    if (member === undefined) {
      if (this.#members.size >= LIMITS.members) return FULL;
      const fresh = new Member(record);
      this.#members.set(record.id, fresh);
      this.#account(record, 1);
      this.#namesVersion++;
      return { kind: 'new', member: fresh };
    }
    const before = member.record;
    const joined = joinRecords(before, record);
    if (joined === before) return NONE;
    const was = standingHash(before);
    const is = standingHash(joined);
    if (was.hi === is.hi && was.lo === is.lo) return NONE;
    this.#account(before, -1);
    member.record = joined;
    if (joined.name !== before.name) this.#namesVersion++;
    this.#account(joined, 1);
    return { kind: 'changed', member, before };
  }

  #account(record: MemberRecord, sign: 1 | -1): void {
    const verb = sign === 1 ? 'add' : 'remove';
    const lasting = lastingHash(record);
    const standing = standingHash(record);
    this.#lasting[verb](lasting.hi, lasting.lo);
    this.#standing[verb](standing.hi, standing.lo);
    if (!isLive(record.state)) return;
    const seat = seatHash(record);
    this.#viewHash[verb](seat.hi, seat.lo);
    this.#live += sign;
  }

  /** Sum over the lasting parts: part of the digest people see. */
  lastingDigest(): { hi: number; lo: number } {
    return this.#lasting;
  }

  /** Sum over all that a join compares: equal on two nodes when neither has anything to tell the other. */
  standingDigest(): { hi: number; lo: number } {
    return this.#standing;
  }

  /** The lasting digest as 16 hex digits. */
  digestText(): string {
    return this.#lasting.hex();
  }

  /** 32 bits of the hash of one member's record, for summaries. */
  standingOf(member: Member): number {
    return standingHash(member.record).lo;
  }

  sameRecord(a: MemberRecord, b: MemberRecord): boolean {
    const x = standingHash(a);
    const y = standingHash(b);
    return x.hi === y.hi && x.lo === y.lo;
  }

  /** 48 bits of the sum over live (id, reach). */
  get viewDigest(): number {
    return (this.#viewHash.hi & 0xffff) * 4294967296 + this.#viewHash.lo;
  }

  view(): View {
    // A record that changes in something else (an incarnation) leaves the view as it is.
    if (this.#view === null || this.#view.digest !== this.viewDigest) {
      this.#view = this.#views.find(this.viewDigest);
      if (this.#view === null) {
        const live: { id: NodeId; reach: NodeId }[] = [];
        for (const { record } of this.#members.values()) {
          if (isLive(record.state)) live.push({ id: record.id, reach: record.reach });
        }
        this.#view = new View(this.viewDigest, live);
      }
      this.#views.add(this.#view);
    }
    return this.#view;
  }

  /** The present view or a recent one with this digest. */
  viewByDigest(digest: number): View | null {
    if (digest === this.viewDigest) return this.view();
    return this.#views.find(digest);
  }

  /** Names held by more than one member that did not leave, sorted. */
  nameConflicts(): string[] {
    const names = new Set<string>();
    const shared = new Set<string>();
    for (const { record } of this.#members.values()) {
      if (record.state === STATE.left) continue;
      if (names.has(record.name)) shared.add(record.name);
      names.add(record.name);
    }
    return [...shared].sort();
  }

  /** Members called so, by id or by name, those that left last. */
  find(idOrName: string): Member[] {
    const byId = this.#members.get(idOrName as NodeId);
    if (byId !== undefined) return [byId];
    const found: Member[] = [];
    for (const member of this.#members.values()) if (member.record.name === idOrName) found.push(member);
    return found.sort(
      (a, b) => Number(a.record.state === STATE.left) - Number(b.record.state === STATE.left),
    );
  }

  /**
   * A random member other than this node that passes `wanted`, or null. Draws a few at random first, so that it
   * costs O(1) where most members will do, and falls back to looking at all.
   */
  pick(rng: Rng, wanted: (member: Member) => boolean): Member | null {
    const ids = this.view().ids;
    for (let i = 0; i < 8 && ids.length > 1; i++) {
      const member = this.#members.get(ids[rng.below(ids.length)] as NodeId) as Member;
      if (member.record.id !== this.self && wanted(member)) return member;
    }
    const fit: Member[] = [];
    for (const member of this.#members.values()) {
      if (member.record.id !== this.self && wanted(member)) fit.push(member);
    }
    if (fit.length === 0) return null;
    fit.sort((a, b) => (a.record.id < b.record.id ? -1 : 1));
    return fit[rng.below(fit.length)] as Member;
  }

  counts(): { alive: number; suspect: number; down: number; left: number } {
    const counts = [0, 0, 0, 0];
    for (const { record } of this.#members.values())
      counts[record.state] = (counts[record.state] as number) + 1;
    const [alive = 0, suspect = 0, down = 0, left = 0] = counts;
    return { alive, suspect, down, left };
  }
}
