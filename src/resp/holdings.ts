/**
 * Who holds data of the slots this node serves. Registrations move at once, data does not: until hand-off exists there is one
 * copy of each message, and it stays where it was written. So that no key is ever answered as missing while it may be elsewhere:
 *
 * - A slot that becomes this node's is UNSETTLED until every live node with a store was asked what it holds of it (HELD, one
 *   round trip on a link); commands wait for that, for a second at most, and then get `-TRYAGAIN`.
 * - What a live node holds is HELD: commands on the slot go to that node, new keys too, so that a slot's data stays in one place.
 *   It serves them though it is not the server (`keeps`), until it has none left and is asked again. Where several live nodes
 *   hold data of one slot, each key stays where it is, and new ones go to the first of them by id (proxy.ts).
 * - What a node holds that is not here now is HELD as well, and answered `-TRYAGAIN`: of a node that was seen holding it, or that
 *   is registered for it with a priority at least this node's and is down, or stopped without giving its ranges up. So while
 *   the first owner is down its messages are unavailable, not lost and not shadowed by newer ones that would be forgotten.
 *   An operator who gives up a dead node's messages says so: `shoal release --node` its ranges and `shoal force-leave` it;
 *   of one that was seen holding data, `SHOAL FORGET ID` at the new owner.
 *
 * Does not know: single keys. Where data is on both sides (two nodes took themselves for the server for a moment), the
 * router serves a key that is here, here. What was seen is not on disk: after a restart only the map and live nodes tell.
 * Bounds: 32 KiB for each node that may hold something of ours, one question at a time to each.
 * Test: holdings.test.ts, held-elsewhere.test.ts, test/e2e/store.test.ts.
 */
import type { NodeId } from '../base/index.ts';
import type { StoreNode } from '../node/contract.ts';
import { SLOT_COUNT, slotAt, slotRange } from '../ranges/index.ts';
import { type Store, Walk } from '../store/index.ts';
import type { Peer, Peers } from './peers.ts';
import { HELD, isOurs, type OwnRange, type SlotMap, UNSETTLED } from './slots.ts';

/** A question that was not answered is asked again after this long. */
const RETRY_MS = 250;
/** While others hold data of ours they are asked again, for they may have none left. */
const POLL_MS = 1_000;
/** Views settle within this long; who took itself for the server meanwhile is asked once more. */
const SETTLE_MS = 2_000;
/** Of two who take themselves for the server, one hears better within this long. */
const DISPUTE_MS = 300;
/** A node that is not in sync yet waits for it, but not for ever: its contacts may be gone. */
const READY_WAIT_MS = 10_000;
/** Positions of one question; more are asked in several. */
export const HELD_POSITIONS = 10_000;
/** Keys of a split slot that are looked at; of more it is said that some are there. */
const MAX_LOOKED_AT = 20_000;

interface Holder {
  /** By slot: it said so. */
  readonly known: Uint8Array;
  /** By slot: it is registered for it, and not here. */
  readonly presumed: Uint8Array;
}

export interface HoldingsParts {
  readonly node: StoreNode;
  readonly peers: Peers;
  readonly slots: SlotMap;
  readonly store: Store;
  /** Asks a peer which slots of these ranges it holds keys of; null when it did not answer. */
  readonly ask: (peer: Peer, ranges: readonly number[]) => Promise<readonly number[] | null>;
  readonly nowMs: () => number;
  /** Slots were settled: who waits may go on. */
  readonly settled: () => void;
}

export class Holdings {
  readonly #parts: HoldingsParts;
  readonly #holders = new Map<NodeId, Holder>();
  /** Slots of others that this node was seen to hold data of: it serves them to who asks for them as the holder. */
  readonly #keeps = new Uint8Array(SLOT_COUNT);
  readonly #live = new Set<NodeId>();
  readonly #asking = new Set<NodeId>();
  /** Of those, who is to be asked once more: what is under way was asked before that was wanted. */
  readonly #again = new Set<NodeId>();
  /** Live peers whose answers the present round waits for. */
  #waiting: Set<NodeId> | null = null;
  readonly #timers = new Set<NodeJS.Timeout>();
  #pollTimer: NodeJS.Timeout | null = null;
  #unreadyMs = -1;
  readonly counters = { rounds: 0, questions: 0, unanswered: 0 };

