import type { ShoalError } from '../../base/index.ts';
import type { Backend, BackendCounters, BackendState, ReadThrough } from '../backend.ts';
import { CLOSED, DiskBackend, POOL_BATCHES } from '../disk-backend.ts';
import { BatchPool } from '../log/batch.ts';
import { isFull } from '../log/files.ts';
import type { Stamps } from '../stamps.ts';
import type { MessageTable } from '../table.ts';
import { Cache } from './cache.ts';
import { type Database, openDatabase, systemErrorOf } from './database.ts';
import { epochKey, META_EPOCH } from './layout.ts';
import { type LevelOptions, type LevelTuning, TUNING } from './level-options.ts';
import { LevelRecorder } from './level-recorder.ts';
import { Reader } from './reader.ts';
import { type Found, recover } from './recovery.ts';
import { Writer, type WriterWatch } from './writer.ts';

/** So much is written without waiting for more. */
const FLUSH_BYTES = 64 * 1024;
/** However few bytes they are, each of what waits to be written has a buffer of a megabyte. */
const MANY_WRITES = 64;

/**
 * For data larger than memory: LevelDB (a log-structured merge tree; O'Neil et al., 1996) by classic-level, with the message table
 * as its cache.
 *
 * In memory is, of every key, an entry of the table's index, 8 bytes by its load: slot, hash, and either a record or a mark with
 * the time of its expiry (marks.ts; FAWN's and SILT's hash indexes in memory, Andersen et al., 2009, are the model). So which keys are
 * nowhere, how many there are in each slot, and what expires next, is known without the disk: only who asks for a message that is not
 * in memory waits for it. Keeping whole keys as well would cost five times that for small messages; keeping nothing, as a plain cache
 * does, a read of the disk for every new key, and no exact counts. The price: a start reads everything once.
 *
 * A miss is read by LevelDB's own threads while the event loop goes on (reader.ts); the command runs when all its keys are here.
 * Nothing is read synchronously: `getSync` takes microseconds from a cache and milliseconds from a board's SD card. SCAN and KEYS go
 * through the disk, in the order of slot and hash.
 *
 * Changes are recorded as for the log and written in batches (writer.ts), without a sync; the sync is a call of its own, grouped,
 * when somebody waits, and about every second otherwise. A failed write leaves LevelDB's log torn: it is opened anew before the write
 * is tried again, and nothing that was taken is lost meanwhile, for a record leaves memory (cache.ts) only when it is written. After a
 * failed sync nothing is acknowledged as on disk until LevelDB has put all it has in memory into new files.
 *
 * Bounds: `store_memory` holds table and marks, LevelDB has some 16 MB besides; `store_disk` and a reserve of the file system are
 * looked at every second. Tests: level-backend.test.ts, faults.test.ts, test/e2e/store-level.test.ts
 * (kill -9).
 */
export class LevelBackend extends DiskBackend implements Backend, WriterWatch {
  readonly name = 'leveldb';
  readonly sink: LevelRecorder;
  readonly readThrough: ReadThrough;
  readonly saving = false;
  readonly savedMs = null;
  readonly #tuning: LevelTuning;
  readonly #database: Database;
  readonly #table: MessageTable;
  readonly #cache: Cache;
  readonly #writer: Writer;
  readonly #reader: Reader;
  readonly #found: Found;
  readonly #timers = new Set<NodeJS.Timeout>();
  #flushing = false;
  #syncDue = false;
  #syncing: Promise<void> | null = null;
  #trying: Promise<void> | null = null;
  #clearing: Promise<void> | null = null;
  #retryMs: number;
  /** False: a sync failed, and what was written since the one before may be lost with the machine. */
  #trusted = true;
  #diskBytes = 0;
  #usageBytes = -1;
  #compactedAt = 0;
  #compactedMs = -Infinity;
  #closing = false;
  #syncs = 0;
  #retries = 0;

  static async open(table: MessageTable, stamps: Stamps, options: LevelOptions): Promise<LevelBackend> {
    const tuning = { ...TUNING, ...options.tuning };
    const { directory, notices, maxMemoryBytes } = options;
    const database = await (options.open ?? openDatabase)(directory);
    try {
      const cache = new Cache(table, stamps, maxMemoryBytes, tuning.cacheShare);
      const found = await recover(database, table, stamps, cache, notices, tuning.progressMs);
      const backend = new LevelBackend(table, stamps, options, tuning, database, cache, found);
      await backend.#begin();
      return backend;
    } catch (error) {
      await database.close().catch(() => {});
      throw error;
    }
  }

