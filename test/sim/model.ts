import type { NodeId } from '../../src/base/index.ts';
import type { Answer, Command } from '../../src/node/machine.ts';
import type { SimHost } from './host.ts';
import type { World } from './world.ts';

/** Amounts that add are powers of two from 2^12 on, amounts that take away are smaller ones. */
const LOW_BITS = 12;
const LOW = 1 << LOW_BITS;
const HIGH_BITS = 19;

/** The error codes after which a change may or may not have happened. */
const UNCERTAIN = new Set(['disk-full', 'disk-failed', 'timeout']);
/** Refusals that need no excuse. */
const ALLOWED = new Set(['leaving', 'overloaded', 'unknown-node']);

export interface EntryKey {
  readonly node: NodeId;
  readonly start: number;
  readonly end: number;
}

export type Change = 'register' | 'increase' | 'decrease' | 'release';

/** One thing that a command put into an entry. Its bit is used once in the entry, so a priority tells who is in it. */
interface Token {
  readonly bit: number;
  readonly amount: number;
  readonly base: boolean;
  readonly acceptor: number;
  readonly issuedMs: number;
  state: 'uncertain' | 'acknowledged' | 'refused';
  maybeRemoved: boolean;
  /** Hosts with an acknowledged release (or register) on disk that had observed it. */
  readonly removers: Set<number>;
  /** Once the accepting host lost its disk: the others that showed it then. Null before. */
  holders: Set<number> | null;
  maybeLost: boolean;
}

interface EntryModel {
  readonly key: EntryKey;
  readonly tokens: Token[];
  /** Bits of `tokens` that are increments above zero. */
  increments: number;
  usedLow: number;
  usedHigh: number;
  /** Commands under way that were not applied at once. */
  late: number;
  /** A change was refused after it was made, and taken back by changes of the node's own: amounts tell no more. */
  muddled: boolean;
}

/** Which tokens a priority shows: P - N with N < 2^12 and P a multiple of 2^12, so both can be read off. */
export function shown(priority: number): number {
  const low = (LOW - (priority & (LOW - 1))) & (LOW - 1);
  return (priority + low) | low;
}

/**
 * The omniscient model: what the map may and must hold, told from nothing but commands, answers and the priorities that
 * nodes show. It does not use the code under test to decide: every amount is a bit of its own within its entry, so a
 * priority is the set of changes that count at that node at that moment.
 *
 * A register adds its bit and removes those the accepting node shows; an increase adds its bit; a release removes what
 * the node shows. Then at the end, on all nodes alike:
 * - a change acknowledged, observed by no later release or register, and not lost with its only disk, is there;
 * - a change whose release was acknowledged and is on disk is not;
 * - nothing is there that was refused or never asked.
 * Undecidable cases count as "maybe": commands without an answer, smaller registers hidden under a larger one
 * (the larger base counts, so nobody sees whether the smaller is still there), and all decreases (a decrease that arrives
 * before what it decreases is, alone, at zero or below, and may be cleaned up). An entry with a change that a full disk
 * refused is left out: the node takes such a change back by changes of its own.
 */
export class MapModel {
  readonly #world: World;
  readonly #entries = new Map<string, EntryModel>();
  acknowledged = 0;
  refused = 0;
  /** Of all changes, at the end: those that must be there, must not, and may. */
  readonly decided = { must: 0, mustNot: 0, open: 0 };

  constructor(world: World) {
    this.#world = world;
  }

  /** Issues a change at a host; false when the entry has no bit left for it. */
  change(host: SimHost, kind: Change, key: EntryKey, pick: (n: number) => number): boolean {
    const machine = host.machine;
    // What a stalled host has observed when it comes to the command, nobody can say now.
    if (machine === null || host.stalled) return false;
    const entry = this.#entry(key);
    const amount = kind === 'release' ? 0 : this.#draw(entry, kind, pick);
    if (amount === null) return false;
    const before = this.priority(host, key);
    const token = amount === 0 ? null : this.#token(entry, host, amount, kind === 'register');
    const removes = kind === 'release' || kind === 'register';
    const definite = removes ? this.#observe(entry, before, token) : [];
    const command = commandOf(kind, key, amount);
    const wanted = kind === 'release' ? 0 : kind === 'register' ? amount : before + amount;
    const issuedMs = this.#world.nowMs;
    // At once: applied within the call, so that what it observed is what was shown before.
    let atOnce = false;
    let inCall = true;
    let answered = false;
    host.command(command, (answer) => {
      answered = true;
      if (!inCall && !atOnce) entry.late--;
      if ('error' in answer) {
        this.#onError(host, command, answer.error.code, inCall && before > 0, token, entry);
        if (inCall) return;
      }
      // Applied at some later moment: nobody knows what it had observed by then.
      if (removes && !atOnce) for (const t of entry.tokens) if (t !== token) t.maybeRemoved = true;
      if ('error' in answer) return;
      this.acknowledged++;
      if (token !== null) token.state = 'acknowledged';
      for (const t of definite) t.removers.add(host.index);
      if (atOnce) this.#checkAnswer(host, command, answer, wanted, issuedMs);
    });
    inCall = false;
    atOnce = this.priority(host, key) === wanted;
    if (!atOnce && !answered) entry.late++;
    return true;
  }

