import {
  type Address,
  jitter,
  LIMITS,
  type NodeId,
  parseAddress,
  type Rng,
  ShoalError,
} from '../base/index.ts';
import { type Member, STATE } from '../members/index.ts';
import type { ConvergedView, JoinView } from './contract.ts';
import type { Answer } from './machine.ts';
import { SELF_CALLED, type SessionEnd } from './sessions.ts';
import type { GroupState } from './state.ts';

/** Converged: members not agreeing are asked again after this long, and so many milliseconds for each member. */
const ASK_AGAIN_MS = 200;
const ASK_PER_MEMBER_MS = 1;
/** Converged: all are asked no more often than that, however many want to know. */
const SHARED_MS = 50;
/** Converged without waiting still gives answers this long to come. */
const ANSWER_MS = 1000;
/** Questions of one kind that may wait at once. */
const TASKS = 32;
/** An address of a join waits this long for its turn to be called. */
const TURN_MS = 10_000;
/** A call that found no room is tried again after this long. */
const CALL_AGAIN_MS = 100;
/** Contacts given at start are tried again after these pauses. */
const CONTACT = { firstMs: 1000, maxMs: 8000 } as const;
/**
 * Contacts whose address is no member's are tried again after these pauses, for ever: behind one may be a group that knows
 * nothing of this one. Those that are members' are looked at again after `memberMs`: one may leave, and a newcomer sit there.
 */
const STRAY = { firstMs: 4000, maxMs: 60_000, memberMs: 15_000 } as const;
/** A node that heard nobody for this long goes back to its contacts: longer than anti-entropy's pause, which grows alike. */
const ALONE = { firstMs: 5000, perMemberMs: 600, maxMs: 60_000 } as const;

interface ConvergedTask {
  readonly token: number;
  readonly startMs: number;
  readonly deadlineMs: number;
  readonly wait: boolean;
}

interface JoinTask {
  readonly token: number;
  readonly waiting: Address[];
  readonly deadlineMs: number;
  readonly failed: { address: string; message: string }[];
  reached: number;
  calling: number;
  againMs: number;
}

interface Contact {
  readonly address: Address;
  pauseMs: number;
  dueMs: number;
  calling: boolean;
}

export interface TaskOutputs {
  answer(token: number, answer: Answer): void;
  askDigest(id: NodeId, nowMs: number): void;
  digest(): string;
  /** Calls an address; false when too many calls are under way. */
  call(address: Address, done: (end: SessionEnd, nowMs: number) => void, nowMs: number): boolean;
  log(message: string, fields: Record<string, unknown>): void;
}

/** What takes longer than one input: asking all for their digest, joining by address, keeping at the first contacts. */
export class Tasks {
  readonly #state: GroupState;
  readonly #rng: Rng;
  readonly #out: TaskOutputs;
  readonly #converged: ConvergedTask[] = [];
  /** When those who wait for agreement have the others asked again: once for all of them. */
  #askMs = Infinity;
  /** When they were asked last. */
  #askedMs = -Infinity;
  readonly #joins = new Set<JoinTask>();
  #contacts: Contact[] = [];
  #strays: Contact[] = [];
  #given: readonly Address[] = [];
  #aloneMs = Infinity;

  constructor(state: GroupState, rng: Rng, out: TaskOutputs) {
    this.#state = state;
    this.#rng = rng;
    this.#out = out;
  }

  /** Addresses still being tried from the start. */
  get contacting(): Address[] {
    return this.#contacts.map((c) => c.address);
  }

