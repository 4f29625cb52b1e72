import { join } from 'node:path';
import { assert, LIMITS } from '../../base/index.ts';
import type { Log } from '../log.ts';
import type { Disk, DiskFile } from './disk.ts';
import { type DiskError, runtimeDiskError } from './errors.ts';
import { JOURNAL_MAGIC, RECORD_HEADER_BYTES, writeFrame } from './frames.ts';

export type Done = (error: DiskError | null) => void;

/** What waits to be written: a record, or the order to go on in a new file. */
type Item =
  | { readonly record: Uint8Array; readonly done: Done | null }
  | { readonly rotate: number; readonly done: Done };

/** Notes are written this late at most, when no persisted record takes them along. */
const NOTE_DELAY_MS = 1000;

export function journalName(generation: number): string {
  return `journal.${generation}`;
}

export function journalGeneration(name: string): number | null {
  const match = /^journal\.(0|[1-9][0-9]{0,9})$/.exec(name);
  return match === null ? null : Number(match[1]);
}

/**
 * The append side of the journal. One batch is under way at a time; what is appended meanwhile (or within one turn of
 * the event loop) is written and synced together. Invariant: after a failed batch the file ends at the last good
 * record again, before anything else is written.
 */
export class Journal {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #log: Log;
  #file: DiskFile;
  #lengthBytes: number;
  #generation: number;
  /** A failed batch may have left bytes behind `#lengthBytes`. */
  #torn = false;
  #queue: Item[] = [];
  #queuedNoteBytes = 0;
  #running: Promise<void> | null = null;
  #noteTimer: NodeJS.Timeout | null = null;
  #failing = false;
  /** The last batch failed: its notes wait for the timer, not for the next turn. */
  #backOff = false;
  syncs = 0;
  writtenBytes = 0;
  records = 0;
  droppedNotes = 0;

  constructor(
    disk: Disk,
    directory: string,
    log: Log,
    at: { file: DiskFile; lengthBytes: number; generation: number },
  ) {
    this.#disk = disk;
    this.#directory = directory;
    this.#log = log;
    this.#file = at.file;
    this.#lengthBytes = at.lengthBytes;
    this.#generation = at.generation;
  }

  get generation(): number {
    return this.#generation;
  }

  /** True while the disk refuses. */
  get failing(): boolean {
    return this.#failing;
  }

  persist(record: Uint8Array, done: Done): void {
    assert(record.length <= LIMITS.journalRecordBytes, 'journal record within limits');
    this.#queue.push({ record, done });
    this.#start();
  }

  note(record: Uint8Array): void {
    assert(record.length <= LIMITS.journalRecordBytes, 'journal record within limits');
    this.#queue.push({ record, done: null });
    this.#queuedNoteBytes += record.length;
    if (this.#queuedNoteBytes >= LIMITS.journalBatchBytes && !this.#backOff) this.#start();
    else this.#armNotes();
  }

  /** Records appended from now on go to the file of `generation`, if that can be made. */
  rotate(generation: number, done: Done): void {
    this.#queue.push({ rotate: generation, done });
    this.#start();
  }

  /** Writes and syncs everything that waits. */
  async drain(): Promise<void> {
    if (this.#noteTimer !== null) clearTimeout(this.#noteTimer);
    this.#noteTimer = null;
    await this.#idle();
    if (this.#queue.length === 0) return;
    this.#queue.push({ record: NOTHING, done: () => {} });
    this.#start();
    await this.#idle();
  }

  async close(): Promise<void> {
    await this.drain();
    if (this.#noteTimer !== null) clearTimeout(this.#noteTimer);
    await this.#file.close();
  }

  async #idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  #armNotes(): void {
    if (this.#noteTimer !== null) return;
    this.#noteTimer = setTimeout(() => {
      this.#noteTimer = null;
      this.#backOff = false;
      this.#start();
    }, NOTE_DELAY_MS);
    this.#noteTimer.unref();
  }

  #start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
      if (this.#queue.some((item) => 'rotate' in item || item.done !== null)) this.#start();
      else if (this.#queue.length > 0) this.#armNotes();
    });
  }

  async #run(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    // Whatever waits goes out as long as something was asked for; notes alone that came meanwhile wait for their timer.
    do {
      const first = this.#queue[0];
      if (first === undefined) return;
      if ('rotate' in first) {
        this.#queue.shift();
        await this.#rotate(first.rotate, first.done);
      } else {
        await this.#writeBatch(this.#takeBatch());
      }
    } while (this.#queue.some((item) => 'rotate' in item || item.done !== null));
  }

  #takeBatch(): { record: Uint8Array; done: Done | null }[] {
    const batch: { record: Uint8Array; done: Done | null }[] = [];
    let bytes = 0;
    for (const item of this.#queue) {
      if ('rotate' in item || bytes >= LIMITS.journalBatchBytes) break;
      batch.push(item);
      bytes += item.record.length;
      if (item.done === null) this.#queuedNoteBytes -= item.record.length;
    }
    this.#queue.splice(0, batch.length);
    return batch;
  }

