import { readdir } from 'node:fs/promises';
import { ShoalError } from '../base/index.ts';
import type { Backend } from './backend.ts';
import { LevelBackend } from './level/level-backend.ts';
import { LogBackend, type LogTuning } from './log/log-backend.ts';
import { MemoryBackend } from './memory.ts';
import { type Notices, silent } from './notices.ts';
import { Reaper } from './reaper.ts';
import { Regions } from './regions.ts';
import { Stamps } from './stamps.ts';
import { MessageTable } from './table.ts';

export interface StoreOptions {
  readonly backend: Backend['name'];
  /** Of the back end's files. */
  readonly directory: string;
  /** Most bytes of memory for messages; 0: no bound. */
  readonly maxMemoryBytes: number;
  /** See LogOptions. */
  readonly maxDiskBytes: number;
  readonly compress: boolean;
  readonly salvage: boolean;
  readonly notices: Notices;
  /** Wall clock, in milliseconds, of the start. */
  readonly nowMs: number;
  readonly tuning?: Partial<LogTuning>;
}

/**
 * Number of this node in its table of actors: the first, until there are others' versions. Under the log, whose leases outlive every crash,
 * it stands for the node; in memory only, where counters begin anew with the process, for the node and its incarnation (which the
 * state directory counts up at every start). So no dot is ever that of two versions.
 */
const SELF = 1;
/** Records moved by one step of compaction of memory, at the end of a turn. */
const MOVES = 128;
/** Turns between two looks for memory to compact; there may be ten thousand of them in a second. */
const COMPACT_TURNS = 64;
/** The same when memory is pressed: some milliseconds, after which there is room for what a turn writes. */
const MOVES_PRESSED = 4096;
/**
 * What is held may pass the budget, which is compared with what is in use: free blocks are room for messages of their own size only, and
 * chunks are not given back before they are empty. From `pressed` on they are emptied in haste; at `most` nothing is taken any more.
 */
const OVER = { pressed: { share: 1.05, bytes: 1 << 20 }, most: { share: 1.1, bytes: 2 << 20 } } as const;

/** Of what messages get. */
const QUEUE_SHARE = 4;
const QUEUE_BYTES = { min: 2 << 20, max: 16 << 20 } as const;

const OOM = "OOM command not allowed when used memory > 'maxmemory'.";

/**
 * The messages of this node: the table in memory, the stamps of its versions, and the back end that keeps them. `begin` and `endTurn`
 * stand around the commands of one turn of the event loop. What a turn may do, it is told by fields that are up to
 * date when it begins: `refusal`, `blocked`, and `backend.congested`.
 */
export class Store {
  readonly table: MessageTable;
  readonly backend: Backend;
  /** Removes what has expired; whoever serves the store starts it. */
  readonly reaper: Reaper;
  readonly maxMemoryBytes: number;
  #turns = 0;
  #compacting = false;
  /** Why commands that need room are refused, as an error reply without its minus sign; null when they are not. */
  refusal: string | null = null;

  constructor(
    table: MessageTable = new MessageTable(new Stamps(SELF)),
    backend: Backend = new MemoryBackend(),
    maxMemoryBytes = 0,
  ) {
    this.table = table;
    this.reaper = new Reaper(table, backend.readThrough);
    this.backend = backend;
    this.maxMemoryBytes = maxMemoryBytes;
    table.sink = backend.sink;
    this.refusal = this.#refusalNow();
  }

