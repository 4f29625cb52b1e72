import { join } from 'node:path';
import { SLOTS } from '../slot-index.ts';
import type { MessageTable } from '../table.ts';
import { type Batch, BatchPool } from './batch.ts';
import type { StoreDisk, StoreFile } from './disk.ts';
import { ExternalChange } from './external.ts';
import { createStoreFile, fileName } from './files.ts';
import { FILE_HEADER_BYTES, frameBatch, PART } from './format.ts';
import { Recorder, type Tape } from './recorder.ts';

/** Of the walk, before other work gets its turn. */
const STEP_MS = 1;
const STEP_BYTES = 256 * 1024;
/** Records found together, and how often so many are between two glances at the clock. */
const TOGETHER = 32;
const GLANCE = 4;
/** Synced as it grows: a sync of all at the end would hold up the log's own. */
const SYNC_BYTES = 16 << 20;

export interface SnapshotSource {
  /** Resolves to whether every change made so far is in the log, and on the medium. */
  settle(): Promise<boolean>;
  readonly table: MessageTable;
  readonly actor: number;
  readonly leasedTo: Float64Array;
}

/**
 * Writes what the table holds as `snapshot.N`, slot by slot, a bounded step at a time, while the table goes on changing.
 *
 * Invariant: begun after every change goes to log N or a later one. Let T be the moment of that turn. A record met in the walk is either as it was at
 * T, or changed since; then its last change, a removal too, is in a log from N on, and replay, which reads the snapshot first and
 * then the logs in order, ends with it. A record that was there at T and is not met was removed or replaced since: likewise. So
 * snapshot and logs together give the exact table, though no moment ever looked like the snapshot. It gets its name, and so
 * counts, only when the log is on the medium up to the end of the walk (`settle`): else a crash could leave of two changes
 * the later one, met in the walk, and not the earlier. What expired is left out: nobody can see it.
 */
export class SnapshotWriter implements Tape {
  readonly #disk: StoreDisk;
  readonly #directory: string;
  readonly #generation: number;
  readonly #source: SnapshotSource;
  readonly #pool = new BatchPool(2);
  readonly #recorder: Recorder;
  readonly #queue: (Batch | ExternalChange)[] = [];
  readonly #refs: number[] = [];
  #slot = 0;
  #hash = 0;
  #place = 0;
  #batches = 0;
  #salt = 0;
  #syncedBytes = 0;
  #given = false;
  /** Length of the file so far. */
  bytes = 0;
  /** Longest step, in milliseconds. */
  longestStepMs = 0;
  cancelled = false;

  constructor(disk: StoreDisk, directory: string, generation: number, source: SnapshotSource) {
    this.#disk = disk;
    this.#directory = directory;
    this.#generation = generation;
    this.#source = source;
    this.#recorder = new Recorder(this, this.#pool);
  }

  batch(batch: Batch): void {
    this.#queue.push(batch);
  }

  external(change: ExternalChange): void {
    this.#queue.push(change);
  }

  /** Resolves to false when it was cancelled; the half-written file is gone then, and when it fails. */
  async run(): Promise<boolean> {
    const name = fileName('snapshot', this.#generation);
    const temporary = `${name}.tmp`;
    const header = {
      kind: 'snapshot' as const,
      generation: this.#generation,
      afterFailure: false,
      trustedBytes: 0,
    };
    const { file, salt } = await createStoreFile(this.#disk, this.#directory, temporary, header);
    this.#salt = salt;
    try {
      this.bytes = FILE_HEADER_BYTES;
      this.#recorder.lease(this.#source.actor, this.#source.leasedTo);
      while (!this.cancelled && !this.#given) {
        this.#step();
        await this.#write(file);
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      if (!this.cancelled) await file.sync();
      if (!this.cancelled && !(await this.#source.settle())) this.cancelled = true;
    } catch (error) {
      await this.#discard(file, temporary);
      throw error;
    }
    if (this.cancelled) {
      await this.#discard(file, temporary);
      return false;
    }
    await file.close();
    await this.#disk.rename(join(this.#directory, temporary), join(this.#directory, name));
    await this.#disk.syncDirectory(this.#directory);
    return true;
  }

  async #discard(file: StoreFile, name: string): Promise<void> {
    await file.close().catch(() => {});
    await this.#disk.remove(join(this.#directory, name)).catch(() => {});
  }

  #step(): void {
    const begin = performance.now();
    const { table } = this.#source;
    const recorder = this.#recorder;
    const refs = this.#refs;
    let copied = 0;
    let looked = 0;
    while (this.#slot < SLOTS && copied < STEP_BYTES && this.#queue.length === 0) {
      if (++looked % GLANCE === 0 && performance.now() - begin > STEP_MS) break;
      if (table.countInSlot(this.#slot) === 0) {
        this.#nextSlot();
        continue;
      }
      if (refs.length > 0) refs.length = 0;
      table.scan(this.#slot, this.#hash, this.#place, refs, TOGETHER);
      for (const ref of refs) {
        table.show(ref);
        if (table.isDue) continue;
        const before = recorder.waitingBytes;
        table.tell(recorder);
        copied += Math.abs(recorder.waitingBytes - before);
      }
      this.#hash = table.nextHash;
      this.#place = table.nextPlace;
      if (this.#hash >= 2 ** 32) this.#nextSlot();
    }
    if (this.#slot === SLOTS) {
      recorder.finish();
      this.#given = true;
    }
    this.longestStepMs = Math.max(this.longestStepMs, performance.now() - begin);
  }

  #nextSlot(): void {
    this.#slot++;
    this.#hash = 0;
    this.#place = 0;
  }

  async #write(file: StoreFile): Promise<void> {
    for (let item = this.#queue.shift(); item !== undefined; item = this.#queue.shift()) {
      if (item instanceof ExternalChange) await this.#writeExternal(file, item);
      else {
        await this.#writeBatch(file, item, item.rawBytes, 0, item.records);
        this.#pool.give(item);
      }
      if (this.bytes - this.#syncedBytes < SYNC_BYTES) continue;
      await file.sync();
      this.#syncedBytes = this.bytes;
    }
  }

  async #writeExternal(file: StoreFile, change: ExternalChange): Promise<void> {
    const batch = this.#pool.take();
    while (change.written < change.totalBytes && !this.cancelled) {
      const stored = change.fill(batch.words, batch.bytes);
      const last = change.written === change.totalBytes;
      await this.#writeBatch(file, batch, stored, PART, last ? 1 : 0);
    }
    this.#pool.give(batch);
  }

  async #writeBatch(
    file: StoreFile,
    { words, bytes }: Batch,
    stored: number,
    flags: number,
    records: number,
  ): Promise<void> {
    const number = this.#batches++;
    const marks = { flags, records, number, generation: this.#generation, synced: 0, salt: this.#salt };
    const framed = frameBatch(words, bytes, stored, stored, marks);
    await file.write(framed, this.bytes);
    this.bytes += framed.length;
  }
}
