/**
 * The slot map: for each of the 16384 slots of Redis Cluster one byte that says what a command on a key of it has to do, so
 * that the hot path costs one read of a typed array.
 *
 * Intuition: the ownership view is a list of segments of positions with ordered owners; Redis clients see whole slots. A
 * slot's server is the first owner, in our order, of its first owned position, among live nodes that have a store. When
 * other positions of the slot are somebody else's it is SPLIT, and its server forwards what is not his.
 *
 * Does not know: keys, connections, or where data is; `holdings.ts` sets the bits of slots whose data may be elsewhere.
 * In: spans of positions whose owners changed, and the peers. Out: `state`, `server`. A change costs the segments it
 * touches, and is taken in by `refresh`, once a turn; 16384 slots are walked only when nodes with a store come or go, and for
 * who asks for all of them (`runs`) after a change.
 * Invariant: `state[slot]` is 0 only when this node serves the whole slot and nobody else may hold data of it.
 * Test: slots.test.ts (against a lookup per position), routing.test.ts.
 */
import type { NodeId } from '../base/index.ts';
import type { StoreNode } from '../node/contract.ts';
import { KEY_SPACE_END, OwnershipView, SLOT_COUNT } from '../ranges/index.ts';
import type { Peers } from './peers.ts';

/** What a slot is to this node, in the lower three bits of its state. */
export const MINE = 0;
export const ELSEWHERE = 1;
export const UNOWNED = 2;
/** This node is its server, and some of its positions are another's or nobody's. */
export const SPLIT = 3;
/** Another is its server, and some of its positions are this node's. */
export const PART = 4;
export const KIND_MASK = 7;
/** This node's since a moment ago: others have not said yet whether they hold data of it. */
export const UNSETTLED = 8;
/** Another node holds data of it, or is the only one that may. */
export const HELD = 16;

const OFFSET_BITS = 18;
const NOBODY = 0;

/** Positions this node serves, and the priority it serves them by. */
export interface OwnRange {
  readonly start: number;
  end: number;
  readonly priority: number;
}

/** Slots with one server, or shown at one node that is not here. */
export interface SlotRun {
  readonly start: number;
  readonly end: number;
  readonly server: NodeId;
}

export class SlotMap {
  readonly state = new Uint8Array(SLOT_COUNT).fill(UNOWNED);
  /** Each slot's server, as a place in `nodes`; 0: nobody. */
  readonly server = new Uint16Array(SLOT_COUNT);
  readonly #nodes: NodeId[] = ['' as NodeId];
  readonly #places = new Map<NodeId, number>();
  readonly #split = new Uint8Array(SLOT_COUNT);
  /** By slot: some of its positions are this node's. */
  readonly #partly = new Uint8Array(SLOT_COUNT);
  #mine: OwnRange[] | null = null;
  #runs: readonly SlotRun[] | null = null;
  readonly #node: StoreNode;
  readonly #peers: Peers;
  #peersVersion = -1;
  #from = 0;
  #to = KEY_SPACE_END;
  #dirty = true;
  /** Slots that became this node's since `takeAcquired`. */
  #acquired = false;
  readonly counters = { refreshes: 0, segments: 0 };

  constructor(node: StoreNode, peers: Peers) {
    this.#node = node;
    this.#peers = peers;
  }

  /** The owners of positions from `start` to `end` changed. */
  changed(start: number, end: number): void {
    this.#from = this.#dirty ? Math.min(this.#from, start) : start;
    this.#to = this.#dirty ? Math.max(this.#to, end) : end;
    this.#dirty = true;
  }

