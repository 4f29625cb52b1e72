import { deflateRaw } from 'node:zlib';
import type { Batch, BatchPool } from './batch.ts';
import type { StoreDisk, StoreFile } from './disk.ts';
import { ExternalChange } from './external.ts';
import { createStoreFile, fileName, isFull } from './files.ts';
import { BATCH_HEADER_BYTES, COMPRESSED, FILE_HEADER_BYTES, frameBatch, PART } from './format.ts';
import type { Tape } from './recorder.ts';

/** The order to go on in a new file. */
interface Turn {
  readonly done: (turned: boolean) => void;
}

/** Told what became of the changes. */
export interface AppenderWatch {
  /** Something was written or synced, or a new file was due: there may be room, and something to do. */
  moved(): void;
  /** Changes up to this one are on the medium. */
  synced(sequence: number): void;
  /** No room for a batch; it is kept and tried again (`retry`). */
  full(error: unknown): void;
  /** What was not synced may be lost, and what waits was dropped; nothing is taken until `renew`. */
  failed(error: unknown): void;
}

/** Where recovery left off. */
export interface AppendPoint {
  readonly file: StoreFile;
  readonly generation: number;
  readonly salt: number;
  readonly bytes: number;
  readonly batches: number;
}

const COMPRESS_LEVEL = 1;
/** Less is not worth the call. */
const COMPRESS_BYTES = 512;
/**
 * Packing spares a card at rates it lives with for years, and costs as much as all the rest of the store at full load
 * (measured: 60 to 270 MB a second of a core, against 140 MB a second of records). So it is done for so much a second only.
 */
const PACKED_BYTES_PER_SECOND = 4 << 20;

/**
 * The append side of the log: one write under way at a time, and beside it at most one sync of what was written before
 * it. Invariant: a file's batches follow each other without a gap up to `#bytes`; after a write that failed the file is
 * cut there before the next. A file is synced before the next one is made, so only the last can end torn.
 */
export class Appender implements Tape {
  readonly #disk: StoreDisk;
  readonly #directory: string;
  readonly #pool: BatchPool;
  readonly #watch: AppenderWatch;
  readonly #compress: boolean;
  #file: StoreFile;
  #generation: number;
  #salt: number;
  #bytes: number;
  #batches: number;
  /** Batches and bytes of the file known to be on the medium. */
  #syncedBatches: number;
  #syncedBytes: number;
  #sequence = 0;
  #queue: (Batch | ExternalChange | Turn)[] = [];
  #running: Promise<void> | null = null;
  #syncing: Promise<void> | null = null;
  #renewing: Promise<boolean> | null = null;
  /** A write has failed: behind `#bytes` there may be some of it. */
  #torn = false;
  /** Bytes that may be packed now, as of this time. */
  #packBytes = PACKED_BYTES_PER_SECOND;
  #packMs = 0;
  /** The disk is full: nothing is tried until `retry`. */
  #paused = false;
  /** After a failure: nothing is taken. */
  stopped = false;
  /** Bytes handed over and not yet written. */
  queuedBytes = 0;
  /** Bytes of the files before this one that are still needed. */
  olderBytes: number;
  readonly counters = { batches: 0, bytes: 0, syncs: 0, retries: 0, droppedChanges: 0 };

