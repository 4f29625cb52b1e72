/**
 * The ownership view: which nodes own a position, in what order. Registrations and liveness go in one at a time; out
 * comes an immutable snapshot, or the span in which ordered owners changed.
 *
 * Intuition: a set of intervals, swept into elementary segments ("cells") between neighbouring interval ends. Each cell
 * knows the live registrations that cover it (its cover). Adding an interval cuts the cells at its two ends and
 * rewrites those between; taking it out welds what no interval holds apart any more. So equal inputs give equal cells
 * in whatever order they came. The cells live in a copy-on-write B+ tree (cells.ts), as in any persistent map.
 *
 * Order in a cell: priority, highest first, a node counting once at its highest; ties by rendezvous hash of (tile,
 * node id), highest weight first, then id (cover.ts). Orders are worked out when first asked for, per cover and tile.
 *
 * Does not know: the replicated map, member states (only live or not), names, keys, time, who listens. Called by the
 * node machine, once per registration or liveness that changed.
 *
 * Invariants and bounds: cells cover 0..0xffffffff without holes; a border is where a live registration starts or
 * ends; at most 2 x registrations + 1 cells. A change costs O(log cells) and O(overlap) for each cell it overlaps.
 * Memory is O(sum of the overlaps of all cells): thousands of ranges nested in each other cost their square.
 * A registration of a node that is not live is held, and costs no cell.
 *
 * Departure: liveness is not looked up when ordering but applied as taking in and out of registrations; that is what
 * lets snapshots compute orders late and still never change.
 *
 * Test: ownership.test.ts compares with a naive model (naive.testkit.ts); cost.test.ts counts work; cells.test.ts.
 */
import type { NodeId } from '../base/index.ts';
import { Cells } from './cells.ts';
import type { Cover } from './cover.ts';
import { checkRange, KEY_SPACE_END, KEY_SPACE_SIZE, type Range } from './range.ts';
import { Registrant, Registration } from './registration.ts';
import { OwnershipSnapshot } from './snapshot.ts';

export class OwnershipView {
  readonly #cells = new Cells();
  readonly #registrants = new Map<NodeId, Registrant>();
  readonly #live = new Set<NodeId>();
  #registrations = 0;
  #unownedPositions = KEY_SPACE_SIZE;
  #version = 0;
  #snapshot: OwnershipSnapshot | null = null;
  #changed: Range | null = null;

  /** Rises whenever a snapshot would show something else than before (its owners or its count of registrations). */
  get version(): number {
    return this.#version;
  }

  /** For the cost test: cells rewritten, cut or welded, and tree entries copied, since the beginning. */
  get work(): { readonly cellsTouched: number; readonly entriesCopied: number } {
    return { cellsTouched: this.#cells.cellsTouched, entriesCopied: this.#cells.entriesCopied };
  }

  /** Sets a node's registration of exactly this range; a priority of 0 or below removes it. */
  setRegistration(node: NodeId, start: number, end: number, priority: number): void {
    checkRange(start, end);
    const key = `${start}-${end}`;
    const held = this.#registrants.get(node)?.registrations.get(key);
    if (!(priority > 0)) {
      if (held !== undefined) this.#forget(held, key);
      return;
    }
    if (held?.owner.priority === priority) return;
    const by = this.#registrant(node);
    const registration = new Registration(by, start, end, priority);
    by.registrations.set(key, registration);
    if (held === undefined) {
      this.#registrations++;
      this.#show();
      if (this.#live.has(node)) this.#put(registration);
    } else if (this.#live.has(node)) {
      this.#rewrite(registration, (cover) => cover.without(held).with(registration));
    }
  }

  /** True for a node that has a registration. */
  holds(node: NodeId): boolean {
    return this.#registrants.has(node);
  }

  /** Says whether a node's registrations count. A node never spoken of is not live. */
  setLive(node: NodeId, live: boolean): void {
    if (this.#live.has(node) === live) return;
    if (live) this.#live.add(node);
    else this.#live.delete(node);
    for (const registration of this.#registrants.get(node)?.registrations.values() ?? []) {
      if (live) this.#put(registration);
      else this.#take(registration);
    }
  }

  snapshot(): OwnershipSnapshot {
    this.#snapshot ??= new OwnershipSnapshot(
      this.#cells.freeze(),
      this.#version,
      this.#registrations,
      this.#unownedPositions,
    );
    return this.#snapshot;
  }

  /** The smallest span that holds every position whose ordered owners changed since the last call; null for none. */
  takeChanged(): Range | null {
    const changed = this.#changed;
    this.#changed = null;
    return changed;
  }

  #registrant(node: NodeId): Registrant {
    let registrant = this.#registrants.get(node);
    if (registrant === undefined) {
      registrant = new Registrant(node);
      this.#registrants.set(node, registrant);
    }
    return registrant;
  }

  #forget(registration: Registration, key: string): void {
    const { by } = registration;
    by.registrations.delete(key);
    this.#registrations--;
    this.#show();
    if (this.#live.has(by.id)) this.#take(registration);
    if (by.registrations.size === 0) this.#registrants.delete(by.id);
  }

  #put(registration: Registration): void {
    this.#cells.cut(registration.start);
    if (registration.end < KEY_SPACE_END) this.#cells.cut(registration.end + 1);
    this.#rewrite(registration, (cover) => cover.with(registration));
  }

  #take(registration: Registration): void {
    this.#rewrite(registration, (cover) => cover.without(registration));
    this.#cells.weld(registration.start);
    if (registration.end < KEY_SPACE_END) this.#cells.weld(registration.end + 1);
  }

  #rewrite({ by, start, end }: Registration, change: (cover: Cover) => Cover): void {
    // Cells that shared a cover share the new one: gaps between small ranges under a wide one stay cheap.
    const done = new Map<Cover, Cover>();
    this.#show();
    this.#cells.rewrite(start, end, (before, cellStart, cellEnd) => {
      let after = done.get(before);
      if (after === undefined) {
        after = change(before);
        done.set(before, after);
      }
      if (before.empty !== after.empty) {
        this.#unownedPositions += (after.empty ? 1 : -1) * (cellEnd - cellStart + 1);
      }
      if (before.priorityOf(by) !== after.priorityOf(by)) this.#note(cellStart, cellEnd);
      return after;
    });
  }

  #note(start: number, end: number): void {
    const changed = this.#changed;
    this.#changed =
      changed === null
        ? { start, end }
        : { start: Math.min(changed.start, start), end: Math.max(changed.end, end) };
  }

  /** The last snapshot is out of date. */
  #show(): void {
    this.#version++;
    this.#snapshot = null;
  }
}