  async #writeBatch(batch: readonly { record: Uint8Array; done: Done | null }[]): Promise<void> {
    let size = 0;
    for (const { record } of batch) if (record !== NOTHING) size += RECORD_HEADER_BYTES + record.length;
    const bytes = Buffer.allocUnsafe(size);
    let at = 0;
    for (const { record } of batch) if (record !== NOTHING) at = writeFrame(bytes, at, record);
    const mustSync = batch.some((item) => item.done !== null);
    try {
      await this.#mend();
      // From here until it succeeded, what is behind the good length is not to be trusted.
      this.#torn = true;
      if (size > 0) await this.#file.write(bytes, this.#lengthBytes);
      if (mustSync) await this.#file.sync();
      this.#torn = false;
    } catch (cause) {
      await this.#refuse(batch, runtimeDiskError(cause, this.#directory));
      return;
    }
    this.#lengthBytes += size;
    this.writtenBytes += size;
    this.records += batch.length;
    if (mustSync) this.syncs++;
    if (this.#failing) this.#log.info({ path: this.#directory }, 'the state directory can be written again');
    this.#failing = false;
    this.#backOff = false;
    for (const { done } of batch) done?.(null);
  }

  async #mend(): Promise<void> {
    if (!this.#torn) return;
    await this.#file.truncate(this.#lengthBytes);
    this.#torn = false;
  }

  async #refuse(
    batch: readonly { record: Uint8Array; done: Done | null }[],
    error: DiskError,
  ): Promise<void> {
    await this.#mend().catch(() => {}); // tried again before the next write
    if (!this.#failing) this.#log.error({ code: error.code, path: this.#directory }, error.message);
    this.#failing = true;
    this.#backOff = true;
    const notes: Item[] = [];
    for (const item of batch) {
      if (item.done !== null) continue;
      if (this.#queuedNoteBytes + item.record.length > LIMITS.journalRetryBytes) {
        this.droppedNotes++;
      } else {
        this.#queuedNoteBytes += item.record.length;
        notes.push(item);
      }
    }
    // To the end: in front of a rotation they would be tried for ever. Order among records does not matter to a join.
    this.#queue.push(...notes);
    for (const { done } of batch) done?.(error);
  }

  async #rotate(generation: number, done: Done): Promise<void> {
    let next: DiskFile | null = null;
    try {
      next = await createJournal(this.#disk, this.#directory, generation);
      await this.#mend();
      // Notes in it may be in the page cache only, and must be there if the snapshot that replaces it fails.
      await this.#file.sync();
    } catch (cause) {
      await next?.close().catch(() => {});
      done(runtimeDiskError(cause, this.#directory));
      return;
    }
    await this.#file.close().catch(() => {});
    this.#file = next;
    this.#generation = generation;
    this.#lengthBytes = JOURNAL_MAGIC.length;
    this.#torn = false;
    done(null);
  }
}

/** Stands for "sync, there is no record". */
const NOTHING = new Uint8Array(0);

export async function createJournal(disk: Disk, directory: string, generation: number): Promise<DiskFile> {
  const file = await disk.create(join(directory, journalName(generation)));
  try {
    await file.write(JOURNAL_MAGIC, 0);
    await file.sync();
    await disk.syncDirectory(directory);
  } catch (error) {
    await file.close().catch(() => {});
    await disk.remove(join(directory, journalName(generation))).catch(() => {});
    throw error;
  }
  return file;
}