  constructor(parts: HoldingsParts) {
    this.#parts = parts;
  }

  /** After every refresh of the slot map. */
  follow(): void {
    const { peers, slots } = this.#parts;
    this.#presume();
    const acquired = slots.takeAcquired();
    for (const peer of peers.byId.values()) {
      const isNew = peer.live && !this.#live.has(peer.id);
      if (peer.live) this.#live.add(peer.id);
      else this.#live.delete(peer.id);
      if (isNew && !acquired && askable(peer)) void this.#ask(peer.id);
    }
    if (acquired) this.#round();
    else this.#settleIfDone();
    this.#mark();
  }

  /** Who has the data of a HELD slot, by id; `away`: names of those among them who are not here. */
  holdersOf(slot: number): { readonly here: readonly Peer[]; readonly away: readonly string[] } {
    const here: Peer[] = [];
    const away: string[] = [];
    for (const [id, { known, presumed }] of this.#holders) {
      if (known[slot] === 0 && presumed[slot] === 0) continue;
      const peer = this.#parts.peers.get(id);
      if (peer?.live === true && peer.address !== null) here.push(peer);
      else away.push(peer?.name ?? id);
    }
    if (here.length > 1) here.sort((a, b) => (a.id < b.id ? -1 : 1));
    return { here, away };
  }

  /** Nodes that may hold messages and cannot be asked: with ranges that they did not give up, or seen holding some. */
  absent(): Peer[] {
    const { node, peers, slots } = this.#parts;
    return [...peers.byId.values()].filter((peer) => {
      if (peer.self || !peer.serves || askable(peer)) return false;
      const holder = this.#holders.get(peer.id);
      return node.ranges(peer.id).length > 0 || (holder !== undefined && countOf(holder, slots) > 0);
    });
  }

  /** Whether to serve a slot to who takes this node for its holder. */
  keeps(slot: number): boolean {
    return this.#keeps[slot] !== 0 || this.#parts.store.table.countInSlot(slot) > 0;
  }

