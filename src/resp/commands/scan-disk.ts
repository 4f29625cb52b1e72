import { type Listed, placeOf, type ReadThrough, Span } from '../../store/index.ts';
import type { Call } from '../call.ts';
import type { WriteReply } from '../client.ts';
import type { Glob } from '../glob.ts';
import type { ScanOptions } from './scan.ts';

/** KEYS reads so many at a time. */
const KEYS_STEP = 1024;
/** SCAN reads so many at most, whatever its COUNT. */
const MAX_STEP = 20_000;

/** Walks through all keys of a store that is larger than memory go through the disk, and answer when it has. */
function answer(call: Call, read: () => Promise<WriteReply>): void {
  if (call.inTransaction) {
    call.reply.error(
      'ERR not inside a transaction: the messages of this node (store = "leveldb") are on disk',
    );
    return;
  }
  const reply = call.defer();
  read().then(reply, (error: Error) => reply((to) => to.error(`ERR ${error.message}`)));
}

export function scanDisk(call: Call, disk: ReadThrough, cursor: number, options: ScanOptions): void {
  const { count, glob, strings } = options;
  answer(call, async () => {
    const { found, next } = await disk.list(cursor, Math.min(count, MAX_STEP));
    const keys = strings ? meant(found, glob) : [];
    return (to) => {
      to.array(2);
      to.bulkText(String(next));
      to.array(keys.length);
      for (const key of keys) to.bulk(key, 0, key.bytes.length);
    };
  });
}

export function keysOnDisk(call: Call, disk: ReadThrough, glob: Glob): void {
  answer(call, async () => {
    const keys: Span[] = [];
    for (let from = 0, over = false; !over; over = from === 0) {
      const { found, next } = await disk.list(from, KEYS_STEP);
      for (const key of meant(found, glob)) keys.push(key);
      from = next;
    }
    return (to) => {
      to.array(keys.length);
      for (const key of keys) to.bulk(key, 0, key.bytes.length);
    };
  });
}

/** The first of a slot's keys. */
export function keysOfSlot(call: Call, disk: ReadThrough, slot: number, count: number): void {
  answer(call, async () => {
    const { found } = count === 0 ? { found: [] } : await disk.list(placeOf(slot, 0), count);
    const keys = found.filter((one) => one.slot === slot).slice(0, count);
    return (to) => {
      to.array(keys.length);
      for (const { key } of keys) to.bulk(new Span(key), 0, key.length);
    };
  });
}

/** The one that follows a place drawn at random. */
export function keyOnDisk(call: Call, disk: ReadThrough, draw: number): void {
  answer(call, async () => {
    let { found } = await disk.list(Math.floor(draw * placeOf(16384, 0)), 1);
    if (found.length === 0) ({ found } = await disk.list(0, 1));
    const key = found[0]?.key;
    return (to) => {
      if (key === undefined) to.none();
      else to.bulk(new Span(key), 0, key.length);
    };
  });
}

function meant(found: readonly Listed[], glob: Glob | null): Span[] {
  const all = glob === null || glob.matchesAll;
  const keys = all ? found : found.filter(({ key }) => glob.matches(key, 0, key.length));
  return keys.map(({ key }) => new Span(key));
}
