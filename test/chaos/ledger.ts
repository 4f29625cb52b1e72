/**
 * What the map may and must hold, told from changes and their answers alone. The simulator's model (test/sim/model.ts),
 * for processes that answer over sockets: nobody can be asked what a node showed at the very moment of a change, so what
 * a release had observed is known only in part.
 *
 * Every amount is a power of two that is used once in its entry at a time: a priority is the set of the changes that
 * count. A release (and a register, which sets anew) surely removes what its node surely had when it was asked: changes
 * that this node acknowledged itself, or that one of its answers showed since it started. Whatever else was asked before
 * its answer, it may have removed.
 *
 * When the group agrees again: a change acknowledged that nothing may have removed is there (`lost`); one surely removed
 * is not (`revived`); nothing is there that was refused or never asked (`phantom`). Then the ledger takes what is there
 * for the new beginning, and amounts that are gone may be used again: for however long it runs, a revival is noticed.
 *
 * Left open, as in the simulator: changes without an answer; smaller registers under a larger one (the larger counts);
 * decreases (one that is left alone is at or below zero and is cleaned up). An entry where a full disk refused a change
 * is left out (`muddled`: the node takes such a change back by changes of its own) until `renew` has released it.
 */
import { shown } from '../sim/model.ts';

/** Amounts that take away are below this one, others from it on: see `shown`. */
const LOW_BITS = 12;
const HIGH_BITS = 19;
/** The error codes after which a change may or may not have happened. */
const UNCERTAIN = new Set(['disk-full', 'disk-failed', 'timeout']);
/** Refusals that need no excuse. */
const NOBODY = -1;
const ALLOWED = new Set(['leaving', 'overloaded']);

export type ChangeKind = 'register' | 'increase' | 'decrease' | 'release';

export interface Entry {
  /** Index of the node it belongs to. */
  readonly owner: number;
  readonly start: number;
  readonly end: number;
  readonly tokens: Token[];
  /** For each host, the bits it surely has observed. */
  readonly observed: number[];
  /** Releases and registers without an answer yet, and all that were ever asked. */
  removing: number;
  removals: number;
  /** What is wrong with it, unless it turns out to be muddled: a refusal may come later than what it leads to. */
  readonly doubts: string[];
  /** The hosts whose disks refused a change of it. */
  readonly muddledBy: Set<number>;
}

/** One change that is, or was, part of an entry. */
interface Token {
  readonly bit: number;
  readonly amount: number;
  readonly base: boolean;
  readonly host: number;
  readonly askedMs: number;
  state: 'open' | 'acknowledged' | 'refused';
  maybeRemoved: boolean;
  removed: boolean;
}

/** A change under way. */
export interface Asked {
  readonly entry: Entry;
  readonly kind: ChangeKind;
  readonly host: number;
  readonly boot: number;
  readonly amount: number;
  readonly token: Token | null;
  /** What it surely removes when it is acknowledged. */
  readonly surely: readonly Token[];
  /** This host has acknowledged what nothing may have removed: the entry is registered there, if no others are removing. */
  readonly present: boolean;
  readonly removals: number;
}

export class Ledger {
  readonly entries: readonly Entry[];
  readonly violations: string[] = [];
  acknowledged = 0;
  /** The same by host. */
  readonly acknowledgedBy: number[];
  refused = 0;
  /** Without an answer: the process was killed. */
  open = 0;
  /** Of the changes looked at when the group agreed: those that had to be there, had not to, and could be either. */
  readonly decided = { must: 0, mustNot: 0, open: 0 };
  readonly #boots: number[];

  constructor(hosts: number, rangesPerNode: number) {
    this.#boots = new Array<number>(hosts).fill(0);
    this.acknowledgedBy = new Array<number>(hosts).fill(0);
    const entries: Entry[] = [];
    for (let owner = 0; owner < hosts; owner++) {
      for (let i = 0; i < rangesPerNode; i++) {
        const start = (owner * rangesPerNode + i) * 4096;
        const observed = new Array<number>(hosts).fill(0);
        const end = start + 4095;
        entries.push({
          owner,
          start,
          end,
          tokens: [],
          observed,
          removing: 0,
          removals: 0,
          doubts: [],
          muddledBy: new Set(),
        });
      }
    }
    this.entries = entries;
  }

