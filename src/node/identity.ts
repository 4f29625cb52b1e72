import { type Address, BoundedMap, type NodeId, type Rng } from '../base/index.ts';
import { type MemberRecord, STATE } from '../members/index.ts';
import type { Boot, LogLevel, NodeOptions, Yielded } from './machine.ts';
import type { GroupState } from './state.ts';
import { type TwinOutputs, Twins } from './twin.ts';

/** What is still to be told to the others before the id is given up gets this long. */
const PARTING_MS = 800;
/** How long another process with this id is worth a warning after it was last heard. */
const FOUND_MS = 60_000;
/** Unsealed: a verdict counts that first came so soon after the start, and came again so much later, but not too late. */
const UNSEALED = { startMs: 30_000, againMs: 1500, withinMs: 30_000, boots: 16 } as const;

export interface IdentityOutputs {
  send: TwinOutputs['send'];
  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): void;
  /** Publishes this node's record anew, above an incarnation that the other has used. */
  reassert(above: number, nowMs: number): void;
  /** Gives up a registration that only this process made, and only because it was configured to. */
  release(start: number, end: number, nowMs: number): void;
}

/**
 * Is this process who it says it is? Watches for another live process with its id (a cloned state directory), for signs
 * that its own state directory is an older copy (a restored backup), and decides what follows.
 *
 * Where nothing is sealed anybody who receives this node's questions can answer them, and claim to be older: believed at any
 * time, two datagrams would end a daemon. So a process gives its id up only by what it hears in its first half minute, from
 * one boot and twice, over round trips seconds apart: a copied state directory is found at its start, by the copy. Later it
 * only warns. What is left to a forger is that half minute, and twins that meet later than that (after a partition) both go
 * on until an operator stops one; with a key neither is so.
 */
export class Identity {
  readonly twins: Twins;
  readonly #boot: Boot;
  readonly #options: NodeOptions;
  readonly #state: GroupState;
  readonly #out: IdentityOutputs;
  readonly #later = new Set<number>();
  #found: { at: Address; ms: number } | null = null;
  #startMs = 0;
  /** Unsealed: when another boot was first said to be older, and when it is asked once more. */
  readonly #older = new BoundedMap<number, { at: Address; ms: number; dueMs: number }>(UNSEALED.boots);
  #doubtedMs = -Infinity;
  #restored = false;
  #yield: { readonly what: Yielded; readonly deadlineMs: number } | null = null;
  #parted = false;