  constructor(
    disk: StoreDisk,
    directory: string,
    pool: BatchPool,
    watch: AppenderWatch,
    point: AppendPoint,
    compress: boolean,
    olderBytes: number,
  ) {
    this.olderBytes = olderBytes;
    this.#disk = disk;
    this.#directory = directory;
    this.#pool = pool;
    this.#watch = watch;
    this.#compress = compress;
    this.#file = point.file;
    this.#generation = point.generation;
    this.#salt = point.salt;
    this.#bytes = point.bytes;
    this.#batches = point.batches;
    this.#syncedBatches = point.batches;
    this.#syncedBytes = point.bytes;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Length of the file that is written now. */
  get fileBytes(): number {
    return this.#bytes;
  }

  get unsyncedBytes(): number {
    return this.#bytes - this.#syncedBytes;
  }

  /** The last change that is in a file, or was dropped: only a snapshot brings that one to disk. */
  get writtenSequence(): number {
    return this.#sequence;
  }

  /** Nothing waits to be written. */
  get idle(): boolean {
    return this.#queue.length === 0;
  }

  /** A sync is under way: what is written now needs another. */
  get syncing(): boolean {
    return this.#syncing !== null;
  }

  batch(batch: Batch): void {
    if (this.stopped) {
      this.counters.droppedChanges += batch.records;
      this.#sequence = batch.sequence;
      this.#pool.give(batch);
      return;
    }
    this.queuedBytes += batch.rawBytes;
    this.#queue.push(batch);
    this.#start();
  }

  external(change: ExternalChange): void {
    if (this.stopped) {
      this.counters.droppedChanges++;
      this.#sequence = change.sequence;
      return;
    }
    this.queuedBytes += change.totalBytes;
    this.#queue.push(change);
    this.#start();
  }

  /** What is handed over from now on goes to a new file; resolves to whether that could be made. */
  turn(): Promise<boolean> {
    if (this.stopped) return Promise.resolve(false);
    return new Promise((done) => {
      this.#queue.push({ done });
      this.#start();
    });
  }

  /** After `full`: tries again. */
  retry(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.counters.retries++;
    this.#start();
  }

  /** Asks for a sync of what is written; `watch.synced` or `watch.failed` follows. */
  sync(): void {
    if (this.#syncing !== null || this.stopped) return;
    this.#syncing = this.#sync().finally(() => {
      this.#syncing = null;
      this.#watch.moved();
    });
  }

  /** After `failed`: a new file, whose header says how much of the one before is to be trusted. */
  renew(): Promise<boolean> {
    this.#renewing = this.#renew();
    return this.#renewing;
  }

