import { fold32, mix32 } from '../base/index.ts';
import { compareRegistrations, type Owner, type Registrant, type Registration } from './registration.ts';

/** A tile is one of 256 equal parts of the key space: the top 8 bits of a position. */
export const TILE_BITS = 24;
export const TILE_MASK = 0xffffff;

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
  /** The order when no priorities tie. */
  #untied: readonly Owner[] | null = null;
  /** The order in each tile asked for, when some do. */
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
    if (this.#untied === null) this.#rank();
    return this.#untied === null;
  }

  ownersIn(tile: number): readonly Owner[] {
    if (!this.tied) return this.#untied as readonly Owner[];
    this.#byTile ??= new Map();
    let owners = this.#byTile.get(tile);
    if (owners === undefined) {
      owners = orderIn(tile, this.#rank());
      this.#byTile.set(tile, owners);
    }
    return owners;
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
    return new Cover([...list.slice(0, low), added, ...list.slice(low)]);
  }

  without(removed: Registration): Cover {
    if (this.registrations.length === 1) return EMPTY_COVER;
    return new Cover(this.registrations.filter((registration) => registration !== removed));
  }

  same(other: Cover): boolean {
    if (this === other) return true;
    const { registrations } = this;
    if (registrations.length !== other.registrations.length) return false;
    return registrations.every((registration, i) => registration === other.registrations[i]);
  }

  #rank(): readonly Registration[] {
    if (this.#ranked !== null) return this.#ranked;
    const seen = new Set<Registrant>();
    const ranked: Registration[] = [];
    let tied = false;
    for (const registration of this.registrations) {
      if (seen.has(registration.by)) continue;
      seen.add(registration.by);
      tied ||= ranked.at(-1)?.owner.priority === registration.owner.priority;
      ranked.push(registration);
    }
    // The usual case holds no second list.
    this.#ranked = ranked.length === this.registrations.length ? this.registrations : ranked;
    if (!tied) this.#untied = ranked.map((registration) => registration.owner);
    return this.#ranked;
  }
}

export const EMPTY_COVER = new Cover([]);

function orderIn(tile: number, ranked: readonly Registration[]): readonly Owner[] {
  const weighed = ranked.map(({ by, owner }) => ({ owner, weight: rendezvousWeight(tile, by.hi, by.lo) }));
  weighed.sort(
    (a, b) =>
      b.owner.priority - a.owner.priority || b.weight - a.weight || (a.owner.node < b.owner.node ? -1 : 1),
  );
  return weighed.map((each) => each.owner);
}
