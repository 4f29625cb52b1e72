import { LIMITS } from '../base/index.ts';
import { Span } from '../store/index.ts';
import type { Call } from './call.ts';
import type { Client } from './client.ts';

/** Words of a record's stamp: clock and dot. */
const STAMP_WORDS = 4;

export const TOO_MANY_WATCHED = `ERR too many watched keys: a connection may watch ${LIMITS.watchedKeys}, of ${LIMITS.watchedBytes} bytes together`;

/** The stamp that a watched key's record had; null when there was none. */
export type Stamp = Int32Array | null;

/**
 * WATCH by stamps: a record's clock and dot change with every write, so the key is untouched if they are what they were. A key
 * that was absent, written and removed again looks untouched; so while anybody watches, the keys of each write are looked at
 * after it. When nobody does, writes cost nothing.
 */
export class Watches {
  readonly #byKey = new Map<string, Set<Client>>();
  readonly #clients = new Set<Client>();

  /** Clients with watched keys. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Has the call's client watch all arguments; false, and none is, when that would be too many. */
  watchAll(call: Call): boolean {
    const { client } = call;
    let bytes = client.watchedBytes;
    for (let i = 1; i < call.count; i++) bytes += call.lengthOf(i);
    if (client.watched.size + call.count - 1 > LIMITS.watchedKeys || bytes > LIMITS.watchedBytes)
      return false;
    if (client.watched.size === 0) client.watched = new Map();
    for (let i = 1; i < call.count; i++) {
      const key = call.text(i);
      if (client.watched.has(key)) continue;
      client.watched.set(key, stampOf(call, key));
      client.watchedBytes += key.length;
      const watchers = this.#byKey.get(key);
      if (watchers === undefined) this.#byKey.set(key, new Set([client]));
      else watchers.add(client);
    }
    this.#clients.add(client);
    return true;
  }

  forget(client: Client): void {
    for (const key of client.watched.keys()) {
      const watchers = this.#byKey.get(key);
      watchers?.delete(client);
      if (watchers?.size === 0) this.#byKey.delete(key);
    }
    client.watched = NO_WATCHED;
    client.watchedBytes = 0;
    client.watchesStale = false;
    this.#clients.delete(client);
  }

  /** After a write: marks those who watch one of its keys, if that key has changed. */
  written(call: Call): void {
    const { known } = call;
    if (known === null) return;
    for (const place of known.keysOf(call.count)) {
      if (call.lengthOf(place) > LIMITS.watchedBytes) continue;
      const key = call.text(place);
      for (const client of this.#byKey.get(key) ?? []) {
        if (!client.watchesStale && hasChanged(call, key, client.watched.get(key) ?? null))
          client.watchesStale = true;
      }
    }
  }
}

/** Whether some watched key is not what it was. */
export function isTouched(call: Call, client: Client): boolean {
  if (client.watchesStale) return true;
  for (const [key, stamp] of client.watched) if (hasChanged(call, key, stamp)) return true;
  return false;
}

/** Shared by all who watch nothing; never added to. */
export const NO_WATCHED: Map<string, Stamp> = new Map();

function hasChanged(call: Call, key: string, stamp: Stamp): boolean {
  const now = stampOf(call, key);
  if (now === null || stamp === null) return now !== stamp;
  return now.some((word, i) => word !== stamp[i]);
}

function stampOf(call: Call, key: string): Stamp {
  const { table } = call.store;
  if (!table.lookup(new Span(Uint8Array.from(Buffer.from(key, 'latin1'))), 0, key.length)) return null;
  const stamp = new Int32Array(STAMP_WORDS);
  table.copyStamp(stamp);
  return stamp;
}