  async #renew(): Promise<boolean> {
    await this.#running;
    await this.#syncing;
    try {
      await this.#open(true);
    } catch {
      return false;
    }
    this.stopped = false;
    return true;
  }

  /** Gives up what cannot be written: see AppenderWatch.failed. */
  fail(error: unknown): void {
    if (this.stopped) return;
    this.stopped = true;
    this.#paused = false;
    const queue = this.#queue;
    this.#queue = [];
    this.queuedBytes = 0;
    for (const [i, item] of queue.entries()) {
      if ('done' in item) {
        item.done(false);
        continue;
      }
      this.#sequence = item.sequence;
      if (item instanceof ExternalChange) this.counters.droppedChanges++;
      else {
        this.counters.droppedChanges += item.records;
        // The first may be under way, its buffer in use.
        if (i > 0) this.#pool.give(item);
      }
    }
    this.#watch.failed(error);
  }

  /** Waits until everything that was handed over is written and synced, or cannot be. */
  async drain(): Promise<void> {
    while (!this.stopped && !this.#paused) {
      if (this.#running !== null) await this.#running;
      else if (this.unsyncedBytes === 0) return;
      else {
        this.sync();
        await this.#syncing;
      }
    }
  }

  async close(): Promise<void> {
    this.stopped = true;
    await this.#running;
    await this.#syncing;
    // The file that it makes is the one to be closed.
    await this.#renewing;
    this.stopped = true;
    await this.#file.close().catch(() => {});
  }

  #start(): void {
    if (this.#running !== null || this.#paused || this.stopped) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
      if (this.#queue.length > 0) this.#start();
    });
  }

  async #run(): Promise<void> {
    while (!this.#paused && !this.stopped) {
      const item = this.#queue[0];
      if (item === undefined) return;
      if ('done' in item) {
        await this.#turn(item);
      } else if (item instanceof ExternalChange) {
        await this.#writeExternal(item);
      } else {
        const { flags, stored, from } = await this.#packed(item);
        const done = await this.#write(from, stored, item.rawBytes, flags, item.records);
        if (from !== item) this.#pool.give(from);
        if (!done) continue;
        this.#queue.shift();
        this.queuedBytes -= item.rawBytes;
        this.#sequence = item.sequence;
        this.#pool.give(item);
        this.#watch.moved();
      }
    }
  }

  async #packed(batch: Batch): Promise<{ flags: number; stored: number; from: Batch }> {
    const plain = { flags: 0, stored: batch.rawBytes, from: batch };
    if (!this.#compress || batch.rawBytes < COMPRESS_BYTES || !this.#mayPack(batch.rawBytes)) return plain;
    const records = batch.bytes.subarray(BATCH_HEADER_BYTES, BATCH_HEADER_BYTES + batch.rawBytes);
    const packed = await new Promise<Uint8Array | null>((resolve) =>
      deflateRaw(records, { level: COMPRESS_LEVEL }, (error, bytes) =>
        resolve(error === null ? bytes : null),
      ),
    );
    if (packed === null || packed.length >= batch.rawBytes) return plain;
    const from = this.#pool.take();
    from.bytes.set(packed, BATCH_HEADER_BYTES);
    return { flags: COMPRESSED, stored: packed.length, from };
  }

  #mayPack(bytes: number): boolean {
    if (this.#queue.length > 1) return false;
    const nowMs = performance.now();
    const earned = ((nowMs - this.#packMs) * PACKED_BYTES_PER_SECOND) / 1000;
    this.#packMs = nowMs;
    this.#packBytes = Math.min(PACKED_BYTES_PER_SECOND, this.#packBytes + earned);
    if (bytes > this.#packBytes) return false;
    this.#packBytes -= bytes;
    return true;
  }

  /** Its parts go one by one, so that neither the checksum nor the write of half a gigabyte holds anything up. */
  async #writeExternal(change: ExternalChange): Promise<void> {
    const batch = this.#pool.take();
    const before = change.written;
    const stored = change.fill(batch.words, batch.bytes);
    const last = change.written === change.totalBytes;
    const done = await this.#write(batch, stored, stored, PART, last ? 1 : 0);
    this.#pool.give(batch);
    if (!done) {
      change.written = before;
      return;
    }
    this.queuedBytes -= change.written - before;
    if (!last) return;
    this.#sequence = change.sequence;
    this.#queue.shift();
    this.#watch.moved();
  }

  async #write(
    { words, bytes }: Batch,
    stored: number,
    raw: number,
    flags: number,
    records: number,
  ): Promise<boolean> {
    const framed = frameBatch(words, bytes, stored, raw, {
      flags,
      records,
      number: this.#batches,
      generation: this.#generation,
      synced: this.#syncedBatches,
      salt: this.#salt,
    });
    try {
      if (this.#torn) await this.#file.truncate(this.#bytes);
      this.#torn = true;
      await this.#file.write(framed, this.#bytes);
      this.#torn = false;
    } catch (error) {
      if (this.stopped) return false;
      if (!isFull(error)) this.fail(error);
      else {
        this.#paused = true;
        this.#watch.full(error);
      }
      return false;
    }
    if (this.stopped) return false;
    this.#bytes += framed.length;
    this.#batches++;
    this.counters.batches++;
    this.counters.bytes += framed.length;
    return true;
  }

  async #sync(): Promise<void> {
    const batches = this.#batches;
    const bytes = this.#bytes;
    const sequence = this.#sequence;
    try {
      await this.#file.sync();
    } catch (error) {
      // The kernel may have dropped what it could not write, and a second try would say that all is well.
      this.fail(error);
      return;
    }
    if (this.stopped) return;
    this.#syncedBatches = batches;
    this.#syncedBytes = bytes;
    this.counters.syncs++;
    this.#watch.synced(sequence);
  }

  async #turn(turn: Turn): Promise<void> {
    while (this.#syncing !== null) await this.#syncing;
    if (this.unsyncedBytes > 0) {
      this.sync();
      await this.#syncing;
    }
    if (this.stopped) return;
    let turned = true;
    try {
      await this.#open(false);
    } catch {
      turned = false;
    }
    if (this.stopped) return;
    this.#queue.shift();
    turn.done(turned);
    this.#watch.moved();
  }

  async #open(afterFailure: boolean): Promise<void> {
    const generation = this.#generation + 1;
    const { file, salt } = await createStoreFile(this.#disk, this.#directory, fileName('log', generation), {
      kind: 'log',
      generation,
      afterFailure,
      trustedBytes: this.#syncedBytes,
    });
    await this.#file.close().catch(() => {});
    this.#file = file;
    this.#generation = generation;
    this.#salt = salt;
    this.olderBytes += this.#bytes;
    this.#bytes = FILE_HEADER_BYTES;
    this.#batches = 0;
    this.#syncedBatches = 0;
    this.#syncedBytes = FILE_HEADER_BYTES;
    this.#torn = false;
  }
}
