import { fold32, mix32 } from '../base/index.ts';
import { compareRegistrations, type Owner, type Registrant, type Registration } from './registration.ts';

/** A tile is one of 256 equal parts of the key space: the top 8 bits of a position. */
export const TILE_BITS = 24;
export const TILE_MASK = 0xffffff;
const ANY_TILE = -1;

/** Rendezvous weight (highest random weight, Thaler and Ravishankar 1998): among equals the heaviest comes first. */
export function rendezvousWeight(tile: number, hi: number, lo: number): number {
  return mix32(fold32(fold32(fold32(0, tile), hi), lo));
}

/**
 * The live registrations that cover an elementary segment, and the owner orders that follow from them. Immutable but
 * for its memos, and bound to no position, so that segments (and snapshots) with the same registrations share one.
 */
export class Cover {
  readonly registrations: readonly Registration[];
  /** Each node once, at its highest; null until asked for. */
  #ranked: readonly Registration[] | null = null;
  /** The order in `#tile`, or everywhere when that is ANY_TILE. */
  #owners: readonly Owner[] | null = null;
  #tile = 0;
  /** The orders in further tiles asked for; most covers lie in one. */
  #byTile: Map<number, readonly Owner[]> | null = null;

  constructor(registrations: readonly Registration[]) {
    this.registrations = registrations;
  }

  get empty(): boolean {
    return this.registrations.length === 0;
  }

  get ownerCount(): number {
    return this.#rank().length;
  }

  /** Whether the order may differ between tiles. */
  get tied(): boolean {
    this.#rank();
    return this.#tile !== ANY_TILE;
  }

  ownersIn(tile: number): readonly Owner[] {
    if (this.#owners !== null && (this.#tile === tile || this.#tile === ANY_TILE)) return this.#owners;
    return this.#byTile?.get(tile) ?? this.#orderIn(tile);
  }

  /** The node's priority here: its highest registration, or 0. */
  priorityOf(by: Registrant): number {
    for (const registration of this.registrations)
      if (registration.by === by) return registration.owner.priority;
    return 0;
  }

  with(added: Registration): Cover {
    const list = this.registrations;
    let low = 0;
    let high = list.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (compareRegistrations(list[mid] as Registration, added) < 0) low = mid + 1;
      else high = mid;
    }
    return new Cover(list.toSpliced(low, 0, added)); // exactly as long as needed, unlike a spread
  }

  without(removed: Registration): Cover {
    if (this.registrations.length === 1) return EMPTY_COVER;
    return new Cover(this.registrations.toSpliced(this.registrations.indexOf(removed), 1));
  }

  same(other: Cover): boolean {
    if (this === other) return true;
    const { registrations } = this;
    if (registrations.length !== other.registrations.length) return false;
    return registrations.every((registration, i) => registration === other.registrations[i]);
  }

  #orderIn(tile: number): readonly Owner[] {
    const ranked = this.#rank();
    if (this.#tile === ANY_TILE) return this.#owners as readonly Owner[];
    const owners = breakTies(tile, ranked);
    if (this.#owners === null) {
      this.#owners = owners;
      this.#tile = tile;
    } else {
      this.#byTile ??= new Map();
      this.#byTile.set(tile, owners);
    }
    return owners;
  }

  #rank(): readonly Registration[] {
    if (this.#ranked !== null) return this.#ranked;
    const all = this.registrations;
    const ranked = all.length < 2 ? all : firstOfEach(all);
    // The usual case holds no second list.
    this.#ranked = ranked.length === all.length ? all : ranked;
    const tied = ranked.some((each, i) => i > 0 && ranked[i - 1]?.owner.priority === each.owner.priority);
    if (!tied) {
      this.#owners = ranked.map((each) => each.owner);
      this.#tile = ANY_TILE;
    }
    return this.#ranked;
  }
}

export const EMPTY_COVER = new Cover([]);

/** Each node's first registration in the list. */
function firstOfEach(list: readonly Registration[]): Registration[] {
  if (list.length <= 8) return list.filter((each, i) => list.findIndex(({ by }) => by === each.by) === i);
  const seen = new Set<Registrant>();
  return list.filter(({ by }) => !seen.has(by) && seen.add(by));
}

function breakTies(tile: number, ranked: readonly Registration[]): readonly Owner[] {
  const weighed = ranked.map(({ by, owner }) => ({ owner, weight: rendezvousWeight(tile, by.hi, by.lo) }));
  weighed.sort(
    (a, b) =>
      b.owner.priority - a.owner.priority || b.weight - a.weight || (a.owner.node < b.owner.node ? -1 : 1),
  );
  return weighed.map((each) => each.owner);
}
