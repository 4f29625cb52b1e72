import { BoundedMap, LIMITS } from '../base/index.ts';

/** A broadcast this node has had: which parts of whose list it took on, and its payload while that is kept. */
interface Seen {
  readonly id: number;
  /** Parts taken on: a part is relayed once, however often its message comes. */
  readonly parts: number[];
  payload: Uint8Array | null;
  /** False: a publication, of which nothing is kept. */
  readonly lasting: boolean;
  readonly atMs: number;
  /** Age of the change when it came here, milliseconds, for its age when it is passed on. */
  readonly ageMs: number;
}

/** Payloads kept for the repair of neighbours: number and total bytes. */
const KEPT_PAYLOADS = 256;
const KEPT_BYTES = 128 * 1024;

/**
 * The seen window: ids of recent broadcasts, so that a payload is delivered once and a part of a list relayed once.
 * The youngest keep their payload: a neighbour whose digest differs is first given what it has not seen of these. Publications
 * have a window of their own, so that however many there are, those of changes are remembered as long as without them.
 */
export class SeenWindow {
  readonly #seen = new BoundedMap<number, Seen>(LIMITS.seenMessages);
  readonly #passing = new BoundedMap<number, Seen>(LIMITS.seenMessages);
  readonly #kept: Seen[] = [];
  #keptBytes = 0;

  /** True when the id is new; it is remembered, with its payload where that is lasting. */
  add(id: number, payload: Uint8Array, nowMs: number, ageMs: number, lasting = true): boolean {
    if (this.has(id)) return false;
    const seen: Seen = { id, parts: [], payload: lasting ? payload : null, lasting, atMs: nowMs, ageMs };
    (lasting ? this.#seen : this.#passing).set(id, seen);
    if (!lasting) return true;
    this.#kept.push(seen);
    this.#keptBytes += payload.length;
    while (this.#kept.length > KEPT_PAYLOADS || (this.#keptBytes > KEPT_BYTES && this.#kept.length > 1)) {
      const old = this.#kept.shift() as Seen;
      this.#keptBytes -= old.payload?.length ?? 0;
      old.payload = null;
    }
    return true;
  }

  has(id: number): boolean {
    return this.#find(id) !== undefined;
  }

  lasting(id: number): boolean {
    return this.#find(id)?.lasting ?? true;
  }

  payload(id: number): Uint8Array | null {
    return this.#find(id)?.payload ?? null;
  }

  /** How old the change of this broadcast is by now, as far as hops tell. */
  ageMs(id: number, nowMs: number): number {
    const seen = this.#find(id);
    return seen === undefined ? 0 : seen.ageMs + nowMs - seen.atMs;
  }

  /** True the first time this part of the broadcast's list is taken on. */
  take(id: number, part: number): boolean {
    const seen = this.#find(id);
    if (seen === undefined || seen.parts.includes(part)) return false;
    if (seen.parts.length < 64) seen.parts.push(part);
    return true;
  }

  /** Ids of the youngest broadcasts not older than `withinMs`, youngest first. */
  recent(nowMs: number, withinMs: number, most: number): number[] {
    const out: number[] = [];
    for (let i = this.#kept.length - 1; i >= 0 && out.length < most; i--) {
      const seen = this.#kept[i] as Seen;
      if (nowMs - seen.atMs > withinMs) break;
      out.push(seen.id);
    }
    return out;
  }

  #find(id: number): Seen | undefined {
    return this.#seen.get(id) ?? this.#passing.get(id);
  }
}
