import { join } from 'node:path';
import { ShoalError, systemReason } from '../../base/index.ts';
import type { Notices } from '../notices.ts';
import type { Stamps } from '../stamps.ts';
import type { MessageTable } from '../table.ts';
import type { AppendPoint } from './appender.ts';
import { Damages } from './damages.ts';
import type { StoreDisk, StoreFile } from './disk.ts';
import { createStoreFile, fileName, generationOf, isLeftover, keptName, readHeader } from './files.ts';
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
  /** Of damaged files what can be read is taken, rather than refusing them. */
  readonly salvage: boolean;
}

export interface Recovered {
  readonly point: AppendPoint;
  readonly records: number;
  /** Of the snapshot and the logs before the last. */
  readonly olderBytes: number;
  /** A log had failed, or was damaged: what was read may be in the system's cache only, and is to be written again. */
  readonly untrusted: boolean;
  /** Files to be kept, as evidence, when others have taken their place. */
  readonly damaged: readonly string[];
  /** What may have been lost, for people to know until the next start. */
  readonly warnings: readonly string[];
}

/** Of reading, before other work gets its turn. */
const TURN_MS = 3;
/** Added to all counters when leases may be lost: more than any lost file can have leased. */
const LEAP = 2 ** 40;

interface OpenFile {
  readonly name: string;
  readonly generation: number;
  readonly file: StoreFile;
  readonly size: number;
  /** Null: damaged. */
  readonly header: FileHeader | null;
}

