import { LIMITS, type NodeId, ShoalError } from '../base/index.ts';
import type { Delta, RangeKey } from '../crdt/index.ts';
import { STATE } from '../members/index.ts';
import { checkRange } from '../ranges/index.ts';
import type { RangeView, Released } from './contract.ts';
import type { Counters } from './counters.ts';
import { deltaEntry, membersEntry } from './journal.ts';
import type { Answer, Command } from './machine.ts';
import type { GroupState } from './state.ts';

type Mutation = Extract<Command, { kind: 'register' | 'adjust' | 'release' }>;

/** A change that was made and waits for its journal record. */
interface Pending {
  readonly token: number | null;
  readonly command: Mutation;
  readonly key: RangeKey;
  before: number;
  readonly after: number;
  readonly answer: RangeView | Released;
}

/** By how much a refused change moved a priority: to be moved back. */
interface Owed {
  readonly key: RangeKey;
  readonly by: number;
}

/** A command that waits for counters or for a disk that failed to prove itself. */
interface Waiting {
  readonly token: number | null;
  readonly command: Mutation;
}

export interface MutationOutputs {
  persist(record: Uint8Array, token: number): void;
  note(record: Uint8Array): void;
  answer(token: number, answer: Answer): void;
  /** The delta is in the map and is to be spread. */
  changed(delta: Delta, nowMs: number): void;
}

/**
 * Commands that change the map. A change is made and spread at once and answered when it is on disk. When the disk then
 * refuses, the change is taken back (by a change of its own, for it may already be elsewhere) and the command is refused;
 * until a write succeeds again, later commands wait for a probe of the disk before anything is changed.
 */
export class Mutations {
  readonly counters = { made: 0, refused: 0, takenBack: 0 };
  readonly #state: GroupState;
  readonly #dots: Counters;
  readonly #out: MutationOutputs;
  readonly #pending = new Map<number, Pending>();
  readonly #waiting: Waiting[] = [];
  /** Refused changes that cannot be taken back until there are counters again; at most as many as were pending. */
  readonly #owed: Owed[] = [];
  #nextToken = 1;
  #diskError: { code: string; message: string } | null = null;
  #probe = 0;

  constructor(state: GroupState, dots: Counters, out: MutationOutputs) {
    this.#state = state;
    this.#dots = dots;
    this.#out = out;
  }

  /** The last disk error, until a write succeeds again. */
  get diskError(): string | null {
    return this.#diskError?.message ?? null;
  }

  get idle(): boolean {
    return this.#pending.size === 0 && this.#waiting.length === 0;
  }

  /** Takes a command; answers now or later. `token` null: this node's own, nobody waits for the answer. */
  run(token: number | null, command: Mutation, nowMs: number): void {
    if (this.#pending.size + this.#waiting.length >= LIMITS.pendingCommands) {
      this.#refuse(token, new ShoalError('overloaded', 'too many changes wait for the disk: try again'));
    } else if (this.#diskError !== null) {
      this.#waiting.push({ token, command });
      if (this.#probe === 0) {
        this.#probe = this.#nextToken++;
        this.#out.persist(membersEntry([]), this.#probe);
      }
    } else if (command.kind !== 'release' && this.#dots.exhausted) {
      const message =
        'a peer claims that this node used all its counters: start it with a new state directory';
      this.#refuse(token, new ShoalError('overloaded', message));
    } else if (command.kind !== 'release' && !this.#dots.available) {
      this.#waiting.push({ token, command });
      this.#dots.request();
    } else {
      this.#make(token, command, nowMs);
    }
  }