  /** Brings the map up to date; true when anything may have changed. */
  refresh(): boolean {
    // What is shown follows registrations of absent nodes too, which change no owner.
    this.#runs = null;
    this.#peers.refresh();
    if (this.#peers.version !== this.#peersVersion) {
      this.#peersVersion = this.#peers.version;
      this.changed(0, KEY_SPACE_END);
    }
    if (!this.#dirty) return false;
    this.#dirty = false;
    this.counters.refreshes++;
    this.#mine = null;
    this.#rebuild(this.#from >>> OFFSET_BITS, this.#to >>> OFFSET_BITS);
    return true;
  }

  /** Whether slots became this node's since the last call. */
  takeAcquired(): boolean {
    const acquired = this.#acquired;
    this.#acquired = false;
    return acquired;
  }

  /** The server of a slot, or null. */
  serverOf(slot: number): NodeId | null {
    const place = this.server[slot] as number;
    return place === NOBODY ? null : (this.#nodes[place] as NodeId);
  }

  /** The server of one position, which in a split slot need not be the slot's; null: nobody. */
  serverAt(position: number): NodeId | null {
    const place = this.#placeOf(this.#node.ownership().ownersAt(position));
    return place === NOBODY ? null : (this.#nodes[place] as NodeId);
  }

  /** Whether positions of the slot have different servers. */
  isSplit(slot: number): boolean {
    return this.#split[slot] !== 0;
  }

  /** The positions this node serves, as ranges in order. */
  mine(): readonly OwnRange[] {
    this.#mine ??= this.#listMine();
    return this.#mine;
  }

  /**
   * Runs of slots with one server, in order: for CLUSTER SLOTS and its like. A slot without a server is shown, as in Redis, at the
   * first of its registered owners, who is not here: clients of slots that nobody is named for do not ask again.
   */
  runs(): readonly SlotRun[] {
    this.#runs ??= this.#listRuns(this.server.includes(NOBODY) ? this.#withAbsent() : this.server);
    return this.#runs;
  }

  #listRuns(server: Uint16Array): SlotRun[] {
    const out: SlotRun[] = [];
    for (let slot = 0; slot < SLOT_COUNT; ) {
      const place = server[slot] as number;
      let end = slot;
      while (end + 1 < SLOT_COUNT && server[end + 1] === place) end++;
      if (place !== NOBODY) out.push({ start: slot, end, server: this.#nodes[place] as NodeId });
      slot = end + 1;
    }
    return out;
  }

  /** The servers, with absent owners where there is none: down, or stopped without giving its ranges up. */
  #withAbsent(): Uint16Array {
    const shown = this.server.slice();
    const absent = new OwnershipView();
    for (const { id, live, address } of this.#peers.byId.values()) {
      if (live || address === null) continue;
      absent.setLive(id, true);
      for (const { start, end, priority } of this.#node.ranges(id))
        absent.setRegistration(id, start, end, priority);
    }
    absent.snapshot().eachIn(0, KEY_SPACE_END, (start, end, owners) => {
      const place = this.#placeOf(owners);
      const last = end >>> OFFSET_BITS;
      for (let slot = start >>> OFFSET_BITS; slot <= last; slot++)
        if (shown[slot] === NOBODY) shown[slot] = place;
    });
    return shown;
  }

  #listMine(): OwnRange[] {
    const out: OwnRange[] = [];
    const me = this.#peers.self;
    if (me === null) return out;
    this.#node.ownership().eachIn(0, KEY_SPACE_END, (start, end, owners) => {
      const first = owners.find((owner) => this.#peers.get(owner.node)?.serves);
      if (first?.node !== me.id) return;
      const last = out.at(-1);
      if (last !== undefined && last.end === start - 1 && last.priority === first.priority) last.end = end;
      else out.push({ start, end, priority: first.priority });
    });
    return out;
  }

  #placeOf(owners: readonly { readonly node: NodeId }[]): number {
    for (const { node } of owners) {
      const peer = this.#peers.get(node);
      if (peer?.serves !== true) continue;
      let place = this.#places.get(node);
      if (place === undefined) {
        place = this.#nodes.push(node) - 1;
        this.#places.set(node, place);
      }
      return place;
    }
    return NOBODY;
  }

  #rebuild(firstSlot: number, lastSlot: number): void {
    const { server } = this;
    const split = this.#split;
    const partly = this.#partly;
    const me = this.#place;
    const from = (firstSlot << OFFSET_BITS) >>> 0;
    const to = ((lastSlot << OFFSET_BITS) | ((1 << OFFSET_BITS) - 1)) >>> 0;
    let known: unknown = null;
    let place = NOBODY;
    this.#node.ownership().eachIn(from, to, (start, end, owners) => {
      this.counters.segments++;
      if (owners !== known) place = this.#placeOf(owners);
      known = owners;
      const a = start >>> OFFSET_BITS;
      const b = end >>> OFFSET_BITS;
      if ((a << OFFSET_BITS) >>> 0 === start) {
        server[a] = place;
        split[a] = 0;
        partly[a] = place === me ? 1 : 0;
      } else if (server[a] !== place) {
        split[a] = 1;
        if (server[a] === NOBODY) server[a] = place;
        if (place === me) partly[a] = 1;
      }
      if (b > a) {
        partly.fill(place === me ? 1 : 0, a + 1, b + 1);
        server.fill(place, a + 1, b + 1);
        split.fill(0, a + 1, b + 1);
      }
    });
    this.#classify(firstSlot, lastSlot);
  }

  /** This node's place; it has one before it owns anything. */
  get #place(): number {
    const { self } = this.#peers;
    return self === null ? -1 : this.#placeOf([{ node: self.id }]) || -1;
  }

  #classify(firstSlot: number, lastSlot: number): void {
    const { state, server } = this;
    const me = this.#place;
    for (let slot = firstSlot; slot <= lastSlot; slot++) {
      const place = server[slot];
      const before = state[slot] as number;
      let kind: number = place === NOBODY ? UNOWNED : ELSEWHERE;
      if (place === me) kind = this.#split[slot] === 0 ? MINE : SPLIT;
      else if (this.#partly[slot] === 1) kind = PART;
      if (kind === UNOWNED || kind === ELSEWHERE) {
        state[slot] = kind;
        continue;
      }
      // Of a slot that stays in parts, other parts may be this node's now.
      const moved = kind === MINE && (before & KIND_MASK) === MINE ? 0 : UNSETTLED;
      state[slot] = (isOurs(before) ? before & ~KIND_MASK : 0) | kind | moved;
      if (moved !== 0) this.#acquired = true;
    }
  }
}

/** Some positions of the slot are served by this node. */
export function isOurs(state: number): boolean {
  const kind = state & KIND_MASK;
  return kind === MINE || kind === SPLIT || kind === PART;
}
