import { join } from 'node:path';
import { ShoalError, systemReason } from '../../base/index.ts';
import type { Notices } from '../notices.ts';
import type { Stamps } from '../stamps.ts';
import type { MessageTable } from '../table.ts';
import type { AppendPoint } from './appender.ts';
import type { StoreDisk, StoreFile } from './disk.ts';
import { createStoreFile, fileName, generationOf, isLeftover, readHeader } from './files.ts';
import { FILE_HEADER_BYTES, type FileHeader, type FileKind } from './format.ts';
import { BatchReader } from './reader.ts';
import { Replay } from './replay.ts';

export interface RecoveryOptions {
  readonly disk: StoreDisk;
  readonly directory: string;
  readonly table: MessageTable;
  readonly stamps: Stamps;
  readonly notices: Notices;
  readonly progressMs: number;
}

export interface Recovered {
  readonly point: AppendPoint;
  /** Counters below these were leased before. */
  readonly leases: Float64Array;
  readonly records: number;
  /** Of the snapshot and the logs before the last. */
  readonly olderBytes: number;
  /** A log had failed: what was read may be in the system's cache only, and is to be written again. */
  readonly untrusted: boolean;
  /** What may have been lost, for people to know until the next start. */
  readonly warnings: readonly string[];
}

/** Of reading, before other work gets its turn. */
const TURN_MS = 3;

interface LogFile {
  readonly generation: number;
  readonly file: StoreFile;
  readonly size: number;
  readonly header: FileHeader;
}