  /** The priority a host shows for an entry; 0 when it is not registered there. */
  priority(host: SimHost, key: EntryKey): number {
    const machine = host.machine;
    if (machine === null) return 0;
    for (const range of machine.ranges(key.node)) {
      if (range.start === key.start && range.end === key.end && range.node === key.node)
        return range.priority;
    }
    return 0;
  }

  /** To be called before a host loses its state directory. */
  beforeWipe(host: SimHost): void {
    for (const entry of this.#entries.values()) {
      for (const token of entry.tokens) {
        token.removers.delete(host.index);
        const held =
          token.holders === null ? token.acceptor === host.index : token.holders.delete(host.index);
        if (!held || token.maybeLost) continue;
        const holders = token.holders ?? new Set<number>();
        for (const other of this.#world.running()) {
          if (other !== host && (shown(this.priority(other, entry.key)) & token.bit) !== 0)
            holders.add(other.index);
        }
        token.holders = holders;
        if (holders.size === 0) token.maybeLost = true;
      }
    }
  }

  /** To be called before a host crashes: what it only heard of may not be on its disk yet. */
  beforeCrash(host: SimHost): void {
    for (const entry of this.#entries.values()) {
      for (const token of entry.tokens) {
        if (token.holders?.delete(host.index) && token.holders.size === 0) token.maybeLost = true;
      }
    }
  }

  /** The bits of an entry's increments: once gone from a node they never come back there. */
  increments(key: string): number {
    const entry = this.#entries.get(key);
    return entry === undefined || entry.muddled ? 0 : entry.increments;
  }

  /** When the change behind a bit was issued, and by whom; undefined for a bit never issued. */
  issued(key: string, bit: number): { atMs: number; host: number } | undefined {
    const token = this.#entries.get(key)?.tokens.find((t) => t.bit === bit);
    return token === undefined ? undefined : { atMs: token.issuedMs, host: token.acceptor };
  }

  knows(key: string): boolean {
    return this.#entries.has(key);
  }