  /** Reads back what is on disk. @throws ShoalError `store-damaged`, `store-newer`, `store-unreadable`, `disk-failed` */
  static async open(options: StoreOptions): Promise<Store> {
    const { directory, notices = silent, maxMemoryBytes, maxDiskBytes, compress, salvage, tuning } = options;
    if (options.backend !== 'memory') await refuseForeign(options.backend, directory);
    const stamps = new Stamps(SELF);
    const regions = new Regions(maxMemoryBytes);
    await regions.reserve();
    const table = new MessageTable(stamps, regions);
    table.nowMs = options.nowMs;
    if (options.backend === 'memory') return new Store(table, new MemoryBackend(), maxMemoryBytes);
    if (options.backend === 'leveldb') {
      const level = { directory, actor: SELF, notices, maxMemoryBytes, maxDiskBytes };
      return new Store(table, await LevelBackend.open(table, stamps, level), maxMemoryBytes);
    }
    const backend = await LogBackend.open(table, stamps, {
      directory,
      actor: SELF,
      notices,
      maxDiskBytes,
      compress,
      salvage,
      tuning: { ...queueFor(maxMemoryBytes), ...tuning },
    });
    return new Store(table, backend, maxMemoryBytes);
  }

  /** Why every command that changes anything is refused; null when they are not. */
  get blocked(): string | null {
    return this.backend.blocked;
  }

  /** Memory or disk have no room, or the disk takes no change at all: `refusal` says why, as of now. */
  get full(): boolean {
    this.refusal = this.#refusalNow();
    return this.refusal !== null;
  }

  /** What has no room; null also while the disk takes no change at all, whatever the reason. */
  get lacks(): 'memory' | 'disk' | null {
    if (!this.full) return null;
    if (this.refusal === OOM) return 'memory';
    return this.blocked === null ? 'disk' : null;
  }

  /** A turn of commands begins. */
  begin(nowMs: number): void {
    this.table.nowMs = nowMs;
    // There may be room again since the last turn, which may be long ago.
    if (this.refusal !== null) this.refusal = this.#refusalNow();
  }

  /** A turn of commands has ended; a key that was looked up is not any more. */
  endTurn(): void {
    this.backend.endTurn();
    const pressed = this.#isOver(OVER.pressed);
    if (pressed || this.#compacting || ++this.#turns >= COMPACT_TURNS) {
      this.#turns = 0;
      this.#compacting = this.table.compact(pressed ? MOVES_PRESSED : MOVES, pressed);
    }
    this.refusal = this.#refusalNow();
  }

  close(): Promise<void> {
    this.reaper.stop();
    this.table.sink = null;
    return this.backend.close();
  }

  #refusalNow(): string | null {
    const { maxMemoryBytes, table, backend } = this;
    // While it is congested nothing is changed; a cache makes room meanwhile.
    if (maxMemoryBytes > 0 && !backend.congested && table.heldBytes >= maxMemoryBytes) {
      const taken = table.usedBytes + table.insides.index.usedBytes;
      if (taken >= maxMemoryBytes || this.#isOver(OVER.most)) return OOM;
    }
    return backend.refusal;
  }

  #isOver({ share, bytes }: { readonly share: number; readonly bytes: number }): boolean {
    const max = this.maxMemoryBytes;
    return max > 0 && this.table.heldBytes >= max * share + bytes;
  }
}

/** Files that only the other back end has: their messages would be passed over in silence. */
const FOREIGN = { log: /^CURRENT$/, leveldb: /^(log|snapshot)\.\d+$/ };

async function refuseForeign(backend: 'log' | 'leveldb', directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  const foreign = names.find((name) => FOREIGN[backend].test(name));
  if (foreign === undefined) return;
  const other = backend === 'log' ? 'leveldb' : 'log';
  throw new ShoalError(
    'store-other',
    `store directory ${directory} holds messages of store = "${other}" (${foreign}): set that again, or give another store_dir`,
    'store-dir',
  );
}

/** What may wait for the disk: where there is little memory for messages, there is little for that. */
function queueFor(maxMemoryBytes: number): Partial<LogTuning> {
  if (maxMemoryBytes === 0) return {};
  const part = maxMemoryBytes / QUEUE_SHARE;
  return { queueBytes: Math.max(QUEUE_BYTES.min, Math.min(QUEUE_BYTES.max, part)) };
}
