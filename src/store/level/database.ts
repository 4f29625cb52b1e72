import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClassicLevel } from 'classic-level';
import { ShoalError, systemReason } from '../../base/index.ts';
import { realDisk } from '../log/disk.ts';

/** Null: the key goes. */
export type Operation = readonly [key: Uint8Array, value: Uint8Array | null];
export type Entry = readonly [key: Uint8Array, value: Uint8Array];

/** A run of entries, in the order of their keys, as they were when it began. */
export interface Entries {
  /** The next ones, at most `count`; none: it is over. */
  next(count: number): Promise<Entry[]>;
  close(): Promise<void>;
}

export interface Usage {
  /** Of the files. */
  readonly bytes: number;
  /** That the file system has left. */
  readonly freeBytes: number;
}

/** What the back end needs of LevelDB, so that tests can put a failing one in its place. */
export interface Database {
  getMany(keys: Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** From `from` on, before `end`. */
  entries(from: Uint8Array, end: Uint8Array): Entries;
  /** All or nothing, in LevelDB's log: not yet synced. */
  write(operations: readonly Operation[]): Promise<void>;
  clear(from: Uint8Array, end: Uint8Array): Promise<void>;
  /** Returns when all that was written is on the medium. */
  sync(): Promise<void>;
  /** The same when a sync has failed: what is in memory goes into new files. */
  rewrite(): Promise<void>;
  /** Gives the room of what was deleted back. */
  compact(from: Uint8Array, end: Uint8Array): Promise<void>;
  usage(): Promise<Usage>;
  /** After a failed write LevelDB's log may be torn: nothing may be added to it, but it may be read again. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/** LevelDB's own memory, beside the store's: blocks read lately, and twice the writes that are not in tables yet. */
const CACHE_BYTES = 8 << 20;
const WRITE_BUFFER_BYTES = 4 << 20;
const OPEN_FILES = 256;
/** Of a run, read at once. */
const RUN_BYTES = 64 * 1024;

type Level = ClassicLevel<Uint8Array, Uint8Array>;

/** @throws ShoalError `store-leveldb-missing`, `store-damaged`, `store-unreadable` */
export async function openDatabase(directory: string): Promise<Database> {
  let make: typeof ClassicLevel;
  try {
    make = (await import('classic-level')).ClassicLevel;
  } catch (error) {
    throw new ShoalError(
      'store-leveldb-missing',
      `store = "leveldb" needs the npm package classic-level with its binary for this machine (${process.arch}), which cannot be loaded (${systemReason(error)}): install the Debian package of shoal or run npm ci beside it, or set store = "log"`,
      'store',
    );
  }
  await realDisk.makeDirectory(directory);
  const level: Level = new make(directory, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    cacheSize: CACHE_BYTES,
    writeBufferSize: WRITE_BUFFER_BYTES,
    maxOpenFiles: OPEN_FILES,
  });
  const database = new LevelDatabase(directory, level);
  await database.open();
  return database;
}

class LevelDatabase implements Database {
  readonly #directory: string;
  readonly #level: Level;
  #logs = '';

  constructor(directory: string, level: Level) {
    this.#directory = directory;
    this.#level = level;
  }

  async open(): Promise<void> {
    try {
      await this.#level.open();
    } catch (error) {
      const cause = (error as { cause?: { code?: string; message?: string } }).cause;
      const what = systemReason(cause?.message === undefined ? error : new Error(cause.message));
      if (cause?.code === 'LEVEL_CORRUPTION')
        throw new ShoalError(
          'store-damaged',
          `store directory ${this.#directory}: ${what}: restore it from a backup, or move the directory away to start with an empty store`,
          'store-dir',
        );
      throw new ShoalError(
        'store-unreadable',
        `cannot open the store's directory ${this.#directory}: ${what}`,
        'store-dir',
      );
    }
  }

  getMany(keys: Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#level.getMany(keys);
  }

  entries(from: Uint8Array, end: Uint8Array): Entries {
    const iterator = this.#level.iterator({ gte: from, lt: end, highWaterMarkBytes: RUN_BYTES });
    return { next: (count) => iterator.nextv(count), close: () => iterator.close() };
  }

  write(operations: readonly Operation[]): Promise<void> {
    return this.#level.batch(
      operations.map(([key, value]) => (value === null ? { type: 'del', key } : { type: 'put', key, value })),
    );
  }

  clear(from: Uint8Array, end: Uint8Array): Promise<void> {
    return this.#level.clear({ gte: from, lt: end });
  }

  /**
   * Through file descriptors of its own: LevelDB's synced writes sync only the log they go to, not one before it that still
   * holds what was written without. A log that is gone meanwhile is in tables, which LevelDB syncs before it removes the log.
   */
  async sync(): Promise<void> {
    const names = await this.#logNames();
    for (const name of names) {
      const file = await realDisk.open(join(this.#directory, name)).catch((error) => {
        if (error.code === 'ENOENT') return null;
        throw error;
      });
      if (file === null) continue;
      try {
        await file.sync();
      } finally {
        await file.close();
      }
    }
    if (names.join() === this.#logs) return;
    await realDisk.syncDirectory(this.#directory);
    this.#logs = names.join();
  }

  async rewrite(): Promise<void> {
    // A compaction, of a range where nothing is, begins with writing what is in memory into a table, synced.
    const nothing = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff);
    const before = await this.#logNames();
    await this.#level.compactRange(nothing, nothing);
    // It does not say whether that failed; but then the log of it stays.
    const after = new Set(await this.#logNames());
    const needed = before.filter((name) => after.has(name));
    if (needed.length > 0)
      throw new Error(`${needed.join(', ')} is still needed: what is in memory was not written into a table`);
    await this.sync();
  }

  compact(from: Uint8Array, end: Uint8Array): Promise<void> {
    return this.#level.compactRange(from, end);
  }

  async usage(): Promise<Usage> {
    const names = await readdir(this.#directory);
    let bytes = 0;
    for (const name of names)
      bytes += await stat(join(this.#directory, name)).then(
        ({ size }) => size,
        () => 0,
      );
    return { bytes, freeBytes: await realDisk.freeBytes(this.#directory) };
  }

  async reopen(): Promise<void> {
    await this.#level.close();
    await this.open();
  }

  close(): Promise<void> {
    return this.#level.close();
  }

  async #logNames(): Promise<string[]> {
    return (await readdir(this.#directory)).filter((name) => name.endsWith('.log'));
  }
}

/** What LevelDB says as the system said it: it passes on no codes. */
export function systemErrorOf(error: unknown): unknown {
  const { code, message, cause } = error as { code?: string; message?: string; cause?: { message?: string } };
  if (code !== undefined && /^E[A-Z]+$/.test(code)) return error;
  const text = `${message} ${cause?.message ?? ''}`;
  for (const [words, meant] of CODES) if (text.includes(words)) return { code: meant };
  return new Error(message);
}

const CODES = [
  ['No space left', 'ENOSPC'],
  ['quota', 'EDQUOT'],
  ['File too large', 'EFBIG'],
  ['Input/output error', 'EIO'],
  ['Read-only file system', 'EROFS'],
] as const;