  /** Null when every amount of this kind is in use in the entry. */
  ask(entry: Entry, kind: ChangeKind, host: number, pick: (n: number) => number): Asked | null {
    const amount = kind === 'release' ? 0 : draw(entry, kind === 'decrease', pick);
    if (amount === null) return null;
    const mask = entry.observed[host] ?? 0;
    const removes = kind === 'release' || kind === 'register';
    const surely = removes ? entry.tokens.filter((t) => (t.bit & mask) !== 0) : [];
    const own = (t: Token): boolean => t.host === host && t.amount > 0 && t.state === 'acknowledged';
    const present = entry.tokens.some((t) => own(t) && !t.maybeRemoved);
    const before = entry.removing;
    if (removes) {
      for (const token of entry.tokens) token.maybeRemoved = true;
      entry.removing++;
      entry.removals++;
    }
    let token: Token | null = null;
    if (amount !== 0) {
      token = {
        bit: Math.abs(amount),
        amount,
        base: kind === 'register',
        host,
        askedMs: performance.now(),
        state: 'open',
        // By another that is under way, not by its own.
        maybeRemoved: before > 0,
        removed: false,
      };
      entry.tokens.push(token);
    }
    const { removals } = entry;
    return { entry, kind, host, boot: this.#boots[host] ?? 0, amount, token, surely, present, removals };
  }

  /** The answer; null: there was none, and there will be none, because the process is gone. */
  answered(asked: Asked, answer: { readonly status: number; readonly json: unknown } | null): void {
    const { entry, kind, token } = asked;
    const removes = kind === 'release' || kind === 'register';
    if (removes) entry.removing--;
    // What was asked meanwhile, it may have removed too.
    if (removes) for (const t of entry.tokens) if (t !== token) t.maybeRemoved = true;
    if (answer === null) {
      this.open++;
      return;
    }
    if (answer.status !== 200) {
      this.#onRefusal(asked, answer);
      return;
    }
    this.acknowledged++;
    this.acknowledgedBy[asked.host] = (this.acknowledgedBy[asked.host] ?? 0) + 1;
    for (const t of asked.surely) t.removed = true;
    if (token !== null) {
      token.state = 'acknowledged';
      // On its disk: whatever becomes of the process, it has that one.
      entry.observed[asked.host] = (entry.observed[asked.host] ?? 0) | token.bit;
    }
    if (!isMuddled(entry)) this.#onShown(asked, answer.json);
  }

  /** A process has ended: of what it had observed only that is sure which it acknowledged itself. */
  hostEnded(host: number): void {
    this.#boots[host] = (this.#boots[host] ?? 0) + 1;
    for (const entry of this.entries) {
      let mask = 0;
      for (const t of entry.tokens) if (t.host === host && t.state === 'acknowledged') mask |= t.bit;
      entry.observed[host] = mask;
    }
  }

  /** Entries that must be released, and seen to be gone, before the ledger can say anything of them. */
  get muddled(): Entry[] {
    return this.entries.filter(isMuddled);
  }

  /** `entry` is registered nowhere any more. */
  renew(entry: Entry): void {
    entry.tokens.length = 0;
    entry.observed.fill(0);
    entry.muddledBy.clear();
    entry.doubts.length = 0;
  }

  /**
   * Nothing of what this host acknowledged is missing on its disk; to be called when its process has ended. `amountsOf`:
   * the host's own changes that count there. Not the priority: what it only heard of need not be on its disk yet.
   */
  checkDisk(host: number, name: string, amountsOf: (entry: Entry) => readonly number[]): void {
    for (const entry of this.entries) {
      if (isMuddled(entry)) continue;
      const amounts = amountsOf(entry);
      for (const t of entry.tokens) {
        const must = t.host === host && t.state === 'acknowledged' && t.amount > 0 && !t.maybeRemoved;
        if (!must || t.removed || amounts.includes(t.amount)) continue;
        this.#violate('lost', `the disk of ${name}`, `[${amounts.join(' ')}] of its own`, entry, t);
      }
    }
  }

  /** Compares with what all show alike, and goes on from there. */
  settle(priorityOf: (entry: Entry) => number, where: string): void {
    for (const entry of this.entries) {
      if (isMuddled(entry)) continue;
      const priority = priorityOf(entry);
      const seen = shown(priority);
      this.#compare(entry, seen, priority, where);
      this.violations.push(...entry.doubts.splice(0));
      this.#goOn(entry, seen);
    }
  }

  /** What is wrong though nothing was compared since: at the end, with the disks of processes that were killed. */
  conclude(): void {
    for (const entry of this.entries) if (!isMuddled(entry)) this.violations.push(...entry.doubts.splice(0));
  }

  #compare(entry: Entry, seen: number, priority: number, where: string): void {
    let asked = 0;
    for (const t of entry.tokens) {
      asked |= t.bit;
      const there = (seen & t.bit) !== 0;
      const must = mustBe(t, seen, entry);
      const mustNot = t.removed || t.state === 'refused';
      this.decided[must ? 'must' : mustNot ? 'mustNot' : 'open']++;
      if (must && !there) this.#violate('lost', where, priority, entry, t);
      if (mustNot && there) this.#violate(t.removed ? 'revived' : 'phantom', where, priority, entry, t);
    }
    if ((seen & ~asked) !== 0) {
      entry.doubts.push(`phantom: ${where} shows ${priority} for ${nameOf(entry)}: not asked`);
    }
  }

