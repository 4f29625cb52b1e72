import { join } from 'node:path';
import type { ShoalError } from '../../base/index.ts';
import type { Backend, BackendCounters, BackendState } from '../backend.ts';
import { CLOSED, DiskBackend, type DiskOptions, POOL_BATCHES } from '../disk-backend.ts';
import type { Stamps } from '../stamps.ts';
import type { MessageTable } from '../table.ts';
import { Appender, type AppenderWatch } from './appender.ts';
import { BatchPool } from './batch.ts';
import { realDisk, type StoreDisk } from './disk.ts';
import { diskError, generationOf, isFull, keptName } from './files.ts';
import { Recorder } from './recorder.ts';
import { type Recovered, Recovery } from './recovery.ts';
import { SnapshotWriter } from './snapshot.ts';
import { Waiters } from './waiters.ts';

/** `maxDiskBytes`: with room for the copy that a compaction makes. */
export interface LogOptions extends DiskOptions {
  /** Batches are packed with deflate, as far as that is cheap: see appender.ts. */
  readonly compress: boolean;
  /** Damaged files do not keep it from starting: see recovery.ts. */
  readonly salvage: boolean;
  readonly disk?: StoreDisk;
  readonly tuning?: Partial<LogTuning>;
}

export interface LogTuning {
  /** A change nobody waits for is written at most so late, if no batch fills up before. */
  readonly flushMs: number;
  /** And synced at most so late. */
  readonly syncMs: number;
  readonly syncBytes: number;
  /** Bytes that may wait to be written before changes wait. */
  readonly queueBytes: number;
  /** Files smaller than this are not compacted. */
  readonly compactFloorBytes: number;
  /** After an error the disk is tried again so soon; and after more of them, at most so late. */
  readonly retryMs: number;
  readonly maxRetryMs: number;
  readonly progressMs: number;
  /** Between two looks at what the file system has left. */
  readonly roomMs: number;
}

const TUNING: LogTuning = {
  flushMs: 10,
  syncMs: 1000,
  syncBytes: 32 << 20,
  queueBytes: 16 << 20,
  compactFloorBytes: 64 << 20,
  retryMs: 1000,
  maxRetryMs: 10_000,
  progressMs: 5000,
  roomMs: 1000,
};

/** So much is written while a sync is under way. */
const EARLY_BYTES = 256 * 1024;
/** A record's length word, in the log. */
const RECORD_OVERHEAD_BYTES = 4;
/**
 * Files so much larger than what lives are compacted: of what is overwritten again and again, each message is then written
 * once and a half on average, against twice at 2 and once and a third at 4; a start reads so much at most.
 */
const COMPACT_RATIO = 3;
/** Where there is no more room, files so much larger than what lives are worth compacting. */
const WORTHWHILE = 1.25;
const WORTHWHILE_SHARE = 16;
/** Less garbage than this never is: a snapshot and a log have some bytes of their own. */
const LEAST_GARBAGE_BYTES = 64 << 10;
/** Of the file system, beside the next snapshot: the log's next header, a batch, and what a file takes besides its bytes. */
const ROOM_BYTES = 2 << 20;

/**
 * The append log (a write-ahead log in the field's term, though memory is written first: what is promised is what `whenOnDisk`
 * says, and nothing else). Every change is copied into a batch while it is made (recorder.ts); one batch is written at a time, and what
 * comes meanwhile is the next (appender.ts): group commit. It is synced when somebody waits for it, and about every second
 * otherwise. When the files are more than three times what lives, a snapshot takes the place of all older ones (snapshot.ts, with the invariant
 * that makes it exact); a start reads the snapshot and the logs after it (recovery.ts, with what it mends and what it refuses).
 *
 * Errors. The table in memory is always whole, so a log that cannot be trusted is replaced by a snapshot of memory:
 * - No room: the batch is kept and tried again; commands that need room are refused meanwhile (`full`). So they are before it
 *   comes to that, when a disk budget, or what the file system has left, would not do for the next snapshot: else deletions would free nothing.
 * - Any other failed write, any failed sync (the kernel may drop pages it could not write and call the next sync a
 *   success), or more waiting than fits while the disk is full: everything not synced is taken for lost. Whoever waits is told,
 *   nothing is acknowledged as on disk (`failing`) until a new log and a snapshot of everything behind it are written; memory is served on.
 *
 * It does not lock its directory: the daemon does. Its test: log-backend.test.ts, room.test.ts,
 * crash.test.ts, damage.test.ts.
 */
