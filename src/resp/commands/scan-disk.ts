import { type Listed, placeOf, type ReadThrough, Span } from '../../store/index.ts';
import type { Call } from '../call.ts';
import type { WriteReply } from '../client.ts';
import { type Glob, TOO_CLOSE_A_LOOK } from '../glob.ts';
import { KeyList } from './key-list.ts';
import type { ScanOptions } from './scan.ts';

/** SCAN reads so many at most, whatever its COUNT. */
const MAX_STEP = 20_000;
/** So many when each is to be compared with a pattern, as for KEYS. */
const MATCH_STEP = 512;
/** Looks at characters of a pattern after which others have their turn: some milliseconds. */
const TURN_LOOKS = 1 << 19;

/** Walks through all keys of a store that is larger than memory go through the disk, and answer when it has. */
function answer(call: Call, read: (isGone: () => boolean) => Promise<WriteReply>): void {
  const { client } = call;
  if (call.inTransaction) {
    call.reply.error(
      'ERR not inside a transaction: the messages of this node (store = "leveldb") are on disk',
    );
    return;
  }
  let gone = false;
  const reply = call.defer(undefined, () => {
    gone = true;
  });
  read(() => gone).then(reply, (error: Error) => {
    client.gatheredBytes = 0;
    reply((to) => to.error(`ERR ${error.message}`));
  });
}

/** Those that match; after one of which that is not known it goes no further. */
async function meant(found: readonly Listed[], glob: Glob | null): Promise<Span[]> {
  if (glob === null || glob.matchesAll) return found.map(({ key }) => new Span(key));
  const keys: Span[] = [];
  let most = glob.looks + TURN_LOOKS;
  for (const { key } of found) {
    if (glob.matches(key, 0, key.length)) keys.push(new Span(key));
    if (glob.gaveUp) break;
    if (glob.looks < most) continue;
    await new Promise((resolve) => setImmediate(resolve));
    most = glob.looks + TURN_LOOKS;
  }
  return keys;
}

export function scanDisk(call: Call, disk: ReadThrough, cursor: number, options: ScanOptions): void {
  const { count, glob, strings } = options;
  answer(call, async () => {
    const { found, next } = await disk.list(cursor, Math.min(count, glob === null ? MAX_STEP : MATCH_STEP));
    const keys = strings ? await meant(found, glob) : [];
    return (to) => {
      if (glob?.gaveUp === true) {
        to.error(TOO_CLOSE_A_LOOK);
        return;
      }
      to.array(2);
      to.bulkText(String(next));
      to.array(keys.length);
      for (const key of keys) to.bulk(key, 0, key.bytes.length);
    };
  });
}

export function keysOnDisk(call: Call, disk: ReadThrough, glob: Glob): void {
  answer(call, async (isGone) => {
    const keys = new KeyList(call.client);
    for (let from = 0, over = false; !over; over = from === 0 || keys.isOver || glob.gaveUp || isGone()) {
      const { found, next } = await disk.list(from, MATCH_STEP);
      for (const key of await meant(found, glob)) keys.add(key, 0, key.bytes.length);
      from = next;
    }
    return (to) => keys.answer(to, glob);
  });
}

/** The first of a slot's keys. */
export function keysOfSlot(call: Call, disk: ReadThrough, slot: number, count: number): void {
  answer(call, async (isGone) => {
    const keys = new KeyList(call.client);
    const end = placeOf(slot + 1, 0);
    let from = placeOf(slot, 0);
    while (keys.count < count && from < end && !keys.isOver && !isGone()) {
      const { found, next } = await disk.list(from, count - keys.count);
      for (const one of found)
        if (one.slot === slot && keys.count < count) keys.add(new Span(one.key), 0, one.key.length);
      from = next === 0 ? end : next;
    }
    return (to) => keys.answer(to);
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