  /** The other side of `ask`: pairs of positions in, slots out. */
  answer(ranges: readonly number[]): number[] {
    const out: number[] = [];
    let disputed = false;
    for (let i = 0; i + 1 < ranges.length; i += 2) {
      const start = ranges[i] as number;
      const end = ranges[i + 1] as number;
      for (let slot = slotAt(start); slot <= slotAt(end); slot++) {
        const whole = slotRange(slot);
        const held = this.#holds(slot, Math.max(start, whole.start), Math.min(end, whole.end));
        if (held) this.#keeps[slot] = 1;
        else if (this.#parts.store.table.countInSlot(slot) === 0) this.#keeps[slot] = 0;
        if (held && out.at(-1) !== slot) out.push(slot);
        if (!held && this.#disputes(slot, Math.max(start, whole.start))) disputed = true;
      }
    }
    if (disputed) this.#later(DISPUTE_MS, () => this.#round());
    return out;
  }

  /**
   * Another takes itself for the server of what this node does: one of the views is old. This node has nothing there, so it stops
   * taking anything, until its view has changed or the other one's has.
   */
  #disputes(slot: number, position: number): boolean {
    const { slots, peers } = this.#parts;
    const now = slots.state[slot] as number;
    if (!isOurs(now) || (now & UNSETTLED) !== 0 || slots.serverAt(position) !== peers.self?.id) return false;
    slots.state[slot] = now | UNSETTLED;
    return true;
  }

  /** Gives up what a node is known to hold. */
  forget(id: NodeId): boolean {
    const there = this.#holders.delete(id);
    this.#mark();
    this.#parts.settled();
    return there;
  }

  warnings(): string[] {
    const { peers } = this.#parts;
    const out: string[] = [];
    for (const [id, holder] of this.#holders) {
      const peer = peers.get(id);
      const count = countOf(holder, this.#parts.slots);
      if (count === 0) continue;
      const name = peer?.name ?? id;
      out.push(
        peer?.live === true
          ? `${name} holds data of ${count} slots that this node owns: commands on them are forwarded to it`
          : `${name} is not here and may hold data of ${count} slots that this node owns: commands on them are answered TRYAGAIN until it is back, or given up: 'shoal release' with --node ${name} of what 'shoal ranges --node ${name}' lists, then 'shoal force-leave ${name}'`,
      );
    }
    if (this.#waiting !== null && this.#waiting.size > 0) {
      const names = [...this.#waiting].map((id) => peers.get(id)?.name ?? id);
      out.push(
        `the store waits for ${names.slice(0, 5).join(', ')} to say what data they hold of this node's slots`,
      );
    }
    return out;
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    if (this.#pollTimer !== null) clearInterval(this.#pollTimer);
    this.#pollTimer = null;
    this.#live.clear();
    this.#waiting = null;
  }

  /** Marks what nodes that are not here may hold: their registrations that outrank, or tie with, what this node serves by. */
  #presume(): void {
    const { peers, node, slots } = this.#parts;
    for (const peer of peers.byId.values()) {
      if (peer.live || peer.self || !peer.serves) continue;
      const holder = this.#holders.get(peer.id);
      const mine = slots.mine();
      // A release while it is down gives nothing up: it is to leave as well.
      if (peer.left) holder?.presumed.fill(0);
      for (const { start, end, priority } of node.ranges(peer.id)) {
        for (let i = firstEndingFrom(start, mine); i < mine.length; i++) {
          const own = mine[i] as OwnRange;
          if (own.start > end) break;
          if (own.priority > priority) continue;
          const from = slotAt(Math.max(start, own.start));
          this.#holder(peer.id).presumed.fill(1, from, slotAt(Math.min(end, own.end)) + 1);
        }
      }
    }
  }

  #round(): void {
    this.counters.rounds++;
    const { peers } = this.#parts;
    this.#waiting = new Set(
      peers
        .serving()
        .filter(askable)
        .map(({ id }) => id),
    );
    for (const id of this.#waiting) void this.#ask(id);
    this.#later(SETTLE_MS, () => {
      for (const peer of this.#parts.peers.serving()) if (askable(peer)) void this.#ask(peer.id);
    });
    this.#settleIfDone();
  }

  async #ask(id: NodeId): Promise<void> {
    if (this.#asking.has(id)) {
      this.#again.add(id);
      return;
    }
    const peer = this.#parts.peers.get(id);
    if (peer === undefined || !askable(peer)) return;
    this.#asking.add(id);
    const round = this.#waiting;
    const held = await this.#heldBy(peer);
    this.#asking.delete(id);
    const again = this.#again.delete(id);
    if (!this.#live.has(id)) return;
    if (held === null) {
      this.#later(RETRY_MS, () => this.#live.has(id) && void this.#ask(id));
      return;
    }
    this.#learn(id, held);
    // Asked before the round began, it may not know yet of what the round is about.
    if (round === this.#waiting) this.#waiting?.delete(id);
    this.#settleIfDone();
    if (again) void this.#ask(id);
  }

  /** Which of this node's slots a peer holds keys of; null when it did not answer. */
  async #heldBy(peer: Peer): Promise<readonly number[] | null> {
    const positions = this.#parts.slots.mine().flatMap(({ start, end }) => [start, end]);
    const held: number[] = [];
    for (let i = 0; i < positions.length; i += HELD_POSITIONS) {
      this.counters.questions++;
      const slots = await this.#parts.ask(peer, positions.slice(i, i + HELD_POSITIONS));
      if (slots === null) {
        this.counters.unanswered++;
        return null;
      }
      for (const slot of slots) held.push(slot);
    }
    return held;
  }

  #learn(id: NodeId, held: readonly number[]): void {
    if (held.length === 0) {
      if (this.#holders.delete(id)) this.#mark();
      return;
    }
    const holder = this.#holder(id);
    holder.presumed.fill(0);
    holder.known.fill(0);
    for (const slot of held) if (slot >= 0 && slot < SLOT_COUNT) holder.known[slot] = 1;
    this.#mark();
    this.#pollTimer ??= setInterval(() => this.#poll(), POLL_MS).unref();
  }

  #poll(): void {
    let any = false;
    for (const [id, holder] of this.#holders) {
      if (countOf(holder, this.#parts.slots) === 0) continue;
      any = true;
      if (this.#live.has(id) && !this.#asking.has(id)) void this.#ask(id);
    }
    if (any || this.#pollTimer === null) return;
    clearInterval(this.#pollTimer);
    this.#pollTimer = null;
  }

  #settleIfDone(): void {
    const { peers, slots, node, nowMs } = this.#parts;
    const waiting = this.#waiting;
    if (waiting === null) return;
    for (const id of waiting) {
      const peer = peers.get(id);
      if (peer === undefined || !askable(peer)) waiting.delete(id);
    }
    if (waiting.size > 0) return;
    if (!node.ready().ready) {
      if (this.#unreadyMs < 0) this.#unreadyMs = nowMs();
      if (nowMs() - this.#unreadyMs < READY_WAIT_MS) {
        this.#later(50, () => this.#settleIfDone());
        return;
      }
    }
    this.#waiting = null;
    const { state } = slots;
    for (let slot = 0; slot < SLOT_COUNT; slot++) state[slot] = (state[slot] as number) & ~UNSETTLED;
    this.#mark();
    this.#parts.settled();
  }

  /** Brings the HELD bits of the slot map up to date. */
  #mark(): void {
    const { state } = this.#parts.slots;
    const holders = [...this.#holders.values()];
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const now = state[slot] as number;
      if (!isOurs(now)) continue;
      let held = 0;
      for (const { known, presumed } of holders) held |= (known[slot] as number) | (presumed[slot] as number);
      state[slot] = held === 0 ? now & ~HELD : now | HELD;
    }
  }

  #holder(id: NodeId): Holder {
    let holder = this.#holders.get(id);
    if (holder === undefined) {
      holder = { known: new Uint8Array(SLOT_COUNT), presumed: new Uint8Array(SLOT_COUNT) };
      this.#holders.set(id, holder);
    }
    return holder;
  }

  #holds(slot: number, start: number, end: number): boolean {
    const { table, backend } = this.#parts.store;
    const count = table.countInSlot(slot);
    if (count === 0) return false;
    const whole = slotRange(slot);
    // What is on disk only is not looked at.
    if (backend.readThrough !== null) return true;
    if ((start === whole.start && end === whole.end) || count > MAX_LOOKED_AT) return true;
    const walk = new Walk(table, { start, end });
    const refs: number[] = [];
    while (!walk.done && refs.length === 0) walk.step(refs, 1, 64);
    return refs.length > 0;
  }

  #later(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms).unref();
    this.#timers.add(timer);
  }
}

/** Of ranges in order, none over another, the place of the first that ends at this position or later. */
function firstEndingFrom(position: number, ranges: readonly OwnRange[]): number {
  let low = 0;
  for (let high = ranges.length; low < high; ) {
    const middle = (low + high) >> 1;
    if ((ranges[middle] as OwnRange).end < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

function askable(peer: Peer): boolean {
  return peer.live && peer.serves && !peer.self && peer.address !== null;
}

function countOf({ known, presumed }: Holder, slots: SlotMap): number {
  let count = 0;
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    if (isOurs(slots.state[slot] as number) && (known[slot] !== 0 || presumed[slot] !== 0)) count++;
  }
  return count;
}