/**
 * Reads a directory back: the newest snapshot, then the logs from its generation on, in order, holding two batches at a
 * time. What a crash may leave is mended with a message; everything else is an error, and nothing is changed:
 *
 * - A batch that is not whole or not sound at the end of the last log was never acknowledged as on disk, if no sound
 *   batch behind it was written at a time when more were synced (batches carry that; a power cut may well leave out a batch and
 *   keep a later one, as long as neither was synced). It is cut off with all that follows. Only of the very last batch it cannot be
 *   known whether it was synced: when it is all there but for its checksum, a warning says what that may mean.
 * - The same in a log that failed, behind the bytes its successor's header says are to be trusted.
 * - A last log without even a header: nothing was in it.
 */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #replay: Replay;
  #lastWordMs = performance.now();
  #turnMs = performance.now();
  #doneBytes = 0;
  #totalBytes = 0;
  #untrusted = false;
  readonly #warnings: string[] = [];

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#replay = new Replay(options.table, options.stamps);
  }

  /** @throws ShoalError `store-damaged`, `store-newer`, `store-unreadable` */
  async run(): Promise<Recovered> {
    try {
      return await this.#run();
    } catch (error) {
      if (error instanceof ShoalError) throw error;
      throw new ShoalError(
        'store-unreadable',
        `cannot read the store's directory ${this.#options.directory}: ${systemReason(error)}`,
        'store-dir',
      );
    }
  }

  async #run(): Promise<Recovered> {
    const { disk, directory } = this.#options;
    await disk.makeDirectory(directory);
    const names = await disk.list(directory);
    const snapshot = Math.max(0, ...generations('snapshot', names));
    const needed = generations('log', names).filter((generation) => generation >= snapshot);
    this.#checkComplete(snapshot, needed);
    const logs = await this.#open(needed, snapshot);
    try {
      const snapshotBytes = snapshot === 0 ? 0 : await this.#readSnapshot(snapshot);
      let batches = 0;
      let end = FILE_HEADER_BYTES;
      let olderBytes = snapshotBytes;
      for (let i = 0; i < logs.length; i++) {
        const log = logs[i] as LogFile;
        ({ batches, end } = await this.#readLog(log, logs[i + 1]));
        if (i < logs.length - 1) olderBytes += end;
      }
      const point = await this.#appendPoint(logs.pop(), batches, end);
      this.#replay.finish();
      await this.#tidy(names, snapshot);
      const { leases, records } = this.#replay;
      const untrusted = this.#untrusted;
      return { point, leases, records, olderBytes, untrusted, warnings: this.#warnings };
    } finally {
      for (const { file } of logs) await file.close().catch(() => {});
    }
  }

  #checkComplete(snapshot: number, needed: readonly number[]): void {
    const first = Math.max(snapshot, 1);
    if (needed.length === 0 && snapshot === 0) return;
    for (let i = 0; i < Math.max(needed.length, 1); i++) {
      if (needed[i] !== first + i)
        throw this.#damage(`${fileName('log', first + i)} is missing`, 'put it back');
    }
  }

  /** Opens the logs. A last one that was only begun is removed, unless it is the only one. */
  async #open(needed: readonly number[], snapshot: number): Promise<LogFile[]> {
    const { disk, directory } = this.#options;
    const logs: (Omit<LogFile, 'header'> & { header: FileHeader | null })[] = [];
    for (const generation of needed) {
      const path = join(directory, fileName('log', generation));
      const file = await disk.open(path);
      const size = await file.size();
      const header = await readHeader(file, path);
      logs.push({ generation, file, size, header });
      this.#totalBytes += size;
      if (header?.afterFailure) this.#untrusted = true;
    }
    for (let last = logs.at(-1); last !== undefined; last = logs.at(-1)) {
      if (last.size > FILE_HEADER_BYTES || last.generation === snapshot) break;
      if (logs.length === 1 && last.header !== null) break;
      await last.file.close();
      await disk.remove(join(directory, fileName('log', last.generation)));
      logs.pop();
    }
    return logs.map((log) => {
      const { generation, header } = log;
      if (header === null || header.kind !== 'log' || header.generation !== generation)
        throw this.#damageAt('log', generation, 0, 'its header');
      return { ...log, header };
    });
  }

  async #readSnapshot(generation: number): Promise<number> {
    const { disk, directory } = this.#options;
    const path = join(directory, fileName('snapshot', generation));
    const file = await disk.open(path);
    try {
      const size = await file.size();
      this.#totalBytes += size;
      const header = await readHeader(file, path);
      if (header === null || header.kind !== 'snapshot' || header.generation !== generation)
        throw this.#damageAt('snapshot', generation, 0, 'its header');
      const reader = new BatchReader(file, size, generation);
      const replay = this.#replay;
      let at = reader.at;
      for (;;) {
        const found = await reader.next();
        if (found === 'end') break;
        const wrong = found === 'unsound' ? 'a batch' : replay.apply(reader);
        if (wrong !== null) throw this.#damageAt('snapshot', generation, at, wrong);
        await this.#progress(reader.at - at);
        at = reader.at;
      }
      if (replay.ended !== replay.records - 1) throw this.#damageAt('snapshot', generation, at, 'its end');
      return size;
    } finally {
      await file.close();
    }
  }

  /** Applies a log; `end` is where its sound part ends. */
  async #readLog(log: LogFile, next: LogFile | undefined): Promise<{ batches: number; end: number }> {
    const reader = new BatchReader(log.file, log.size, log.generation);
    const replay = this.#replay;
    let end = reader.at;
    for (;;) {
      const found = await reader.next();
      if (found === 'end') break;
      if (found === 'unsound') {
        await this.#cut(log, next, reader, end);
        break;
      }
      const wrong = replay.apply(reader);
      if (wrong !== null) throw this.#damageAt('log', log.generation, end, wrong);
      await this.#progress(reader.at - end);
      end = reader.at;
    }
    replay.endOfFile();
    return { batches: reader.batches, end };
  }

  /** Cuts a log at `end`, where that loses nothing that was acknowledged. */
  async #cut(log: LogFile, next: LogFile | undefined, reader: BatchReader, end: number): Promise<void> {
    const failed = next?.header.afterFailure === true && end >= next.header.trustedBytes;
    const odd = !failed && next === undefined && (await reader.isAllThere());
    const torn = next === undefined && !(await reader.syncedBeyond());
    if (!failed && !torn) throw this.#damageAt('log', log.generation, end, 'a batch');
    const { directory, notices } = this.#options;
    const path = join(directory, fileName('log', log.generation));
    const cut = `cut at byte ${end}, ${log.size - end} bytes less`;
    if (odd) {
      const what = `${path} ends in a batch whose checksum is wrong: ${cut}; if the power did not fail, the disk has changed it, and messages acknowledged as on disk may have been in it`;
      notices.warn(what);
      this.#warnings.push(what);
    } else {
      const why = failed ? 'the disk had failed' : 'the process or the machine stopped';
      notices.warn(
        `${path} ends in the middle of a write (${why}): ${cut}; nothing acknowledged as on disk was in them`,
      );
    }
    await log.file.truncate(end);
    await log.file.sync();
  }

  async #appendPoint(last: LogFile | undefined, batches: number, end: number): Promise<AppendPoint> {
    const { disk, directory } = this.#options;
    if (last !== undefined) {
      // After a crash of the process alone it may be in the system's cache only.
      await last.file.sync();
      return { file: last.file, generation: last.generation, bytes: end, batches };
    }
    const generation = 1;
    const header = { kind: 'log' as const, generation, afterFailure: false, trustedBytes: 0 };
    const file = await createStoreFile(disk, directory, fileName('log', generation), header);
    return { file, generation, bytes: FILE_HEADER_BYTES, batches: 0 };
  }

  /** Removes what the snapshot stands for, and what was half made. */
  async #tidy(names: readonly string[], snapshot: number): Promise<void> {
    const { disk, directory } = this.#options;
    for (const name of names) {
      const generation = generationOf('log', name) ?? generationOf('snapshot', name);
      if ((generation !== null && generation < snapshot) || isLeftover(name))
        await disk.remove(join(directory, name)).catch(() => {});
    }
  }

  /** Tells how far it is, every few seconds, and lets the rest of the node have its turn: gossip must stay prompt. */
  async #progress(bytes: number): Promise<void> {
    this.#doneBytes += bytes;
    let now = performance.now();
    if (now - this.#turnMs > TURN_MS) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      now = performance.now();
      this.#turnMs = now;
    }
    if (now - this.#lastWordMs < this.#options.progressMs) return;
    this.#lastWordMs = now;
    const share = Math.floor((100 * this.#doneBytes) / Math.max(1, this.#totalBytes));
    this.#options.notices.info(
      `reading the store back from ${this.#options.directory}: ${share} %, ${this.#replay.records} records, ${this.#options.table.size} keys`,
    );
  }

  #damageAt(kind: FileKind, generation: number, at: number, what: string): ShoalError {
    return this.#damage(
      `${fileName(kind, generation)} is damaged at byte ${at} (${what}), where messages acknowledged as on disk may have been`,
      'restore it from a backup',
    );
  }

  #damage(what: string, then: string): ShoalError {
    return new ShoalError(
      'store-damaged',
      `store directory ${this.#options.directory}: ${what}: ${then}, or move the directory away to start with an empty store`,
      'store-dir',
    );
  }
}

function generations(kind: FileKind, names: readonly string[]): number[] {
  return names
    .map((name) => generationOf(kind, name))
    .filter((generation) => generation !== null)
    .sort((a, b) => a - b);
}