  /** Tries these until one answered, slowly those that did not; all again when everybody else is gone. */
  contact(addresses: readonly Address[], nowMs: number): void {
    this.#given = addresses;
    this.#strays = [];
    this.#contacts = addresses.map((address) => ({
      address,
      pauseMs: CONTACT.firstMs,
      dueMs: nowMs,
      calling: false,
    }));
  }

  converged(token: number, waitMs: number, nowMs: number): void {
    if (this.#converged.length >= TASKS) {
      this.#fail(
        token,
        new ShoalError('overloaded', 'too many are waiting for the group to agree: try again'),
      );
      return;
    }
    const deadlineMs = nowMs + Math.max(waitMs, ANSWER_MS);
    this.#converged.push({ token, startMs: nowMs, deadlineMs, wait: waitMs > 0 });
    const soonestMs = Math.max(nowMs, this.#askedMs + SHARED_MS);
    this.#askMs = this.#converged.length === 1 ? soonestMs : Math.min(this.#askMs, soonestMs);
    this.wake(nowMs);
  }

  join(token: number, texts: readonly string[], nowMs: number): void {
    let addresses: Address[];
    try {
      if (texts.length === 0 || texts.length > LIMITS.joinAddresses) {
        throw new ShoalError('bad-address', `give 1 to ${LIMITS.joinAddresses} addresses`, 'addresses');
      }
      addresses = texts.map((text) => parseAddress(text, 'addresses'));
      if (this.#joins.size >= TASKS)
        throw new ShoalError('overloaded', 'too many joins are under way: try again');
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error;
      this.#fail(token, error);
      return;
    }
    const task = {
      token,
      waiting: addresses,
      deadlineMs: nowMs + TURN_MS,
      failed: [],
      reached: 0,
      calling: 0,
      againMs: nowMs,
    };
    this.#joins.add(task);
    this.#advance(task, nowMs);
  }

  /** The node leaves: whoever still waits is told so. */
  abandon(): void {
    const error = new ShoalError('leaving', 'this node is leaving: use another');
    for (const { token } of this.#converged.splice(0)) this.#fail(token, error);
    for (const { token } of this.#joins) this.#fail(token, error);
    this.#joins.clear();
    this.#contacts = [];
    this.#strays = [];
  }

  /** Calls as many of a join's addresses as there is room for; answers when all are done with. */
  #advance(task: JoinTask, nowMs: number): void {
    for (let next = task.waiting[0]; next !== undefined; next = task.waiting[0]) {
      const address = next;
      const done = (end: SessionEnd, endMs: number): void => {
        task.calling--;
        if (end.ok) task.reached++;
        else task.failed.push({ address, message: end.reason });
        if (this.#joins.has(task)) this.#advance(task, endMs);
      };
      if (this.#out.call(address, done, nowMs)) task.calling++;
      else if (nowMs < task.deadlineMs) break;
      else task.failed.push({ address, message: 'too many sessions are under way: try again' });
      task.waiting.shift();
    }
    task.againMs = task.waiting.length > 0 ? nowMs + CALL_AGAIN_MS : Infinity;
    if (task.waiting.length > 0 || task.calling > 0) return;
    this.#joins.delete(task);
    const answer: JoinView = { reached: task.reached, failed: task.failed };
    this.#out.answer(task.token, { ok: answer });
  }

  /** A peer reported a digest: somebody may be waiting for it. */
  digestCame(nowMs: number): void {
    if (this.#converged.length > 0) this.#settleConverged(nowMs);
  }

  nextMs(): number {
    let next = Math.min(this.#aloneMs, this.#converged.length > 0 ? this.#askMs : Infinity);
    for (const task of this.#converged) next = Math.min(next, task.deadlineMs);
    for (const task of this.#joins) next = Math.min(next, task.againMs);
    for (const contact of this.#contacts) if (!contact.calling) next = Math.min(next, contact.dueMs);
    for (const stray of this.#strays) if (!stray.calling) next = Math.min(next, stray.dueMs);
    return next;
  }

  wake(nowMs: number): void {
    if (this.#converged.length > 0) this.#seekAgreement(nowMs);
    for (const task of this.#joins) if (nowMs >= task.againMs) this.#advance(task, nowMs);
    this.#lookAround(nowMs);
    for (const contact of this.#contacts) {
      if (!contact.calling && nowMs >= contact.dueMs) this.#callContact(contact, nowMs);
    }
    for (const stray of this.#strays) {
      if (stray.calling || nowMs < stray.dueMs) continue;
      // A member, live or down, is met by anti-entropy anyway.
      if (this.#isMembers(stray.address)) this.#rest(stray, nowMs);
      else this.#callContact(stray, nowMs);
    }
  }

  #callContact(contact: Contact, nowMs: number): void {
    const done = (end: SessionEnd, endMs: number): void => this.#contacted(contact, end, endMs);
    contact.calling = this.#out.call(contact.address, done, nowMs);
    if (!contact.calling) contact.dueMs = nowMs + CALL_AGAIN_MS;
  }

  /**
   * Back to the contacts when nobody was heard for longer than anti-entropy's longest pause: those listed as alive may be
   * ghosts (a member that lost its disk left its old record behind), and those who live may not know of us.
   */
  #lookAround(nowMs: number): void {
    if (this.#given.length === 0 || this.#contacts.length > 0) this.#aloneMs = Infinity;
    else if (this.#aloneMs === Infinity) this.#aloneMs = nowMs + this.#silenceMs();
    else if (nowMs >= this.#aloneMs) {
      let heardMs = -Infinity;
      for (const member of this.#state.members.all()) {
        const { id, state } = member.record;
        if (id !== this.#state.members.self && state <= STATE.suspect)
          heardMs = Math.max(heardMs, member.heardMs);
      }
      this.#aloneMs = heardMs + this.#silenceMs();
      if (nowMs < this.#aloneMs) return;
      this.#aloneMs = Infinity;
      this.contact(this.#given, nowMs);
    }
  }

  #silenceMs(): number {
    const { firstMs, perMemberMs, maxMs } = ALONE;
    return jitter(this.#rng, Math.min(maxMs, firstMs + perMemberMs * this.#state.members.liveCount), 0.1);
  }

  #contacted(contact: Contact, end: SessionEnd, nowMs: number): void {
    contact.calling = false;
    if (!this.#contacts.includes(contact)) {
      this.#strayed(contact, end, nowMs);
      return;
    }
    if (end.ok) {
      this.#strays = this.#contacts;
      this.#contacts = [];
      for (const stray of this.#strays) this.#rest(stray, nowMs);
      return;
    }
    this.#out.log('contact did not answer', {
      address: contact.address,
      reason: end.reason,
      again: contact.pauseMs / 1000,
    });
    contact.dueMs = nowMs + jitter(this.#rng, contact.pauseMs);
    contact.pauseMs = Math.min(CONTACT.maxMs, contact.pauseMs * 2);
  }

  #strayed(stray: Contact, end: SessionEnd, nowMs: number): void {
    if (!end.ok && end.reason === SELF_CALLED) {
      this.#strays = this.#strays.filter((other) => other !== stray);
      return;
    }
    stray.dueMs = nowMs + jitter(this.#rng, stray.pauseMs);
    stray.pauseMs = Math.min(STRAY.maxMs, stray.pauseMs * 2);
  }

  /** Not to be called for now; if then it is no member's address, with short pauses first. */
  #rest(stray: Contact, nowMs: number): void {
    stray.pauseMs = STRAY.firstMs;
    const known = this.#isMembers(stray.address);
    stray.dueMs = nowMs + jitter(this.#rng, known ? STRAY.memberMs : STRAY.firstMs);
  }

  /** One that left is none: whoever is there next may know nobody. */
  #isMembers(address: Address): boolean {
    for (const { record } of this.#state.members.all()) {
      if (record.state !== STATE.left && record.addresses.includes(address)) return true;
    }
    return false;
  }

  #isOther({ record }: Member): boolean {
    return record.id !== this.#state.members.self && record.state <= STATE.suspect;
  }

  /** Asks those that did not agree since the youngest of the questions, however many there are. */
  #seekAgreement(nowMs: number): void {
    const due = nowMs >= this.#askMs;
    if (due) {
      this.#askedMs = nowMs;
      this.#askMs = nowMs + Math.max(ASK_AGAIN_MS, this.#state.members.liveCount * ASK_PER_MEMBER_MS);
      const ours = this.#out.digest();
      const startMs = Math.max(...this.#converged.map((task) => task.startMs));
      for (const member of this.#state.members.all()) {
        if (this.#isOther(member) && (member.digest !== ours || member.digestMs < startMs))
          this.#out.askDigest(member.record.id, nowMs);
      }
    }
    if (due || this.#converged.some((task) => nowMs >= task.deadlineMs)) this.#settleConverged(nowMs);
  }

  #settleConverged(nowMs: number): void {
    const digest = this.#out.digest();
    for (let i = this.#converged.length - 1; i >= 0; i--) {
      const task = this.#converged[i] as ConvergedTask;
      if (nowMs < task.deadlineMs && !this.#isSettled(task, digest)) continue;
      this.#converged.splice(i, 1);
      const members: { id: NodeId; name: string; digest: string | null }[] = [];
      for (const member of this.#state.members.all()) {
        if (!this.#isOther(member)) continue;
        const { id, name } = member.record;
        members.push({ id, name, digest: member.digestMs >= task.startMs ? member.digest : null });
      }
      const answer: ConvergedView = { converged: members.every((m) => m.digest === digest), digest, members };
      this.#out.answer(task.token, { ok: answer });
    }
  }

  /** Agreement, or an answer of everybody where nobody waits for agreement. Called with each digest that comes. */
  #isSettled(task: ConvergedTask, digest: string): boolean {
    for (const member of this.#state.members.all()) {
      if (!this.#isOther(member)) continue;
      if (member.digestMs < task.startMs || (task.wait && member.digest !== digest)) return false;
    }
    return true;
  }

  #fail(token: number, error: ShoalError): void {
    const field = error.field === undefined ? {} : { field: error.field };
    this.#out.answer(token, { error: { code: error.code, message: error.message, ...field } });
  }
}
