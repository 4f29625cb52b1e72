import {
  type Address,
  jitter,
  LIMITS,
  type NodeId,
  parseAddress,
  type Rng,
  ShoalError,
} from '../base/index.ts';
import { STATE } from '../members/index.ts';
import type { ConvergedView, JoinView } from './contract.ts';
import type { Answer } from './machine.ts';
import type { SessionEnd } from './sessions.ts';
import type { GroupState } from './state.ts';

/** Converged: members not agreeing are asked again after this long. */
const ASK_AGAIN_MS = 200;
/** Converged without waiting still gives answers this long to come. */
const ANSWER_MS = 1000;
/** Questions of one kind that may wait at once. */
const TASKS = 32;
/** Contacts given at start are tried again after these pauses. */
const CONTACT = { firstMs: 1000, maxMs: 30_000 } as const;
/** A node that knows of nobody but itself goes back to them after this long. */
const ALONE_MS = 5000;

interface ConvergedTask {
  readonly token: number;
  readonly startMs: number;
  readonly deadlineMs: number;
  readonly wait: boolean;
  askMs: number;
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
  #contacts: Contact[] = [];
  #given: readonly Address[] = [];
  #aloneMs = Infinity;
  #joins = 0;

  constructor(state: GroupState, rng: Rng, out: TaskOutputs) {
    this.#state = state;
    this.#rng = rng;
    this.#out = out;
  }

  /** Addresses still being tried from the start. */
  get contacting(): Address[] {
    return this.#contacts.map((c) => c.address);
  }

  /** Tries these until one answered; again when everybody else is gone. */
  contact(addresses: readonly Address[], nowMs: number): void {
    this.#given = addresses;
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
    this.#converged.push({ token, startMs: nowMs, deadlineMs, wait: waitMs > 0, askMs: nowMs });
    this.wake(nowMs);
  }

  join(token: number, texts: readonly string[], nowMs: number): void {
    let addresses: Address[];
    try {
      if (texts.length === 0 || texts.length > LIMITS.joinAddresses) {
        throw new ShoalError('bad-address', `give 1 to ${LIMITS.joinAddresses} addresses`, 'addresses');
      }
      addresses = texts.map((text) => parseAddress(text, 'addresses'));
      if (this.#joins >= TASKS) throw new ShoalError('overloaded', 'too many joins are under way: try again');
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error;
      this.#fail(token, error);
      return;
    }
    this.#joins++;
    const view: { reached: number; failed: { address: string; message: string }[] } = {
      reached: 0,
      failed: [],
    };
    let open = addresses.length;
    const settle = (): void => {
      if (--open > 0) return;
      this.#joins--;
      const answer: JoinView = view;
      this.#out.answer(token, { ok: answer });
    };
    for (const address of addresses) {
      const called = this.#out.call(
        address,
        (end) => {
          if (end.ok) view.reached++;
          else view.failed.push({ address, message: end.reason });
          settle();
        },
        nowMs,
      );
      if (called) continue;
      view.failed.push({ address, message: 'too many sessions are under way: try again' });
      settle();
    }
  }

  /** A peer reported a digest: somebody may be waiting for it. */
  digestCame(nowMs: number): void {
    if (this.#converged.length > 0) this.#settleConverged(nowMs);
  }

  nextMs(): number {
    let next = this.#aloneMs;
    for (const task of this.#converged) next = Math.min(next, task.askMs, task.deadlineMs);
    for (const contact of this.#contacts) if (!contact.calling) next = Math.min(next, contact.dueMs);
    return next;
  }

  wake(nowMs: number): void {
    for (const task of this.#converged) {
      if (nowMs < task.askMs) continue;
      task.askMs = nowMs + ASK_AGAIN_MS;
      const ours = this.#out.digest();
      for (const member of this.#others()) {
        if (member.digest !== ours || member.digestMs < task.startMs)
          this.#out.askDigest(member.record.id, nowMs);
      }
    }
    if (this.#converged.length > 0) this.#settleConverged(nowMs);
    this.#lookAround(nowMs);
    for (const contact of this.#contacts) {
      if (contact.calling || nowMs < contact.dueMs) continue;
      contact.calling = this.#out.call(
        contact.address,
        (end, endMs) => this.#contacted(contact, end, endMs),
        nowMs,
      );
      if (!contact.calling) contact.dueMs = nowMs + 100;
    }
  }

  #lookAround(nowMs: number): void {
    const alone = this.#given.length > 0 && this.#contacts.length === 0 && this.#state.members.liveCount <= 1;
    if (!alone) this.#aloneMs = Infinity;
    else if (this.#aloneMs === Infinity) this.#aloneMs = nowMs + jitter(this.#rng, ALONE_MS);
    else if (nowMs >= this.#aloneMs) {
      this.#aloneMs = Infinity;
      this.contact(this.#given, nowMs);
    }
  }

  #contacted(contact: Contact, end: SessionEnd, nowMs: number): void {
    contact.calling = false;
    if (end.ok) {
      this.#contacts = [];
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

  #others() {
    return [...this.#state.members.all()].filter(
      (m) => m.record.id !== this.#state.members.self && m.record.state <= STATE.suspect,
    );
  }

  #settleConverged(nowMs: number): void {
    const digest = this.#out.digest();
    for (let i = this.#converged.length - 1; i >= 0; i--) {
      const task = this.#converged[i] as ConvergedTask;
      const members = this.#others().map((m) => ({
        id: m.record.id,
        name: m.record.name,
        digest: m.digestMs >= task.startMs ? m.digest : null,
      }));
      const converged = members.every((m) => m.digest === digest);
      const complete = !task.wait && members.every((m) => m.digest !== null);
      if (!converged && !complete && nowMs < task.deadlineMs) continue;
      this.#converged.splice(i, 1);
      const answer: ConvergedView = { converged, digest, members };
      this.#out.answer(task.token, { ok: answer });
    }
  }

  #fail(token: number, error: ShoalError): void {
    const field = error.field === undefined ? {} : { field: error.field };
    this.#out.answer(token, { error: { code: error.code, message: error.message, ...field } });
  }
}