export class LogBackend extends DiskBackend implements Backend, AppenderWatch {
  readonly name = 'log';
  readonly sink: Recorder;
  readonly readThrough = null;
  savedMs: number | null = null;
  readonly #table: MessageTable;
  readonly #tuning: LogTuning;
  readonly #disk: StoreDisk;
  readonly #appender: Appender;
  /** A snapshot that waits for the log. */
  readonly #settling = new Waiters();
  #syncedSequence = 0;
  readonly #recovered: Recovered;
  #flushTimer: NodeJS.Timeout | null = null;
  #syncTimer: NodeJS.Timeout | null = null;
  #retryTimer: NodeJS.Timeout | null = null;
  #roomTimer: NodeJS.Timeout | null = null;
  /** Bytes of files that the file system has room for. */
  #roomBytes = Infinity;
  #retryMs: number;
  /** False: what is in the files does not add up to what is in memory; only a snapshot mends it. */
  #trusted: boolean;
  #snapshot: SnapshotWriter | null = null;
  #compaction: Promise<void> | null = null;
  #nextCompactionMs = 0;
  #closing = false;
  #snapshots = 0;
  #longestStepMs = 0;

  static async open(table: MessageTable, stamps: Stamps, options: LogOptions): Promise<LogBackend> {
    const tuning = { ...TUNING, ...options.tuning };
    const disk = options.disk ?? realDisk;
    const { directory, notices, salvage } = options;
    const { progressMs } = tuning;
    const recovery = new Recovery({ disk, directory, table, stamps, notices, progressMs, salvage });
    const backend = new LogBackend(table, stamps, options, tuning, await recovery.run());
    try {
      await backend.#begin();
    } catch (error) {
      await backend.close();
      throw error;
    }
    return backend;
  }

