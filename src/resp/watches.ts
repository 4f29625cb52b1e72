import { Span } from '../store/index.ts';
import type { Call } from './call.ts';
import type { Client, WatchedKey } from './client.ts';
import { keyPlaces } from './command.ts';

/** Words of a record's stamp: clock and dot. */
const STAMP_WORDS = 4;

/**
 * WATCH by stamps: a record's clock and dot change with every write, so the key is untouched if they are what they were. A key
 * that was absent, written and removed again looks untouched; so while anybody watches, the keys of each write are looked at
 * after it. When nobody does, writes cost nothing.
 */
export function watch(call: Call, key: Uint8Array): void {
  const { client } = call;
  if (client.watched.some((watched) => same(watched.key, key))) return;
  client.watched = [...client.watched, { key, stamp: stampOf(call, key) }];
}

/** Whether some watched key is not what it was. */
export function isTouched(call: Call, client: Client): boolean {
  return client.watchesStale || client.watched.some((watched) => hasChanged(call, watched));
}

/** After a write: marks those who watch one of its keys, if that key has changed. */
export function writtenSince(call: Call, watchers: Iterable<Client>): void {
  const { known } = call;
  if (known === null || known.command.keys === null) return;
  const ranges = [known.command.keys, ...(known.command.moreKeys ?? [])];
  const keys = ranges.flatMap((range) => keyPlaces(range, call.count)).map((i) => call.bytes(i));
  for (const client of watchers) {
    if (client.watchesStale) continue;
    const hit = client.watched.find(({ key }) => keys.some((written) => same(written, key)));
    if (hit !== undefined && hasChanged(call, hit)) client.watchesStale = true;
  }
}

function hasChanged(call: Call, { key, stamp }: WatchedKey): boolean {
  const now = stampOf(call, key);
  if (now === null || stamp === null) return now !== stamp;
  return now.some((word, i) => word !== stamp[i]);
}

function stampOf(call: Call, key: Uint8Array): Int32Array | null {
  const { table } = call.store;
  if (!table.lookup(new Span(key), 0, key.length)) return null;
  const stamp = new Int32Array(STAMP_WORDS);
  table.copyStamp(stamp);
  return stamp;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