  /** A block of counters came, or was refused. */
  leased(error: { code: string; message: string } | null, nowMs: number): void {
    if (error !== null) {
      this.#dots.refused();
      if (!this.#dots.available)
        for (const w of this.#waiting.splice(0)) this.#refuse(w.token, asError(error));
    } else {
      this.#resume(nowMs);
    }
  }

  persisted(token: number, error: { code: string; message: string } | null, nowMs: number): void {
    const failed = error !== null;
    this.#diskError = error;
    if (token === this.#probe) {
      this.#probe = 0;
      if (failed) for (const w of this.#waiting.splice(0)) this.#refuse(w.token, asError(error));
    }
    const pending = this.#pending.get(token);
    if (pending !== undefined) {
      this.#pending.delete(token);
      if (failed) this.#takeBack(pending, error, nowMs);
      else if (pending.token !== null) this.#out.answer(pending.token, { ok: pending.answer });
    }
    if (!failed) this.#resume(nowMs);
  }

  /**
   * Releases entries of this node, as many as may wait for the disk; false when that was not all and it is to be called
   * again. While the disk refuses, all are tried once.
   */
  releaseOwn(nowMs: number): boolean {
    const sound = this.#diskError === null;
    for (const { start, end } of [...this.#state.map.entriesOf(this.#state.members.self)]) {
      if (sound && this.#pending.size + this.#waiting.length >= LIMITS.pendingCommands / 4) return false;
      this.run(null, { kind: 'release', start, end }, nowMs);
    }
    return true;
  }

  #resume(nowMs: number): void {
    for (const owed of this.#owed.splice(0)) this.#moveBack(owed, nowMs);
    for (const { token, command } of this.#waiting.splice(0)) this.run(token, command, nowMs);
  }

  #make(token: number | null, command: Mutation, nowMs: number): void {
    let made: { key: RangeKey; delta: Delta; before: number };
    try {
      made = this.#apply(command);
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error;
      this.#refuse(token, error);
      return;
    }
    const { key, delta, before } = made;
    const after = this.#state.map.priority(key);
    this.counters.made++;
    if (command.kind !== 'adjust') this.#forgive(key);
    const name = this.#state.nameOf(key.node);
    const view = { node: key.node, name, start: key.start, end: key.end, priority: after };
    const record = this.#nextToken++;
    this.#pending.set(record, {
      token,
      command,
      key,
      before,
      after,
      answer: after === 0 ? { released: true } : view,
    });
    this.#spread(key, before, delta, nowMs);
    this.#out.persist(deltaEntry(delta), record);
  }

  #apply(command: Mutation): { key: RangeKey; delta: Delta; before: number } {
    const { map, members } = this.#state;
    const { start, end } = checkRange(command.start, command.end);
    const node = this.#nodeOf(command.node);
    const key = { node, start, end };
    const before = map.priority(key);
    if (command.kind === 'release') {
      // Decreases that are left there by themselves are no registration, and are swept by nobody's command.
      const delta = before === 0 ? null : map.release(key);
      if (delta === null) throw this.#notRegistered(key);
      return { key, delta, before };
    }
    if (members.get(node) === undefined) {
      throw new ShoalError('unknown-node', `no member has the id ${node}: see 'shoal members'`, 'node');
    }
    if (command.kind === 'register') {
      const { priority } = command;
      if (!Number.isInteger(priority) || priority < 1 || priority > LIMITS.priority) {
        const message = `priority must be a whole number from 1 to ${LIMITS.priority}, not ${priority}`;
        throw new ShoalError('bad-priority', message, 'priority');
      }
      return {
        key,
        delta: this.#withDot((dot) => map.register(members.self, dot, key, priority)) as Delta,
        before,
      };
    }
    const { by } = command;
    if (!Number.isInteger(by) || by === 0 || Math.abs(by) > LIMITS.priority) {
      const message = `the amount must be a whole number from 1 to ${LIMITS.priority} (or negative), not ${by}`;
      throw new ShoalError('bad-amount', message, 'by');
    }
    const delta = this.#withDot((dot) => map.adjust(members.self, dot, key, by));
    if (delta === null) throw this.#notRegistered(key);
    return { key, delta, before };
  }

  /** Runs a mutator with a fresh counter, which is given back when the delta does not use it. */
  #withDot(mutate: (counter: number) => Delta | null): Delta | null {
    const counter = this.#dots.take();
    let used = false;
    try {
      const delta = mutate(counter);
      used = delta?.entries.some((entry) => entry.live.some((dot) => dot.counter === counter)) ?? false;
      return delta;
    } finally {
      if (!used) this.#dots.giveBack(counter);
    }
  }

  #spread(key: RangeKey, before: number, delta: Delta, nowMs: number): void {
    const after = this.#state.map.priority(key);
    const self = this.#state.members.self;
    if (before !== after) this.#state.follow({ changes: [{ ...key, before, after }] }, self);
    this.#out.changed(delta, nowMs);
  }

