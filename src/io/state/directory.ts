import { join } from 'node:path';
import { type NodeId, ShoalError } from '../../base/index.ts';
import { wallTime } from '../clock.ts';
import { randomNodeId, randomU32 } from '../entropy.ts';
import type { Log } from '../log.ts';
import { BootKeeper, type BootValues, writeBoot } from './boot-file.ts';
import { type Disk, realDisk, replaceFile } from './disk.ts';
import { type DiskError, openError, runtimeDiskError } from './errors.ts';
import { snapshotHeader } from './frames.ts';
import { createJournal, type Done, Journal, journalName } from './journal.ts';
import { KeyringFile } from './keyring-file.ts';
import { DirectoryLock } from './lock.ts';
import {
  IDENTITY_FILE,
  noteSetAside,
  type Recovery,
  readBoot,
  readJournals,
  readSnapshotFile,
  SNAPSHOT_FILE,
  type Soundness,
  tidy,
} from './recovery.ts';

/** Dot counters taken at once: one small write per so many changes; so many are void after a crash. */
export const LEASE_COUNTERS = 1024;
/**
 * Each start but the first passes over a random number of counters below this: a restored or copied directory has the
 * lease of another life, and what that life used is known to peers that were not met yet. Two lives that begin at one
 * lease and use n counters each collide with a chance of n in 2^31; 2^52 counters last for two million starts.
 */
const JUMP_COUNTERS = 2 ** 32;
/** Refutations within one run that need no write. */
const INCARNATION_RESERVE = 16;

/** What was there at start. Counters and incarnation are already this process's, on disk. */
export interface StateBoot {
  readonly id: NodeId;
  readonly incarnation: number;
  readonly leaseFrom: number;
  readonly leaseTo: number;
  /** Counters from here up to `leaseFrom` were never leased on this disk. */
  readonly unleasedFrom: number;
  readonly snapshot: Uint8Array | null;
  readonly journal: readonly Uint8Array[];
  /** What had to be set aside or mended, for people. */
  readonly warnings: readonly string[];
}

export interface StateOptions {
  readonly log: Log;
  readonly disk?: Disk;
  /** How much of a snapshot its reader can make sense of; default: all. */
  readonly soundness?: (snapshot: Uint8Array) => Soundness;
  readonly newId?: () => NodeId;
  /** Counters to pass over; default: random, below 2^32. */
  readonly jump?: () => number;
  readonly time?: () => string;
}

/**
 * A node's memory on disk: a write-ahead journal over atomic snapshots, as in every database, small. Files:
 * `identity.json`; `boot` and `boot.bak` (counter lease, incarnation); `keyring` (with a key only); `snapshot`, which carries a generation g and
 * contains every journal below g; `journal.g`, `journal.g+1`... A snapshot first turns the journal over to a new
 * generation, then is written beside the appends that go on, and at last the older journals are removed: whatever
 * moment the power fails, snapshot and journals of its generation and above are the whole state.
 * Invariants: what was confirmed is on disk; a counter or incarnation given out is below the lease on disk; a
 * directory nobody writes to is not written; no two lives begin at the same counter, not even of copies of one directory.
 * It knows nothing of what the bytes mean.
 */
export class StateDirectory {
  readonly path: string;
  readonly journal: Journal;
  readonly keyring: KeyringFile;
  readonly #disk: Disk;
  readonly #log: Log;
  readonly #lock: DirectoryLock;
  #boot: BootKeeper;
  /** Where counters go on when this life used none: no jump is spent. */
  #resting: { readonly leaseFrom: number; readonly leaseTo: number };
  readonly #generations: Set<number>;
  #nextGeneration: number;
  #wanted: { generation: number; bytes: Uint8Array } | null = null;
  #writing: Promise<void> | null = null;
  /** Records were appended that no snapshot contains. */
  #changed: boolean;
  snapshots = 0;
  /** The last snapshot that was to be written could not be read back, and was not. */
  unsound = false;
  readonly #soundness: (snapshot: Uint8Array) => Soundness;

  private constructor(
    path: string,
    options: {
      disk: Disk;
      log: Log;
      lock: DirectoryLock;
      boot: BootKeeper;
      journal: Journal;
      soundness: (snapshot: Uint8Array) => Soundness;
      resting: { leaseFrom: number; leaseTo: number };
    },
    generations: readonly number[],
    changed: boolean,
  ) {
    this.path = path;
    this.#disk = options.disk;
    this.#log = options.log;
    this.#lock = options.lock;
    this.#boot = options.boot;
    this.#resting = options.resting;
    this.journal = options.journal;
    this.#soundness = options.soundness;
    this.keyring = new KeyringFile(options.disk, path);
    this.#generations = new Set([...generations, this.journal.generation]);
    this.#nextGeneration = this.journal.generation + 1;
    this.#changed = changed;
  }