  #goOn(entry: Entry, seen: number): void {
    const largest = largestBase(entry, seen);
    // Decreases that are left alone make a priority below zero: not registered, until they are cleaned up.
    const hidden = (t: Token): boolean => (t.base ? t.amount < largest : seen === 0 && t.amount < 0);
    const kept = entry.tokens.filter(
      (t) => (seen & t.bit) !== 0 || (hidden(t) && t.state !== 'refused' && !t.removed),
    );
    entry.tokens.length = 0;
    let mask = 0;
    for (const t of kept) {
      mask |= t.bit;
      const there = (seen & t.bit) !== 0;
      // Hidden: nobody sees whether it is there, but all have observed that.
      // What nobody answered for came here by the others: it need not be on its host's disk.
      const host = t.state === 'acknowledged' ? t.host : NOBODY;
      entry.tokens.push({ ...t, host, state: 'acknowledged', maybeRemoved: !there, removed: false });
    }
    // All have the same map, so whatever there was, each of them has observed.
    entry.observed.fill(mask);
  }

  #onRefusal(asked: Asked, { status, json }: { readonly status: number; readonly json: unknown }): void {
    const { entry, token, kind } = asked;
    const code = (json as { error?: { code?: string } }).error?.code ?? `status ${status}`;
    this.refused++;
    if (UNCERTAIN.has(code)) {
      entry.muddledBy.add(asked.host);
      return;
    }
    if (token !== null) token.state = 'refused';
    if (ALLOWED.has(code)) return;
    const wantsOne = kind === 'release' || kind === 'decrease';
    if (code === 'not-registered' && wantsOne && !isRegistered(asked)) return;
    entry.doubts.push(`answers: ${kind} of ${nameOf(entry)} on host ${asked.host} was refused: ${code}`);
  }

  #onShown(asked: Asked, json: unknown): void {
    const { entry, kind, token, host } = asked;
    if (kind === 'release' || token === null) return;
    const { priority = 0 } = json as { priority?: number };
    const wrong = kind === 'register' ? priority !== token.amount : (shown(priority) & token.bit) === 0;
    if (wrong) {
      const text = JSON.stringify(json);
      entry.doubts.push(`answers: ${kind} by ${asked.amount} of ${nameOf(entry)} on host ${host}: ${text}`);
    } else if (asked.boot === this.#boots[host]) {
      entry.observed[host] = (entry.observed[host] ?? 0) | shown(priority);
    }
  }

  #violate(rule: string, where: string, priority: number | string, entry: Entry, token: Token): void {
    const what = token.base ? `register ${token.amount}` : `adjust by ${token.amount}`;
    const atS = ((token.askedMs / 1000) | 0).toString();
    entry.doubts.push(
      `${rule}: ${where} shows ${priority} for ${nameOf(entry)}: ${what}, asked at ${atS} s on host ${token.host}, ${token.state}${token.removed ? ', removed' : ''}`,
    );
  }
}

/** It was acknowledged, nothing may have removed it, and it would be seen. */
function mustBe(token: Token, seen: number, entry: Entry): boolean {
  if (token.state !== 'acknowledged' || token.maybeRemoved || token.removed || token.amount < 0) return false;
  return !token.base || token.amount >= largestBase(entry, seen);
}

/** When the change was made, the entry was registered on that host. */
function isRegistered({ present, removals, entry }: Asked): boolean {
  return present && removals === entry.removals;
}

function isMuddled(entry: Entry): boolean {
  return entry.muddledBy.size > 0;
}

function largestBase(entry: Entry, seen: number): number {
  let largest = 0;
  for (const t of entry.tokens) if (t.base && (seen & t.bit) !== 0) largest = Math.max(largest, t.amount);
  return largest;
}

function nameOf({ owner, start, end }: Entry): string {
  return `range ${start}-${end} of host ${owner}`;
}

/** An amount whose bit is free in the entry. */
function draw(entry: Entry, low: boolean, pick: (n: number) => number): number | null {
  const [from, width] = low ? [0, LOW_BITS] : [LOW_BITS, HIGH_BITS];
  let used = 0;
  for (const t of entry.tokens) used |= t.bit;
  const free: number[] = [];
  for (let i = from; i < from + width; i++) if ((used & (1 << i)) === 0) free.push(1 << i);
  if (free.length === 0) return null;
  const bit = free[pick(free.length)] as number;
  return low ? -bit : bit;
}