  private constructor(
    table: MessageTable,
    stamps: Stamps,
    options: LevelOptions,
    tuning: LevelTuning,
    database: Database,
    cache: Cache,
    found: Found,
  ) {
    super(stamps, options);
    this.#table = table;
    this.#tuning = tuning;
    this.#database = database;
    this.#cache = cache;
    this.#found = found;
    this.#retryMs = tuning.retryMs;
    const pool = new BatchPool(POOL_BATCHES);
    this.#writer = new Writer(database, pool, this, found);
    this.sink = new LevelRecorder(this.#writer, pool);
    this.#reader = new Reader(database, table, cache, this.#writer, this.sink, options.notices);
    this.sink.onCleared = () => {
      cache.cleared();
      this.#reader.cleared();
    };
    cache.keeper = {
      isPending: (write, modulus) => this.#writer.isPending(write, modulus),
      isReading: (slot, hash) => this.#reader.isReading(slot, hash),
    };
    this.readThrough = {
      read: (keys, done) => this.#reader.read(keys, done),
      isCold: (key, at, length) => cache.isMarkedKey(key, at, length),
      hold: () => cache.held++,
      letGo: () => cache.held--,
      get isFull() {
        return cache.isFull;
      },
      list: (from, count) => this.#reader.list(from, count),
      sweep: (slot) => this.#reader.sweep(slot),
      isBehind: () => this.#writer.queuedBytes > tuning.queueBytes / 2,
      counters: () => ({ reads: this.#reader.counters.reads, evicted: cache.counters.evicted }),
    };
  }

  get state(): BackendState {
    if (this.error !== null && !this.noRoom) return 'failing';
    return this.refusal === null ? 'ok' : 'full';
  }

  get warnings(): readonly string[] {
    const warnings = this.diskWarnings;
    if (this.#reader.failing)
      warnings.push('the store cannot be read: commands on messages that are not in memory wait');
    return warnings;
  }

  get counters(): BackendCounters {
    const { counters, queuedBytes } = this.#writer;
    return {
      diskBytes: this.#diskBytes,
      queuedBytes,
      batches: counters.batches,
      writtenBytes: counters.bytes,
      syncs: this.#syncs,
      snapshots: 0,
      retries: this.#retries,
      droppedChanges: 0,
      recoveredChanges: this.#found.messages,
      longestStepMs: 0,
    };
  }

  save(): null {
    return null;
  }

  endTurn(): void {
    if (this.sink.waitingBytes > 0) {
      if (!this.#sealNow() && !this.#flushing) {
        this.#flushing = true;
        this.#flushLater();
      }
    } else this.#syncIfAsked();
    this.leases.check(this.sink.sequence, this.onDiskSequence);
    this.#cache.evict();
    this.judge();
  }

  async close(): Promise<void> {
    await this.#stopTimers();
    this.sink.seal();
    await this.#writer.drain();
    await this.#syncing;
    if (!this.#writer.stopped) await this.#sync();
    this.#writer.stop();
    await this.#reader.close();
    await this.#clearing;
    await this.#database.close().catch(() => {});
    this.waiters.fail(this.error ?? CLOSED);
  }

  /** See WriterWatch. */
  wrote(): void {
    this.#cache.lastWrite = this.#writer.done - 1;
    if (this.#writer.epoch !== this.#found.epoch) this.#clearOld();
    if (this.error !== null && this.#trusted) this.#allWell();
    this.#sealNow();
    this.#cache.evict();
    if (this.congested && !this.#isBehind(this.#tuning.queueBytes / 2, MANY_WRITES / 2)) this.uncongest();
    this.#syncIfAsked();
    this.#syncLater();
  }

  failed(error: unknown): void {
    this.report(error);
    // Before those who waited with changes go on.
    this.judge();
    this.uncongest();
    this.#retryLater();
  }

  /** The first lease, before the first write. */
  async #begin(): Promise<void> {
    await this.#measure();
    if (this.#found.failed !== null) this.#torn(this.#found.failed);
    else if (this.#found.epoch > 0) this.#clearOld();
    this.leases.ask();
    this.sink.seal();
    await this.#writer.drain();
    await this.#sync();
    // A full disk is waited for: what is there can be read meanwhile.
    if (this.error !== null && !this.noRoom) {
      await this.#stopTimers();
      throw this.error;
    }
    this.leases.check(this.sink.sequence, this.onDiskSequence);
    this.#measureLater();
    this.judge();
  }

  async #stopTimers(): Promise<void> {
    this.#closing = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#trying;
  }

  #after(ms: number, run: () => void): void {
    if (this.#closing) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms).unref();
    this.#timers.add(timer);
  }

  /** While nothing can be written, what comes fills the one batch: it goes when the writer has no other. */
  #flushLater(): void {
    this.#after(this.#tuning.flushMs, () => {
      if (!this.#writer.idle) return this.#flushLater();
      this.#flushing = false;
      this.sink.seal();
    });
  }

  /** Hands over what waits, if it is much or somebody waits for it; not while something else is written. */
  #sealNow(): boolean {
    const waiting = this.sink.waitingBytes;
    if (!this.#writer.idle || waiting === 0) return false;
    if (waiting < FLUSH_BYTES && !this.waiters.any && !this.congested) return false;
    this.sink.seal();
    return true;
  }

  #syncIfAsked(): void {
    if (this.waiters.any && this.waiters.first <= this.#writer.sequence) this.#startSync();
  }

  #syncLater(): void {
    if (this.#syncDue) return;
    this.#syncDue = true;
    this.#after(this.#tuning.syncMs, () => {
      this.#syncDue = false;
      if (this.#writer.sequence > this.onDiskSequence) this.#startSync();
    });
  }

  #startSync(): void {
    if (this.#syncing !== null || this.#writer.stopped || !this.#trusted || this.#closing) return;
    this.#syncing = this.#sync().finally(() => {
      this.#syncing = null;
      this.#syncIfAsked();
    });
  }

  async #sync(): Promise<void> {
    const { sequence } = this.#writer;
    if (!this.#trusted || sequence <= this.onDiskSequence) return;
    try {
      await this.#database.sync();
    } catch (error) {
      // The system may have dropped what it could not write, and a second try would say that all is well.
      this.#trusted = false;
      this.report(error);
      this.#retryLater();
      return;
    }
    this.#syncs++;
    this.reached(sequence);
  }

  protected judge(): void {
    const { stopped, queuedBytes, taken, done } = this.#writer;
    const { queueBytes } = this.#tuning;
    const pendingBytes = queuedBytes + this.sink.waitingBytes;
    if (!stopped && this.#isBehind(queueBytes)) this.congested = true;
    this.refuse(stopped && (pendingBytes > queueBytes || taken - done > MANY_WRITES));
  }

  /** Much waits to be written; or there is hardly any memory left, and what waits keeps it from being made. */
  #isBehind(queueBytes: number, writes = MANY_WRITES): boolean {
    const { taken, done, queuedBytes } = this.#writer;
    const pendingBytes = queuedBytes + this.sink.waitingBytes;
    return taken - done > writes || pendingBytes > queueBytes || (pendingBytes > 0 && this.#cache.isTight);
  }

  protected override report(cause: unknown): ShoalError {
    const error = systemErrorOf(cause);
    this.noRoom ||= isFull(error);
    return super.report(error);
  }

  #retryLater(): void {
    this.#after(this.#retryMs, () => {
      this.#trying ??= this.#tryAgain().finally(() => {
        this.#trying = null;
      });
    });
    this.#retryMs = Math.min(this.#retryMs * 2, this.#tuning.maxRetryMs);
  }

  async #tryAgain(): Promise<void> {
    this.#retries++;
    try {
      await this.#measure();
      if (this.noRoom) return this.#retryLater();
      if (this.#writer.stopped) {
        await this.#database.reopen();
        this.#writer.resume();
      }
      if (!this.#trusted) await this.#rewrite();
      this.#trusted = true;
      if (this.#writer.idle) this.#allWell();
    } catch (error) {
      this.report(error);
      this.#retryLater();
    }
  }

  async #rewrite(): Promise<void> {
    try {
      await this.#database.rewrite();
    } catch (error) {
      // Until it is opened anew LevelDB does nothing more.
      this.#writer.stop();
      throw error;
    }
  }

  /** A write beside the writer's failed: what is written behind it would not be found again. */
  #torn(error: unknown): void {
    this.#found.epoch = -1;
    this.#writer.stop();
    if (!this.#closing) this.failed(error);
  }

  #allWell(): void {
    this.error = null;
    this.#retryMs = this.#tuning.retryMs;
    this.options.notices.info(`${this.options.directory} can be written again`);
    this.judge();
    this.#syncLater();
  }

  async #measure(): Promise<void> {
    const { bytes, freeBytes } = await this.#database.usage();
    const { maxDiskBytes } = this.options;
    this.#diskBytes = bytes;
    this.noRoom = freeBytes < this.#tuning.reserveBytes;
    this.overBudget = maxDiskBytes > 0 && bytes > maxDiskBytes;
    if (this.overBudget) this.#compact();
    this.judge();
  }

  #measureLater(): void {
    this.#after(this.#tuning.usageMs, () => {
      const { bytes } = this.#writer.counters;
      const isIdle = bytes === this.#usageBytes && !this.noRoom && !this.overBudget;
      this.#usageBytes = bytes;
      const measured = isIdle || this.#writer.stopped ? Promise.resolve() : this.#measure();
      void measured.catch(() => {}).finally(() => this.#measureLater());
    });
  }

  /** Over the budget, when so much was deleted that it pays. */
  #compact(): void {
    const { removals } = this.sink;
    const now = performance.now();
    if (this.#clearing !== null || this.#closing || now - this.#compactedMs < this.#tuning.compactMs) return;
    if ((removals - this.#compactedAt) * 16 < this.#table.size) return;
    this.#compactedAt = removals;
    this.#compactedMs = now;
    this.#inBackground(() => this.#database.compact(epochKey(0), epochKey(META_EPOCH)));
  }

  /** What was there when everything was deleted. */
  #clearOld(): void {
    const { epoch } = this.#writer;
    this.#found.epoch = epoch;
    this.#inBackground(async () => {
      try {
        await this.#database.clear(epochKey(0), epochKey(epoch));
      } catch (error) {
        this.#torn(error);
        return;
      }
      await this.#database.compact(epochKey(0), epochKey(epoch));
    });
  }

  #inBackground(work: () => Promise<void>): void {
    const before = this.#clearing ?? Promise.resolve();
    const mine = before.then(() => (this.#closing ? undefined : work())).catch(() => {});
    this.#clearing = mine;
    void mine.finally(() => {
      if (this.#clearing === mine) this.#clearing = null;
    });
  }
}
