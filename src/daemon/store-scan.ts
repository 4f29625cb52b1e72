import type { StoreScanView } from '../node/contract.ts';
import { positionOf, type Range } from '../ranges/index.ts';
import { type MessageTable, Walk } from '../store/index.ts';

/** Looks at so many homes of the index at most, whatever is asked for. */
const MAX_HOMES = 20_000;
/** Of a value so much is shown. */
const SHOWN_BYTES = 64;

/** Messages of a range, about `count` of them, from `cursor` on. */
export function scanStore(table: MessageTable, range: Range, cursor: number, count: number): StoreScanView {
  const walk = new Walk(table, range);
  if (cursor > 0) walk.goTo(cursor);
  const refs: number[] = [];
  walk.step(refs, count, MAX_HOMES);
  const entries: StoreScanView['entries'][number][] = [];
  for (const ref of refs) {
    table.show(ref);
    if (table.isDue) continue;
    const key = table.key.bytes.subarray(table.keyAt, table.keyAt + table.keyLength);
    const { value, valueAt, valueLength, expiryMs } = table;
    entries.push({
      key: textOf(key),
      position: positionOf(key),
      bytes: valueLength,
      value: textOf(value.bytes.subarray(valueAt, valueAt + Math.min(valueLength, SHOWN_BYTES))),
      expiresAt: expiryMs === 0 ? null : new Date(expiryMs).toISOString(),
    });
  }
  return { entries, cursor: walk.cursor };
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