  /**
   * Undoes a change that could not be written: the priority moves back by as much as the change had moved it, so that
   * other changes of the entry, made since, keep theirs. One that set the entry anew has left nothing to undo.
   */
  #takeBack(pending: Pending, error: { code: string; message: string }, nowMs: number): void {
    this.counters.takenBack++;
    const by = pending.after - pending.before;
    const later = [...this.#pending.values()].find(
      (p) => p.command.kind !== 'adjust' && sameKey(p.key, pending.key),
    );
    if (later !== undefined) later.before -= by;
    else if (by !== 0) this.#moveBack({ key: pending.key, by }, nowMs);
    this.#refuse(pending.token, asError(error));
  }

  #moveBack(owed: Owed, nowMs: number): void {
    const { map, members } = this.#state;
    const { key, by } = owed;
    const present = map.priority(key);
    const target = Math.min(LIMITS.priority, present - by);
    let delta: Delta | null;
    if (target <= 0) delta = map.release(key);
    else if (this.#dots.available) {
      delta = this.#withDot((dot) => map.register(members.self, dot, key, target));
    } else {
      this.#owed.push(owed);
      if (!this.#dots.exhausted) this.#dots.request();
      return;
    }
    if (delta === null) return;
    this.#spread(key, present, delta, nowMs);
    this.#out.note(deltaEntry(delta));
  }

  /** The entry is set anew: what was owed to its past is settled. */
  #forgive(key: RangeKey): void {
    for (let i = this.#owed.length - 1; i >= 0; i--)
      if (sameKey((this.#owed[i] as Owed).key, key)) this.#owed.splice(i, 1);
  }

  #refuse(token: number | null, error: ShoalError): void {
    this.counters.refused++;
    if (token === null) return;
    const field = error.field === undefined ? {} : { field: error.field };
    this.#out.answer(token, { error: { code: error.code, message: error.message, ...field } });
  }

  #notRegistered({ node, start, end }: RangeKey): ShoalError {
    const name = this.#state.nameOf(node);
    return new ShoalError(
      'not-registered',
      `${name} has no registration ${start}-${end}: see 'shoal ranges'`,
    );
  }

  #nodeOf(text: string | undefined): NodeId {
    return text === undefined ? this.#state.members.self : resolveNode(this.#state, text);
  }
}

/**
 * A member by id or name; an id of a node unknown here is taken as it is, for its entries may outlive its record.
 * @throws ShoalError `unknown-node`, `name-conflict`
 */
export function resolveNode(state: GroupState, text: string): NodeId {
  const found = state.members.find(text);
  const [first] = found;
  if (first === undefined) {
    if (/^[0-9a-f]{16}$/.test(text)) return text as NodeId;
    throw new ShoalError('unknown-node', `no member is called '${text}': see 'shoal members'`, 'node');
  }
  const holders = found.filter(({ record }) => record.state !== STATE.left);
  if (holders.length > 1) {
    const ids = holders.slice(0, 4).map(({ record }) => record.id);
    const more = holders.length > ids.length ? ', ...' : '';
    throw new ShoalError(
      'name-conflict',
      `more than one member is called '${text}': give the node id (${ids.join(', ')}${more})`,
      'node',
    );
  }
  return first.record.id;
}

function sameKey(a: RangeKey, b: RangeKey): boolean {
  return a.node === b.node && a.start === b.start && a.end === b.end;
}

function asError(error: { code: string; message: string }): ShoalError {
  return new ShoalError(error.code, error.message);
}