  /** Checks what every node shows at the end. */
  checkFinal(host: SimHost): void {
    for (const entry of this.#entries.values()) {
      if (entry.muddled) continue;
      const priority = this.priority(host, entry.key);
      const seen = shown(priority);
      let known = 0;
      const largestBase = Math.max(
        0,
        ...entry.tokens.filter((t) => t.base && seen & t.bit).map((t) => t.amount),
      );
      for (const token of entry.tokens) {
        known |= token.bit;
        const there = (seen & token.bit) !== 0;
        this.#count(entry, token);
        const fault = there ? presentFault(token) : absentFault(token, largestBase, entry);
        if (fault !== null) this.#report(fault, host, entry, token, priority);
      }
      if ((seen & ~known) !== 0) {
        this.#world.violate(
          'phantom',
          `${host.address} shows ${priority} for ${entryText(entry.key)}: never asked`,
        );
      }
    }
  }

  #count(entry: EntryModel, token: Token): void {
    if (token.state === 'refused' || token.removers.size > 0) this.decided.mustNot++;
    else if (entry.late === 0 && absentFault(token, 0, entry) !== null) this.decided.must++;
    else this.decided.open++;
  }

  /** Of the decreases acknowledged and not removed, how many a node shows: [there, all]. Not a rule: see the header. */
  decreases(host: SimHost): [number, number] {
    let there = 0;
    let all = 0;
    for (const entry of this.#entries.values()) {
      const seen = shown(this.priority(host, entry.key));
      for (const token of entry.tokens) {
        if (token.amount > 0 || token.state !== 'acknowledged' || token.maybeRemoved) continue;
        all++;
        if ((seen & token.bit) !== 0) there++;
      }
    }
    return [there, all];
  }

  /** What a remover at a host that shows `before` has observed; the rest it may have observed is marked. */
  #observe(entry: EntryModel, before: number, own: Token | null): Token[] {
    const seen = shown(before);
    const definite = entry.tokens.filter((t) => t !== own && (seen & t.bit) !== 0);
    const base = Math.max(0, ...definite.filter((t) => t.base).map((t) => t.amount));
    for (const t of entry.tokens) {
      if (t !== own && ((seen & t.bit) !== 0 || t.amount < 0 || (t.base && t.amount < base)))
        t.maybeRemoved = true;
    }
    return definite;
  }

  #report(rule: string, host: SimHost, entry: EntryModel, token: Token, priority: number): void {
    const what = token.base ? `register ${token.amount}` : `adjust by ${token.amount}`;
    this.#world.violate(
      rule,
      `${host.address} shows ${priority} for ${entryText(entry.key)}: ${what}, asked at ${token.issuedMs.toFixed(0)} ms ` +
        `on n${token.acceptor} and ${token.state}, removed by [${[...token.removers]}]`,
    );
  }

  #entry(key: EntryKey): EntryModel {
    const text = entryText(key);
    let entry = this.#entries.get(text);
    if (entry === undefined) {
      entry = { key, tokens: [], increments: 0, usedLow: 0, usedHigh: 0, late: 0, muddled: false };
      this.#entries.set(text, entry);
    }
    return entry;
  }

  /** A free amount: null when there is none. */
  #draw(entry: EntryModel, kind: Change, pick: (n: number) => number): number | null {
    const low = kind === 'decrease';
    const width = low ? LOW_BITS : HIGH_BITS;
    const used = low ? entry.usedLow : entry.usedHigh;
    const free: number[] = [];
    for (let i = 0; i < width; i++) if ((used & (1 << i)) === 0) free.push(i);
    if (free.length === 0) return null;
    const i = free[pick(free.length)] as number;
    if (low) entry.usedLow |= 1 << i;
    else entry.usedHigh |= 1 << i;
    return low ? -(1 << i) : 1 << (i + LOW_BITS);
  }

  #token(entry: EntryModel, host: SimHost, amount: number, base: boolean): Token {
    const token: Token = {
      bit: Math.abs(amount),
      amount,
      base,
      acceptor: host.index,
      issuedMs: this.#world.nowMs,
      state: 'uncertain',
      maybeRemoved: false,
      removers: new Set(),
      holders: null,
      maybeLost: false,
    };
    entry.tokens.push(token);
    if (amount > 0 && !base) entry.increments |= token.bit;
    return token;
  }

  #onError(
    host: SimHost,
    command: Command,
    code: string,
    there: boolean,
    token: Token | null,
    entry: EntryModel,
  ): void {
    if (UNCERTAIN.has(code)) {
      entry.muddled = true;
      if (code === 'disk-full' && !host.disk.wasFull) {
        this.#world.violate('answers', `${host.address}: disk-full though the disk is not`);
      }
      return;
    }
    this.refused++;
    if (token !== null) token.state = 'refused';
    if (ALLOWED.has(code)) return;
    if (code === 'not-registered' && !there) return;
    this.#world.violate('answers', `${host.address}: ${JSON.stringify(command)} was refused: ${code}`);
  }

  #checkAnswer(host: SimHost, command: Command, answer: Answer, wanted: number, issuedMs: number): void {
    if (!('ok' in answer) || answer.ok === null) {
      this.#world.violate('answers', `${host.address}: ${command.kind} was answered with nothing`);
      return;
    }
    const ok = answer.ok;
    const said = 'priority' in ok ? ok.priority : 'released' in ok ? 0 : NaN;
    if (said !== wanted) {
      this.#world.violate(
        'answers',
        `${host.address}: ${JSON.stringify(command)} of ${issuedMs} ms was answered with ${JSON.stringify(ok)}, not ${wanted}`,
      );
    }
  }
}

function presentFault(token: Token): string | null {
  if (token.state === 'refused') return 'phantom';
  return token.removers.size > 0 ? 'resurrected' : null;
}

function absentFault(token: Token, largestBase: number, entry: EntryModel): string | null {
  if (entry.late > 0) return null;
  if (token.state !== 'acknowledged' || token.maybeRemoved || token.maybeLost || token.amount < 0)
    return null;
  if (token.base && token.amount < largestBase) return null;
  return 'lost';
}

function commandOf(kind: Change, key: EntryKey, amount: number): Command {
  const { node, start, end } = key;
  if (kind === 'register') return { kind, start, end, priority: amount, node };
  if (kind === 'release') return { kind, start, end, node };
  return { kind: 'adjust', start, end, by: amount, node };
}

export function entryText(key: EntryKey): string {
  return `${key.node}:${key.start}-${key.end}`;
}