  constructor(boot: Boot, options: NodeOptions, state: GroupState, rng: Rng, out: IdentityOutputs) {
    this.#boot = boot;
    this.#options = options;
    this.#state = state;
    this.#out = out;
    this.twins = new Twins(boot.bootNonce, rng, {
      send: (to, message) => out.send(to, message),
      incarnation: () => this.#me().incarnation,
      found: (at, incarnation, nowMs) => this.#foundTwin(at, incarnation, nowMs),
      yields: (at, bootNonce, nowMs) => {
        const sure = this.#isSure(at, bootNonce, nowMs);
        if (sure) this.#giveUp(at, nowMs);
        return sure;
      },
      absent: (bootNonce) => {
        if (this.#later.delete(bootNonce)) this.restored();
      },
    });
  }

  start(nowMs: number): void {
    this.#startMs = nowMs;
    this.twins.start(nowMs);
  }

  /** This process is about to end, or to become another node. */
  get yielding(): boolean {
    return this.#yield !== null;
  }

  /** A record of this node came from elsewhere; false when it is to be left as it is. */
  recordSeen(record: MemberRecord, nowMs: number): boolean {
    const me = this.#me();
    if (record.bootNonce === me.bootNonce || record.incarnation < me.incarnation) return !this.yielding;
    const elsewhere = record.addresses.filter((address) => !me.addresses.includes(address));
    // Another start than any that this disk knows of: either it still runs, or the disk is an older copy.
    if (record.incarnation >= this.#boot.incarnation) {
      if (elsewhere.length === 0) this.restored();
      else if (this.#later.size < 64) this.#later.add(record.bootNonce);
    }
    this.twins.suspect(record.bootNonce, elsewhere, nowMs);
    return !this.yielding;
  }

  /** A datagram with this node's id came from there. */
  echoSeen(bootNonce: number, from: Address, nowMs: number): void {
    if (!this.#me().addresses.includes(from)) this.twins.suspect(bootNonce, [from], nowMs);
  }

  /** The map took in what came from elsewhere, and this process has declared nothing void. */
  mapGrown(): void {
    const { id, unleasedFrom, leaseFrom } = this.#boot;
    if (unleasedFrom === undefined || this.#restored) return;
    if (this.#state.map.hasSeenIn(id, unleasedFrom, leaseFrom - 1)) this.restored();
  }

  /** Peers know more of this node than its disk does. */
  restored(): void {
    if (this.#restored || this.#found !== null) return;
    this.#restored = true;
    this.#out.log('warn', RESTORED, { id: this.#boot.id, incarnation: this.#me().incarnation });
  }

  /** Not null when it is time: what was to be said is said, or nobody listens. */
  yielded(): Yielded | null {
    return this.#parted ? (this.#yield?.what ?? null) : null;
  }

  nextMs(): number {
    let next = Math.min(this.twins.nextMs(), this.#parted ? Infinity : (this.#yield?.deadlineMs ?? Infinity));
    for (const { dueMs } of this.#older.values()) next = Math.min(next, dueMs);
    return next;
  }

  /** `silent`: nothing waits to be sent. */
  wake(silent: boolean, nowMs: number): void {
    for (const [bootNonce, older] of this.#older.entries()) {
      if (nowMs < older.dueMs) continue;
      older.dueMs = Infinity;
      this.twins.suspect(bootNonce, [older.at], nowMs, true);
    }
    this.twins.wake(nowMs);
    if (this.#yield !== null && (silent || nowMs >= this.#yield.deadlineMs)) this.#parted = true;
  }

  warnings(nowMs: number): string[] {
    const out: string[] = [];
    if (this.#found !== null && nowMs - this.#found.ms < FOUND_MS) {
      out.push(
        `another process ran with this node's id, at ${this.#found.at}: a copied state directory? The one that started later takes a new id, or ends`,
      );
    }
    if (nowMs - this.#doubtedMs < FOUND_MS) out.push(DOUBTED);
    if (this.#restored) out.push(RESTORED);
    return out;
  }

  #me(): MemberRecord {
    return this.#state.members.me().record;
  }

  #foundTwin(at: Address, incarnation: number, nowMs: number): void {
    this.#later.clear();
    this.#restored = false;
    if (this.#found === null || nowMs - this.#found.ms >= FOUND_MS) {
      const message = `another process runs with this node's id, at ${at}: a copied state directory?`;
      this.#out.log('error', message, { id: this.#boot.id, address: at });
    }
    this.#found = { at, ms: nowMs };
    this.#out.reassert(incarnation, nowMs);
  }

  /** Whether it counts that this process is said to be the one that goes. */
  #isSure(at: Address, bootNonce: number, nowMs: number): boolean {
    if (this.#options.unsealed !== true) return true;
    const first = this.#older.get(bootNonce);
    const sinceMs = nowMs - (first?.ms ?? -Infinity);
    if (sinceMs >= UNSEALED.againMs && sinceMs < UNSEALED.withinMs) return true;
    if (sinceMs < UNSEALED.againMs) return false;
    if (nowMs - this.#startMs < UNSEALED.startMs) {
      this.#older.set(bootNonce, { at, ms: nowMs, dueMs: nowMs + UNSEALED.againMs });
    } else this.#doubtedMs = nowMs;
    return false;
  }

  #giveUp(other: Address, nowMs: number): void {
    if (this.#yield !== null || this.#me().state === STATE.left) return;
    const { id } = this.#boot;
    const held = this.#held();
    const how = held.length === 0 ? 'renew' : 'refuse';
    this.#yield = { what: { how, id, other }, deadlineMs: nowMs + (how === 'renew' ? PARTING_MS : 0) };
    if (how === 'renew') for (const { start, end } of this.#made()) this.#out.release(start, end, nowMs);
  }

  /** Registrations that a new id would not have: those it was not configured to make. */
  #held(): { start: number; end: number }[] {
    return [...this.#state.map.entriesOf(this.#boot.id)].filter((entry) => !this.#isGiven(entry));
  }

  /** Configured registrations under the old id that nobody but this process made. */
  #made(): { start: number; end: number }[] {
    const { map } = this.#state;
    return [...map.entriesOf(this.#boot.id)].filter(
      (entry) => this.#isGiven(entry) && map.isAuthoredSince(entry, this.#boot.id, this.#boot.leaseFrom),
    );
  }

  #isGiven({ start, end }: { start: number; end: number }): boolean {
    return this.#options.ranges.some((range) => range.start === start && range.end === end);
  }
}

const RESTORED =
  'peers know later changes or starts of this node than its state directory does (restored from an older copy?): resumed above them';

const DOUBTED =
  "another process says that it had this node's id before this one did. Nothing is sealed, so this node goes on: if a state directory was copied, stop one of the two; else give the group a key (shoal keygen)";

/** Says which member is meant when one name has several. */
export function nameWarnings(state: GroupState): string[] {
  const out: string[] = [];
  for (const name of state.members.nameConflicts()) {
    const holders = state.members.find(name).filter(({ record }) => record.state !== STATE.left);
    const live = holders.filter(({ record }) => record.state <= STATE.suspect).map(({ record }) => record.id);
    const down = holders.filter(({ record }) => record.state === STATE.down).map(({ record }) => record.id);
    if (live.length > 1)
      out.push(`more than one member is called '${name}' (${list(live)}): give each its own --name`);
    else if (live.length === 0)
      out.push(`more than one member is called '${name}' (${list(down)}), and none is up`);
    for (const id of live.length === 1 ? down : []) {
      out.push(
        `'${name}' was ${id} before, which is down: if it lost its state directory or was replaced, run: shoal force-leave ${id}`,
      );
    }
  }
  return out;
}

function list(ids: readonly NodeId[]): string {
  return [...ids].sort().slice(0, 8).join(', ');
}