  private constructor(
    table: MessageTable,
    stamps: Stamps,
    options: LogOptions,
    tuning: LogTuning,
    recovered: Recovered,
  ) {
    super(stamps, options);
    this.#table = table;
    this.#tuning = tuning;
    this.#recovered = recovered;
    this.#disk = options.disk ?? realDisk;
    this.#retryMs = tuning.retryMs;
    this.#trusted = !recovered.untrusted;
    const pool = new BatchPool(POOL_BATCHES);
    const { directory, compress } = options;
    const { point, olderBytes } = recovered;
    this.#appender = new Appender(this.#disk, directory, pool, this, point, compress, olderBytes);
    this.sink = new Recorder(this.#appender, pool);
  }

  get state(): BackendState {
    if (!this.#trusted) return 'failing';
    return this.refusal === null ? 'ok' : 'full';
  }

  get warnings(): readonly string[] {
    const warnings = [...this.#recovered.warnings, ...this.diskWarnings];
    if (!this.#trusted)
      warnings.push(
        'messages are in memory only, and are not acknowledged as on disk, until the log is whole again',
      );
    return warnings;
  }

  get counters(): BackendCounters {
    const { counters, queuedBytes } = this.#appender;
    return {
      diskBytes: this.#diskBytes,
      queuedBytes,
      batches: counters.batches,
      writtenBytes: counters.bytes,
      syncs: counters.syncs,
      snapshots: this.#snapshots,
      retries: counters.retries,
      droppedChanges: counters.droppedChanges,
      recoveredChanges: this.#recovered.records,
      longestStepMs: this.#longestStepMs,
    };
  }

  get saving(): boolean {
    return this.#compaction !== null;
  }

  save(): boolean {
    if (this.#compaction !== null || this.#closing || this.#appender.stopped) return false;
    this.#nextCompactionMs = 0;
    this.#startCompaction();
    return true;
  }

  endTurn(): void {
    if (this.sink.waitingBytes > 0) {
      if (!this.waiters.any) this.#flushLater();
      else if (this.#mayWrite()) this.sink.seal();
    } else if (this.waiters.any && this.#appender.idle) this.#appender.sync();
    this.leases.check(this.sink.sequence, this.onDiskSequence);
    this.judge();
  }

  async close(): Promise<void> {
    this.#closing = true;
    for (const timer of [this.#flushTimer, this.#syncTimer, this.#retryTimer, this.#roomTimer])
      if (timer) clearTimeout(timer);
    if (this.#snapshot !== null) this.#snapshot.cancelled = true;
    this.#settling.fail(CLOSED);
    // While the disk is full, one last try.
    this.#appender.retry();
    await this.#compaction;
    this.sink.seal();
    await this.#appender.drain();
    // The last batch says that all before it were synced, which makes damage to them plain.
    this.sink.lease(this.options.actor, this.leases.upTo);
    this.sink.seal();
    await this.#appender.drain();
    await this.#appender.close();
    this.waiters.fail(this.error ?? CLOSED);
  }

  /** See AppenderWatch. */
  moved(): void {
    const appender = this.#appender;
    if (this.congested && appender.queuedBytes < this.#tuning.queueBytes / 2) this.uncongest();
    if (appender.stopped) return;
    if (this.noRoom && this.#trusted && appender.idle) this.#roomAgain();
    if (this.waiters.any) {
      if (this.#mayWrite()) this.sink.seal();
      if (appender.unsyncedBytes > 0 && this.waiters.first <= appender.writtenSequence) appender.sync();
    }
    if (appender.unsyncedBytes > this.#tuning.syncBytes) appender.sync();
    else if (appender.unsyncedBytes > 0 && !this.#closing)
      this.#syncTimer ??= this.#timer(this.#tuning.syncMs, () => {
        this.#syncTimer = null;
        if (appender.unsyncedBytes > 0) appender.sync();
      });
  }

  synced(sequence: number): void {
    this.#syncedSequence = sequence;
    this.#settling.reached(sequence);
    if (this.#trusted) this.reached(sequence);
  }

  full(error: unknown): void {
    if (!this.noRoom) this.report(error);
    this.noRoom = true;
    if (this.#closing || this.#appender.queuedBytes > this.#tuning.queueBytes) {
      this.#appender.fail(error);
      return;
    }
    this.#retryLater();
    // Changes that waited for a slow disk do not wait for a full one: they are refused.
    this.judge();
    if (this.congested) this.uncongest();
  }

  failed(error: unknown): void {
    this.#trusted = false;
    this.noRoom = isFull(error);
    if (this.#snapshot !== null) this.#snapshot.cancelled = true;
    this.report(error);
    this.options.notices.warn(
      'messages are in memory only, and are not acknowledged as on disk, until a new log and a snapshot are written',
    );
    // Before those who waited with changes go on.
    this.judge();
    this.uncongest();
    this.#retryLater();
  }

  /** The first lease, before the first write; and a new log at once when the old one is not to be trusted. */
  async #begin(): Promise<void> {
    this.leases.ask();
    this.sink.seal();
    await this.#appender.drain();
    // A full disk is waited for: what is there can be read meanwhile.
    if (this.error !== null && !this.noRoom) throw this.error;
    if (!this.#trusted) this.#startCompaction();
    this.leases.check(this.sink.sequence, this.onDiskSequence);
    await this.#look();
  }

  #timer(ms: number, run: () => void): NodeJS.Timeout {
    const timer = setTimeout(run, ms);
    timer.unref();
    return timer;
  }

  /** While a sync is under way small writes would only be many: they all wait for the next one. */
  #mayWrite(): boolean {
    return this.#appender.idle && (!this.#appender.syncing || this.sink.waitingBytes > EARLY_BYTES);
  }

  /** Not while a write is under way: small batches, each in a buffer of its own, would be as many as a disk that stands still lets come. */
  #flushLater(): void {
    this.#flushTimer ??= this.#timer(this.#tuning.flushMs, () => {
      this.#flushTimer = null;
      if (this.#appender.idle) this.sink.seal();
      else this.#flushLater();
    });
  }

  get #diskBytes(): number {
    const appender = this.#appender;
    return appender.olderBytes + appender.fileBytes + appender.queuedBytes + this.sink.waitingBytes;
  }

  /** What changes with every turn: back-pressure, budget, whether to compact. */
  protected judge(): void {
    if (this.#appender.queuedBytes > this.#tuning.queueBytes) {
      if (this.noRoom) this.#appender.fail({ code: 'ENOSPC' });
      else this.congested = true;
    }
    const total = this.#diskBytes;
    const live = this.#liveBytes();
    const { maxDiskBytes } = this.options;
    this.overBudget = maxDiskBytes > 0 && total + live > maxDiskBytes;
    this.cramped = total + live > this.#roomBytes;
    const most = this.overBudget ? maxDiskBytes : this.cramped ? this.#roomBytes : Infinity;
    const isWorthwhile = total > WORTHWHILE * live + Math.max(most / WORTHWHILE_SHARE, LEAST_GARBAGE_BYTES);
    const isLarge = total > COMPACT_RATIO * live + this.#tuning.compactFloorBytes;
    // One that mends has times of its own: see #retryLater.
    if (this.#trusted && (isWorthwhile || isLarge) && this.#fits()) this.#startCompaction();
    this.refuse(false);
  }

  /** Whether a snapshot has room; else it would only take what is left. */
  #fits(): boolean {
    return this.#diskBytes + this.#liveBytes() <= this.#roomBytes + ROOM_BYTES;
  }

  #liveBytes(): number {
    return this.#table.usedBytes + this.#table.size * RECORD_OVERHEAD_BYTES;
  }

  protected override report(cause: unknown): ShoalError {
    const error = super.report(cause);
    this.#settling.fail(error);
    return error;
  }

  /** Looks at what the file system has left, now and again; not while there are files that will go. */
  async #look(): Promise<void> {
    const snapshots = this.#snapshots;
    if (this.#compaction === null) {
      const freeBytes = await this.#disk.freeBytes(this.options.directory).catch(() => Infinity);
      const { olderBytes, fileBytes } = this.#appender;
      // A snapshot that was begun meanwhile is not somebody else's; nor is one that is whole already.
      if (this.#compaction === null && snapshots === this.#snapshots)
        this.#roomBytes = olderBytes + fileBytes + freeBytes - ROOM_BYTES;
    }
    if (this.#closing) return;
    this.judge();
    this.#roomTimer = this.#timer(this.#tuning.roomMs, () => void this.#look());
  }

  #retryLater(): void {
    if (this.#closing || this.#retryTimer !== null) return;
    this.#retryTimer = this.#timer(this.#retryMs, () => {
      this.#retryTimer = null;
      if (this.#appender.stopped) this.#renew();
      else {
        this.#appender.retry();
        // Each try begins a log, which stays until a snapshot is whole.
        if (!this.#trusted && this.#fits()) this.#startCompaction();
        else if (!this.#trusted) this.#retryLater();
      }
    });
    this.#retryMs = Math.min(this.#retryMs * 2, this.#tuning.maxRetryMs);
  }

  #roomAgain(): void {
    this.noRoom = false;
    this.error = null;
    this.#retryMs = this.#tuning.retryMs;
    this.options.notices.info(`${this.options.directory} can be written again`);
    this.judge();
  }

  #renew(): void {
    const renewed = async (): Promise<void> => {
      await this.#compaction;
      if (this.#closing) return;
      if (await this.#appender.renew()) this.#startCompaction();
      else this.#retryLater();
    };
    void renewed();
  }

  #startCompaction(): void {
    if (this.#compaction !== null || this.#closing || this.#appender.stopped) return;
    if (this.#trusted && performance.now() < this.#nextCompactionMs) return;
    this.#compaction = this.#compact().finally(() => {
      this.#compaction = null;
      if (!this.#trusted && !this.#closing && !this.#appender.stopped) this.#retryLater();
    });
  }

  /** A new log, then a snapshot of all that came before it, then the older files go. */
  async #compact(): Promise<void> {
    this.sink.seal();
    const turned = await this.#appender.turn();
    const { generation } = this.#appender;
    const source = {
      table: this.#table,
      actor: this.options.actor,
      leasedTo: this.leases.upTo,
      settle: () => this.#settle(),
    };
    const snapshot = new SnapshotWriter(this.#disk, this.options.directory, generation, source);
    let written = false;
    if (turned && !this.#closing) {
      this.#snapshot = snapshot;
      try {
        written = await snapshot.run();
      } catch (error) {
        this.options.notices.warn(
          `the snapshot was given up: ${diskError(error, this.options.directory).message}`,
        );
      }
      this.#snapshot = null;
    }
    this.#longestStepMs = Math.max(this.#longestStepMs, snapshot.longestStepMs);
    if (!written) {
      this.#nextCompactionMs = performance.now() + this.#tuning.maxRetryMs;
      return;
    }
    this.#snapshots++;
    this.savedMs = this.#table.nowMs;
    this.#appender.olderBytes = snapshot.bytes;
    await this.#removeBefore(generation);
    this.judge();
    if (!this.#trusted && !this.#appender.stopped) this.#mended();
  }

  #settle(): Promise<boolean> {
    this.sink.seal();
    const { sequence } = this.sink;
    if (this.#appender.stopped || this.#closing) return Promise.resolve(false);
    if (sequence <= this.#syncedSequence) return Promise.resolve(true);
    if (this.#appender.idle) this.#appender.sync();
    return new Promise((resolve) => this.#settling.add(sequence, (error) => resolve(error === null)));
  }

  async #removeBefore(generation: number): Promise<void> {
    const { directory } = this.options;
    const names = await this.#disk.list(directory).catch(() => []);
    for (const name of names) {
      const other = generationOf('log', name) ?? generationOf('snapshot', name);
      if (other === null || other >= generation) continue;
      const path = join(directory, name);
      const isKept = this.#recovered.damaged.includes(name);
      await (isKept ? this.#disk.rename(path, keptName(path)) : this.#disk.remove(path)).catch(() => {});
    }
  }

  /** The files add up to what is in memory again. */
  #mended(): void {
    this.#trusted = true;
    this.noRoom = false;
    this.error = null;
    this.#retryMs = this.#tuning.retryMs;
    this.options.notices.info(`${this.options.directory}: the log is whole again`);
    this.judge();
    this.#appender.sync();
  }
}