/**
 * Reads a directory back: the newest snapshot, then the logs from its generation on, in order, holding two batches at a
 * time. What a crash may leave is mended with a message:
 *
 * - A batch that is not whole or not sound at the end of the last log was never acknowledged as on disk, if no sound
 *   batch behind it was written at a time when more were synced (batches carry that; a power cut may well leave out a batch and
 *   keep a later one, as long as neither was synced). It is cut off with all that follows. Only of the very last batch it cannot be
 *   known whether it was synced: when it is all there but for its checksum, a warning says what that may mean.
 * - The same in a log that failed, behind the bytes its successor's header says are to be trusted.
 * - A last log without even a header: nothing was in it.
 *
 * Everything else is damage. All files are read to the end whatever is met, so that it can be said how much is lost; then
 * that is an error and nothing is changed, or, under `salvage`, what could be read is the store: it goes on in a new log, is
 * written again as a snapshot at once, and the damaged files are kept under another name. A key may then be as it was
 * before its last change, or a removed one be back; nothing that was not written appears.
 */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #replay: Replay;
  #lastWordMs = performance.now();
  #turnMs = performance.now();
  #doneBytes = 0;
  #totalBytes = 0;
  #untrusted = false;
  readonly #damages = new Damages();
  /** Files read, to be closed but for the one that is written on. */
  readonly #files: OpenFile[] = [];
  /** What a crash left, to be cut off. */
  readonly #cuts: { readonly log: OpenFile; readonly end: number }[] = [];
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
    this.#noteMissing(snapshot, needed);
    let kept: StoreFile | null = null;
    try {
      const logs = await this.#openLogs(needed, snapshot);
      let olderBytes = snapshot === 0 ? 0 : await this.#readSnapshot(snapshot);
      let batches = 0;
      let end = FILE_HEADER_BYTES;
      for (const [i, log] of logs.entries()) {
        if (i > 0) olderBytes += end;
        ({ batches, end } = await this.#readLog(log, logs[i + 1]));
      }
      await this.#decide();
      const point = await this.#appendPoint(
        logs.at(-1),
        Math.max(snapshot, ...logs.map(({ generation }) => generation)),
        batches,
        end,
      );
      kept = point.file;
      if (this.#damages.any) olderBytes += end;
      this.#replay.finish(this.#damages.any ? LEAP : 0);
      await this.#tidy(names, snapshot);
      return {
        point,
        records: this.#replay.records,
        olderBytes,
        untrusted: this.#untrusted,
        damaged: this.#damages.files,
        warnings: this.#warnings,
      };
    } finally {
      for (const { file } of this.#files) if (file !== kept) await file.close().catch(() => {});
    }
  }

  #noteMissing(snapshot: number, needed: readonly number[]): void {
    if (needed.length === 0 && snapshot === 0) return;
    const last = needed.at(-1) ?? snapshot;
    for (let generation = Math.max(snapshot, 1); generation <= last; generation++)
      if (!needed.includes(generation)) this.#damages.missing(fileName('log', generation));
  }

  /** Opens the logs. A last one that was only begun is removed, unless it is the only one. */
  async #openLogs(needed: readonly number[], snapshot: number): Promise<OpenFile[]> {
    const { disk, directory } = this.#options;
    const logs: OpenFile[] = [];
    for (const generation of needed) logs.push(await this.#openFile('log', generation));
    for (let last = logs.at(-1); last !== undefined; last = logs.at(-1)) {
      if (last.size > FILE_HEADER_BYTES || last.generation === snapshot) break;
      if (last.header?.afterFailure === true) break;
      if (logs.length === 1 && last.header !== null) break;
      await disk.remove(join(directory, last.name));
      logs.pop();
    }
    for (const { name, header, size } of logs) {
      if (header === null)
        this.#damages.found(name, 0, 'its header', Math.min(size, FILE_HEADER_BYTES), size);
      else if (header.afterFailure) this.#untrusted = true;
    }
    return logs;
  }

  async #openFile(kind: FileKind, generation: number): Promise<OpenFile> {
    const { disk, directory } = this.#options;
    const name = fileName(kind, generation);
    const path = join(directory, name);
    const file = await disk.open(path);
    const size = await file.size();
    this.#totalBytes += size;
    const opened: OpenFile = { name, generation, file, size, header: null };
    this.#files.push(opened);
    const header = await readHeader(file, path);
    const isRight = header?.kind === kind && header.generation === generation;
    return isRight ? { ...opened, header } : opened;
  }

  async #readSnapshot(generation: number): Promise<number> {
    const snapshot = await this.#openFile('snapshot', generation);
    const { name, size, header } = snapshot;
    if (header === null) this.#damages.found(name, 0, 'its header', Math.min(size, FILE_HEADER_BYTES), size);
    await this.#apply(snapshot, async () => false);
    const { ended, records } = this.#replay;
    if (ended < 0 || (ended !== records - 1 && !this.#damages.has(name)))
      this.#damages.found(name, size, 'its end', 0, size);
    return size;
  }

  /** Applies a log; `end` is where its sound part ends. */
  #readLog(log: OpenFile, next: OpenFile | undefined): Promise<{ batches: number; end: number }> {
    return this.#apply(log, (reader, end) => this.#isTorn(log, next, reader, end));
  }

  /** Applies what can be read of a file; `isTorn` says whether what is unsound ends it, as a crash may. */
  async #apply(
    { name, file, size, generation, header }: OpenFile,
    isTorn: (reader: BatchReader, end: number) => Promise<boolean>,
  ): Promise<{ batches: number; end: number }> {
    const reader = new BatchReader(file, size, generation, header?.salt ?? null);
    const replay = this.#replay;
    let end = reader.at;
    for (;;) {
      const found = await reader.next();
      if (found === 'end') break;
      if (found === 'unsound' && (await isTorn(reader, end))) break;
      if (found === 'unsound') {
        const batches = await reader.skip();
        const what = passedOver(batches);
        this.#damages.found(name, end, what, reader.at - end, size);
        replay.interrupt();
      } else {
        const wrong = replay.apply(reader);
        if (wrong !== null) this.#damages.found(name, end, wrong, reader.at - end, size);
      }
      await this.#progress(reader.at - end);
      end = reader.at;
    }
    replay.interrupt();
    return { batches: reader.batches, end };
  }

  /** Whether a log may be cut at `end`, because that loses nothing that was acknowledged. */
  async #isTorn(
    log: OpenFile,
    next: OpenFile | undefined,
    reader: BatchReader,
    end: number,
  ): Promise<boolean> {
    const after = next?.header ?? null;
    const failed = after?.afterFailure === true && end >= after.trustedBytes;
    if (!failed && (next !== undefined || log.header === null || (await reader.syncedBeyond()))) return false;
    const odd = !failed && (await reader.isAllThere());
    const { directory, notices } = this.#options;
    const path = join(directory, log.name);
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
    this.#cuts.push({ log, end });
    return true;
  }

  /** All is read: from here on files are changed. */
  async #decide(): Promise<void> {
    const damages = this.#damages;
    const { directory, notices, salvage } = this.#options;
    if (damages.any && !salvage) throw damages.refusal(directory, this.#replay.records);
    if (damages.any) {
      this.#untrusted = true;
      const names = damages.files.map(keptName).join(', ');
      const kept = names === '' ? '' : `; the damaged files are kept as ${names} until somebody removes them`;
      const what = `store directory ${directory} was salvaged: ${damages.describe()}; messages acknowledged as on disk may be lost${kept}`;
      notices.warn(what);
      this.#warnings.push(what);
    }
    const { crowdedOut } = this.#replay;
    if (crowdedOut > 0) {
      const what = `of the messages in ${directory} ${crowdedOut} were left out, as too many keys of one slot have hashes that are alike: somebody makes such keys`;
      notices.warn(what);
      this.#warnings.push(what);
    }
    for (const { log, end } of this.#cuts) {
      await log.file.truncate(end);
      await log.file.sync();
    }
  }

  async #appendPoint(
    last: OpenFile | undefined,
    newest: number,
    batches: number,
    end: number,
  ): Promise<AppendPoint> {
    const { disk, directory } = this.#options;
    if (last !== undefined && last.header !== null && !this.#damages.any) {
      // After a crash of the process alone it may be in the system's cache only.
      await last.file.sync();
      const { file, generation, header } = last;
      return { file, generation, salt: header.salt, bytes: end, batches };
    }
    const generation = newest + 1;
    const header = { kind: 'log' as const, generation, afterFailure: false, trustedBytes: 0 };
    const { file, salt } = await createStoreFile(disk, directory, fileName('log', generation), header);
    return { file, generation, salt, bytes: FILE_HEADER_BYTES, batches: 0 };
  }

  /** Removes what the snapshot stands for, and what was half made. */
  async #tidy(names: readonly string[], snapshot: number): Promise<void> {
    const { disk, directory } = this.#options;
    if (this.#damages.any) return;
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
}

function generations(kind: FileKind, names: readonly string[]): number[] {
  return names
    .map((name) => generationOf(kind, name))
    .filter((generation) => generation !== null)
    .sort((a, b) => a - b);
}

function passedOver(batches: number): string {
  if (batches < 0) return 'all from there on';
  if (batches === 0) return 'bytes of no batch';
  return batches === 1 ? 'a batch' : `${batches} batches`;
}
