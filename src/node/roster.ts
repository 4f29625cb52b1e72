import { type NodeId, ShoalError } from '../base/index.ts';
import { covers, type MemberRecord, type MemberState, STATE } from '../members/index.ts';
import { MAX_INCARNATION } from '../wire/index.ts';
import type { Boot, NodeOptions } from './machine.ts';
import { resolveNode } from './mutations.ts';
import type { GroupState } from './state.ts';

/** Claims about this node are taken back at most this often: those of another process with its id, which would answer each
 * time, and mere suspicions, of which one answer is enough. */
const REFUTE_PAUSE_MS = { double: 2000, claim: 100 } as const;

export interface RosterOutputs {
  /** Whether whoever speaks now may say something of this incarnation. */
  believes(id: NodeId, incarnation: number, nowMs: number): boolean;
  /** Whether a record may make a new member now. */
  admits(record: MemberRecord, nowMs: number): boolean;
  /** `joined`: it is new, or back among the living. A record changed here, by whatever way: to be written down, and looked at by those who plan with it. */
  changed(record: MemberRecord, joined: boolean, nowMs: number): void;
  /** To be broadcast. */
  publish(record: MemberRecord, nowMs: number): void;
  /** A record of this node that it did not make itself; false when this node does not answer such claims any more. */
  claimed(record: MemberRecord, nowMs: number): boolean;
}

/** Every change of a member record goes through here; this node's own record is changed by nobody else. */
export class Roster {
  readonly counters = { refutations: 0 };
  readonly #state: GroupState;
  readonly #out: RosterOutputs;
  #refuteMs = -Infinity;

  constructor(state: GroupState, out: RosterOutputs) {
    this.#state = state;
    this.#out = out;
  }

  me(): MemberRecord {
    return this.#state.members.me().record;
  }

  /** Joins what a peer says of a member; `by`: who made it so, as far as known. Only a member itself says `alive`. */
  merge(record: MemberRecord, by: NodeId | null, nowMs: number): void {
    if (!this.#out.believes(record.id, record.incarnation, nowMs)) return;
    if (record.id === this.#state.members.self) {
      this.#defend(record, nowMs);
      return;
    }
    if (!this.#out.admits(record, nowMs)) return;
    const result = this.#state.merge(record, record.state === STATE.alive ? record.id : by);
    if (result.kind !== 'new' && result.kind !== 'changed') return;
    const { member } = result;
    const before = result.kind === 'new' ? null : result.before;
    if (before?.state !== member.record.state) member.stateMs = nowMs;
    const joined = (before === null || before.state >= STATE.down) && member.record.state <= STATE.suspect;
    this.#out.changed(member.record, before === null || joined, nowMs);
    // Whom this node meets only now that it leaves was not among those who were told.
    const me = this.me();
    if (joined && me.state === STATE.left) this.#out.publish(me, nowMs);
  }

  /** A peer says that it does not take this node for alive, as of this incarnation. */
  told(state: MemberState, incarnation: number, nowMs: number): void {
    const me = this.me();
    if (this.#out.believes(me.id, incarnation, nowMs)) this.#defend({ ...me, state, incarnation }, nowMs);
  }

  /** Publishes a new record of this node. */
  raise(record: MemberRecord, nowMs: number): void {
    const result = this.#state.merge(record, record.id);
    if (result.kind === 'changed') this.#out.changed(record, false, nowMs);
    this.#out.publish(record, nowMs);
  }

  /**
   * Marks a member left that is not alive. One that lives after all takes it back.
   * @throws ShoalError `member-is-self`, `unknown-node`, `name-conflict`, `not-down`
   */
  forceLeave(text: string, nowMs: number): void {
    const id = resolveNode(this.#state, text);
    const member = this.#state.members.get(id);
    if (id === this.#state.members.self) {
      throw new ShoalError('member-is-self', "this is the node itself: use 'shoal leave'", 'node');
    }
    if (member === undefined) {
      throw new ShoalError('unknown-node', `no member has the id ${id}: see 'shoal members'`, 'node');
    }
    if (member.record.state === STATE.left) return;
    if (member.record.state === STATE.alive) {
      const message = `'${member.record.name}' is alive: run 'shoal leave' there, or stop it and wait until it is down`;
      throw new ShoalError('not-down', message, 'node');
    }
    this.markLeft(member.record, nowMs);
  }

  /** Of a member that is gone. The rank of `left` is the highest of its incarnation, so that the join keeps it. */
  markLeft(gone: MemberRecord, nowMs: number): void {
    const record: MemberRecord = { ...gone, state: STATE.left };
    this.merge(record, this.#state.members.self, nowMs);
    this.#out.publish(record, nowMs);
  }

  /** Somebody says of us what we do not: take it back by a higher incarnation (refute). */
  #defend(record: MemberRecord, nowMs: number): void {
    const me = this.me();
    if (!this.#out.claimed(record, nowMs)) return;
    // What others would not believe needs no answer; whatever they would, be it the state, the set or the name, does.
    if (covers(me, record)) return;
    // At the very top there is nothing left to raise; strangers' claims do not get there (Strangers.believes).
    if (record.incarnation >= MAX_INCARNATION) return;
    if (me.state === STATE.left) return;
    const pauseMs = REFUTE_PAUSE_MS[record.bootNonce === me.bootNonce ? 'claim' : 'double'];
    if (nowMs - this.#refuteMs < pauseMs) return;
    this.#refuteMs = nowMs;
    this.counters.refutations++;
    const incarnation = Math.max(record.incarnation, me.incarnation) + 1;
    this.raise({ ...me, incarnation, state: STATE.alive }, nowMs);
  }
}

/** What this node says of itself at start. */
export function ownRecord(boot: Boot, options: NodeOptions): MemberRecord {
  return {
    id: boot.id,
    incarnation: boot.incarnation,
    state: STATE.alive,
    reachVersion: 0,
    reach: boot.id,
    name: options.name,
    addresses: [options.advertise, ...(options.alternates ?? [])],
    resp: options.resp,
    tags: options.tags,
    capacity: options.capacity,
    version: options.version,
    bootNonce: boot.bootNonce,
  };
}
