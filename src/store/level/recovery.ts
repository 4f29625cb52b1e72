import { ShoalError } from '../../base/index.ts';
import type { Notices } from '../notices.ts';
import { type Stamps, TILES } from '../stamps.ts';
import type { MessageTable } from '../table.ts';
import type { Cache } from './cache.ts';
import type { Database, Operation } from './database.ts';
import { epochKey, Message, metaKey } from './layout.ts';

/** What a database says of itself. */
export interface Found {
  epoch: number;
  clockLow: number;
  clockHigh: number;
  /** Messages met. */
  messages: number;
  /** A write that failed; else null. */
  failed: Error | null;
}

const FORMAT = 1;
/** Read at once, and what is done with it in one turn. */
const STEP = 512;

/**
 * Reads a database back. Every message is met once, in order: for the index must know them all, each by a mark, and as many as
 * memory may hold are kept. What has expired is deleted.
 */
export async function recover(
  database: Database,
  table: MessageTable,
  stamps: Stamps,
  cache: Cache,
  notices: Notices,
  progressMs: number,
): Promise<Found> {
  const found = await readMeta(database, stamps);
  const entries = database.entries(epochKey(found.epoch), epochKey(found.epoch + 1));
  let wordMs = performance.now();
  try {
    for (let step = await entries.next(STEP); step.length > 0; step = await entries.next(STEP)) {
      const expired: Operation[] = [];
      for (const [key, value] of step) {
        const message = new Message(key, value);
        found.messages++;
        if (message.expiryMs !== 0 && message.expiryMs <= table.nowMs) expired.push([key, null]);
        else cache.meet(message);
      }
      if (expired.length > 0 && found.failed === null)
        await database.write(expired).catch((error: Error) => {
          found.failed = error;
        });
      if (performance.now() - wordMs > progressMs) {
        wordMs = performance.now();
        notices.info(`reading the store back: ${found.messages} messages`);
      }
      // What else waits has its turn: a step that was read ahead comes without one.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  } finally {
    await entries.close();
  }
  return found;
}

async function readMeta(database: Database, stamps: Stamps): Promise<Found> {
  const names = ['format', 'epoch', 'lease', 'clock'] as const;
  const [format, epoch, lease, clock] = await database.getMany(names.map(metaKey));
  if (format === undefined) await database.write([[metaKey('format'), Uint8Array.of(FORMAT)]]);
  else if (format[0] !== FORMAT)
    throw new ShoalError(
      'store-newer',
      `the store was written by a newer version of shoal (leveldb format ${format[0]}): install that version again, or move its directory away to start with an empty store`,
      'store-dir',
    );
  const at = (bytes: Uint8Array | undefined, offset: number): number =>
    bytes === undefined ? 0 : Buffer.from(bytes).readInt32LE(offset);
  const counters = new Float64Array(TILES);
  for (let tile = 0; tile < TILES; tile++)
    counters[tile] = at(lease, 8 + tile * 8) * 2 ** 32 + (at(lease, 4 + tile * 8) >>> 0);
  const found: Found = {
    epoch: epoch === undefined ? 0 : Buffer.from(epoch).readUInt32BE(0),
    clockLow: at(clock, 0),
    clockHigh: at(clock, 4),
    messages: 0,
    failed: null,
  };
  stamps.resume(counters, found.clockLow, found.clockHigh);
  return found;
}
