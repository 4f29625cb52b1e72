import type { Delta } from '../../src/crdt/index.ts';
import { type Restored, readEntry } from '../../src/node/journal.ts';
import type { SimHost } from './host.ts';
import type { Watcher, World } from './world.ts';

/**
 * No dot is used twice: one (actor, counter) never stands for two changes. Every dot is born in a record its node gives
 * to `persist`, so those are looked at, whether or not they reach the disk: what did not may still have spread.
 */
export class DotWatch implements Watcher {
  readonly #world: World;
  readonly #content = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
  }

  get seen(): number {
    return this.#content.size;
  }

  persisted(host: SimHost, record: Uint8Array): void {
    const found: Restored = { deltas: [], records: [], malformed: 0 };
    readEntry(record, found);
    if (found.malformed > 0)
      this.#world.violate('journal', `${host.address} journals what cannot be read back`);
    for (const delta of found.deltas) {
      for (const [dot, content] of contents(delta)) {
        const before = this.#content.get(dot);
        if (before === undefined) this.#content.set(dot, content);
        else if (before !== content) {
          this.#world.violate(
            'dots',
            `${host.address} uses the dot ${dot} for ${content}: it stood for ${before}`,
          );
        }
      }
    }
  }
}

function* contents(delta: Delta): Iterable<[string, string]> {
  for (const entry of delta.entries) {
    for (const dot of entry.live) {
      yield [
        `${dot.actor}:${dot.counter}`,
        `${dot.kind} ${dot.amount} of ${entry.node} ${entry.start}-${entry.end}`,
      ];
    }
  }
}
