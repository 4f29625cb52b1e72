import { ShoalError } from '../base/index.ts';
import type { StoreScanView } from '../node/contract.ts';
import { positionOf, type Range, slotAt } from '../ranges/index.ts';
import { type MessageTable, placeOf, type ReadThrough, type Store, Walk } from '../store/index.ts';

/** Looks at so many homes of the index at most, whatever is asked for. */
const MAX_HOMES = 20_000;
/** Of a value so much is shown. */
const SHOWN_BYTES = 64;

type Entry = StoreScanView['entries'][number];

/** Messages of a range, about `count` of them, from `cursor` on: of the disk, where memory is only its cache. */
export async function scanStore(
  { table, backend }: Store,
  range: Range,
  cursor: number,
  count: number,
): Promise<StoreScanView> {
  return backend.readThrough === null
    ? scanTable(table, range, cursor, count)
    : await scanDisk(backend.readThrough, range, cursor, count);
}

function scanTable(table: MessageTable, range: Range, cursor: number, count: number): StoreScanView {
  const walk = new Walk(table, range);
  if (cursor > 0) walk.goTo(cursor);
  const refs: number[] = [];
  walk.step(refs, count, MAX_HOMES);
  const entries: Entry[] = [];
  for (const ref of refs) {
    table.show(ref);
    if (table.isDue) continue;
    const key = table.key.bytes.subarray(table.keyAt, table.keyAt + table.keyLength);
    const { value, valueAt, valueLength, expiryMs } = table;
    const beginning = value.bytes.subarray(valueAt, valueAt + Math.min(valueLength, SHOWN_BYTES));
    entries.push(entryOf(key, positionOf(key), beginning, valueLength, expiryMs));
  }
  return { entries, cursor: walk.cursor };
}

async function scanDisk(
  disk: ReadThrough,
  range: Range,
  cursor: number,
  count: number,
): Promise<StoreScanView> {
  const from = cursor > 0 ? cursor : placeOf(slotAt(range.start), 0);
  const { found, next } = await disk.list(from, count).catch((error: Error) => {
    throw new ShoalError('disk-failed', error.message);
  });
  const entries: Entry[] = [];
  for (const { key, value, expiryMs } of found) {
    const position = positionOf(key);
    if (position < range.start || position > range.end) continue;
    entries.push(entryOf(key, position, value.subarray(0, SHOWN_BYTES), value.length, expiryMs));
  }
  return { entries, cursor: next >= placeOf(slotAt(range.end) + 1, 0) ? 0 : next };
}

function entryOf(
  key: Uint8Array,
  position: number,
  beginning: Uint8Array,
  bytes: number,
  expiryMs: number,
): Entry {
  const expiresAt = expiryMs === 0 ? null : new Date(expiryMs).toISOString();
  return { key: textOf(key), position, bytes, value: textOf(beginning), expiresAt };
}

/** Printable ASCII as it is, other bytes as `\xNN`. */
export function textOf(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes)
    out +=
      byte >= 0x20 && byte < 0x7f && byte !== 0x5c
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, '0')}`;
  return out;
}