  /** @throws ShoalError `state-unwritable`, `state-full`, `state-locked`, `state-corrupt`, `state-newer`. */
  static async open(
    path: string,
    options: StateOptions,
  ): Promise<{ state: StateDirectory; boot: StateBoot }> {
    const disk = options.disk ?? realDisk;
    let lock: DirectoryLock | null = null;
    try {
      await disk.makeDirectory(path);
      lock = await DirectoryLock.take(path);
      return await StateDirectory.#recover(path, disk, lock, options);
    } catch (error) {
      await lock?.release();
      throw openError(error, path);
    }
  }

  static async #recover(path: string, disk: Disk, lock: DirectoryLock, options: StateOptions) {
    const time = (options.time ?? wallTime)();
    const recovery: Recovery = { disk, directory: path, log: options.log, time, warnings: [] };
    const names = await disk.list(path);
    const old = await readBoot(recovery, names);
    noteSetAside(recovery, names);
    const soundness = options.soundness ?? (() => 'whole' as const);
    const snapshot = await readSnapshotFile(recovery, soundness);
    const found = await readJournals(recovery, names, snapshot?.generation ?? 0);
    const jump = options.jump ?? (() => randomU32() % JUMP_COUNTERS);
    const boot = await startBoot(disk, path, old, options.newId ?? randomNodeId, jump);
    await tidy(disk, path, await disk.list(path));
    const file =
      found.lengthBytes === 0
        ? await createJournal(disk, path, found.generation)
        : await disk.open(join(path, journalName(found.generation)));
    const lengthBytes = found.lengthBytes === 0 ? 8 : found.lengthBytes;
    const journal = new Journal(disk, path, options.log, {
      file,
      lengthBytes,
      generation: found.generation,
    });
    const values = {
      id: boot.id,
      leaseTo: boot.leaseTo,
      incarnation: boot.incarnation + INCARNATION_RESERVE,
    };
    const keeper = new BootKeeper(disk, path, values);
    const state = new StateDirectory(
      path,
      {
        disk,
        log: options.log,
        lock,
        boot: keeper,
        journal,
        soundness,
        resting: { leaseFrom: boot.leaseFrom, leaseTo: boot.unleasedFrom },
      },
      found.generations,
      found.records.length > 0,
    );
    const result: StateBoot = {
      ...boot,
      snapshot: snapshot?.payload ?? null,
      journal: found.records,
      warnings: recovery.warnings,
    };
    return { state, boot: result };
  }

  /** Something was appended since the last snapshot. */
  get changed(): boolean {
    return this.#changed;
  }

  persist(record: Uint8Array, done: Done): void {
    this.#changed = true;
    this.journal.persist(record, done);
  }

  note(record: Uint8Array): void {
    this.#changed = true;
    this.journal.note(record);
  }

  lease(upTo: number, done: (upTo: number, error: DiskError | null) => void): void {
    this.#boot.lease(upTo, done);
  }

  /** To be told of the incarnation in use, so that the one on disk stays ahead of it. Costs nothing mostly. */
  incarnationUsed(incarnation: number): void {
    if (incarnation + INCARNATION_RESERVE / 2 > this.#boot.incarnation) {
      this.#boot.raiseIncarnation(incarnation + INCARNATION_RESERVE);
    }
  }

  /** Replaces snapshot and journal. A failure is logged and loses nothing: the journals stay until one succeeds. */
  snapshot(bytes: Uint8Array): void {
    this.unsound = this.#soundness(bytes) !== 'whole';
    if (this.unsound) {
      this.#changed = true;
      this.#log.error({ bytes: bytes.length }, 'a snapshot that cannot be read back was not written');
      return;
    }
    const generation = this.#nextGeneration++;
    this.#changed = false;
    this.journal.rotate(generation, (error) => {
      if (error !== null) {
        this.#changed = true;
        this.#log.warn({ code: error.code }, `no snapshot was written: ${error.message}`);
        return;
      }
      this.#generations.add(generation);
      this.#wanted = { generation, bytes };
      this.#writing ??= this.#writeSnapshots().finally(() => {
        this.#writing = null;
      });
    });
  }

  /** `snapshot`: the last one, if a change is to be kept in it. The lock is given up whatever fails. */
  async close(last: {
    readonly nextCounter: number;
    readonly incarnation: number;
    readonly snapshot: Uint8Array | null;
  }): Promise<void> {
    try {
      if (last.snapshot !== null) this.snapshot(last.snapshot);
      await this.journal.drain();
      await this.keyring.settled();
      while (this.#writing !== null) await this.#writing;
      const unused = last.nextCounter === this.#resting.leaseFrom;
      await this.#boot.finish(unused ? this.#resting.leaseTo : last.nextCounter, last.incarnation);
      await this.journal.close();
    } catch (error) {
      const { code, message } = runtimeDiskError(error, this.path);
      this.#log.error({ code }, `the state directory was not closed cleanly: ${message}`);
    } finally {
      await this.#lock.release();
    }
  }

  /**
   * Goes on as another node with the state in `snapshot`: another process has the old id. Until it returns nothing else
   * may be written. @throws what the disk throws; then the directory is still of the old id, or already of the new one.
   */
  async renew(snapshot: Uint8Array, newId: () => NodeId = randomNodeId): Promise<StateBoot> {
    const former = this.#boot.id;
    // A lease or an incarnation may be on its way into the files that are written anew below.
    await this.#boot.settled();
    await this.journal.drain();
    this.snapshot(snapshot);
    await this.journal.drain();
    while (this.#writing !== null) await this.#writing;
    // A new id with the old node's record in its journal would speak for a node that lives elsewhere.
    if (this.#changed)
      throw new ShoalError('disk-failed', `the state directory ${this.path} cannot be written`);
    const boot = await startBoot(this.#disk, this.path, null, newId, () => 0, former);
    this.#boot = new BootKeeper(this.#disk, this.path, {
      id: boot.id,
      leaseTo: boot.leaseTo,
      incarnation: boot.incarnation + INCARNATION_RESERVE,
    });
    this.#resting = { leaseFrom: boot.leaseFrom, leaseTo: boot.unleasedFrom };
    return { ...boot, snapshot, journal: [], warnings: [] };
  }

  /** Lets go without writing: after an error whose state is not to be trusted. */
  async abandon(): Promise<void> {
    await this.journal.close().catch(() => {});
    await this.#lock.release();
  }

  async #writeSnapshots(): Promise<void> {
    for (let next = this.#wanted; next !== null; next = this.#wanted) {
      this.#wanted = null;
      try {
        const header = snapshotHeader(next.generation, next.bytes);
        await replaceFile(this.#disk, join(this.path, SNAPSHOT_FILE), [header, next.bytes]);
        await this.#disk.syncDirectory(this.path);
      } catch (error) {
        this.#changed = true;
        const { code, message } = runtimeDiskError(error, this.path);
        this.#log.warn({ code }, `no snapshot was written: ${message}`);
        continue;
      }
      this.snapshots++;
      await this.#removeJournalsBelow(next.generation);
    }
  }

  async #removeJournalsBelow(generation: number): Promise<void> {
    for (const old of this.#generations) {
      if (old >= generation) continue;
      this.#generations.delete(old);
      // One that stays is skipped at the next start and removed by the next snapshot after it.
      await this.#disk.remove(join(this.path, journalName(old))).catch(() => {});
    }
  }
}

/** Takes the next incarnation and block of counters, on disk, and makes the identity where there is none. */
async function startBoot(
  disk: Disk,
  path: string,
  old: BootValues | null,
  newId: () => NodeId,
  jump: () => number,
  former: NodeId | null = null,
) {
  const id = old?.id ?? newId();
  const incarnation = (old?.incarnation ?? 0) + 1;
  const unleasedFrom = Math.max(1, old?.leaseTo ?? 1);
  const leaseFrom = unleasedFrom + (old === null ? 0 : jump());
  const leaseTo = leaseFrom + LEASE_COUNTERS;
  // Boot first: an identity without it would be refused, while boot alone brings the identity back.
  await writeBoot(disk, path, {
    id,
    leaseTo,
    incarnation: incarnation + INCARNATION_RESERVE,
    former: former ?? old?.former ?? null,
  });
  const identity = `${JSON.stringify({ id })}\n`;
  const present = await disk.read(join(path, IDENTITY_FILE));
  if (present === null || Buffer.from(present).toString('utf8') !== identity) {
    await replaceFile(disk, join(path, IDENTITY_FILE), [Buffer.from(identity)]);
    await disk.syncDirectory(path);
  }
  return { id, incarnation, leaseFrom, leaseTo, unleasedFrom };
}
