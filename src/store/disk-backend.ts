import { ShoalError } from '../base/index.ts';
import type { OnDisk } from './backend.ts';
import { diskError } from './log/files.ts';
import { Leases } from './log/leases.ts';
import type { Recorder } from './log/recorder.ts';
import { Waiters } from './log/waiters.ts';
import type { Notices } from './notices.ts';
import type { Stamps } from './stamps.ts';

export interface DiskOptions {
  readonly directory: string;
  /** Number of this node among the actors. */
  readonly actor: number;
  readonly notices: Notices;
  /** Most bytes of files; 0: no bound but the disk's. */
  readonly maxDiskBytes: number;
}

/** Batches kept to be filled again. */
export const POOL_BATCHES = 4;
export const CLOSED = new ShoalError(
  'store-closed',
  'the node was stopped before it was known to be on disk',
);

/** What the back ends with a disk have in common: who waits for it, what is refused while it takes nothing, and what is said of that. */
export abstract class DiskBackend {
  readonly durable = true;
  abstract readonly sink: Recorder;
  refusal: string | null = null;
  blocked: string | null = null;
  congested = false;
  onRoom: (() => void) | null = null;
  onDiskSequence = 0;
  protected readonly options: DiskOptions;
  protected readonly leases: Leases;
  protected readonly waiters = new Waiters();
  /** The last error of the disk, while it lasts. */
  protected error: ShoalError | null = null;
  /** The disk has no room. */
  protected noRoom = false;
  protected overBudget = false;
  /** The disk has no room for the next snapshot (log only). */
  protected cramped = false;

  constructor(stamps: Stamps, options: DiskOptions) {
    this.options = options;
    this.leases = new Leases(stamps, (upTo) => {
      this.sink.lease(options.actor, upTo);
      return this.sink.sequence;
    });
  }

  get sequence(): number {
    return this.sink.sequence;
  }

  whenOnDisk(sequence: number, done: OnDisk): void {
    if (sequence <= this.onDiskSequence) done(null);
    else if (this.error !== null) done(this.error);
    else this.waiters.add(sequence, done);
  }

  /** Changes up to this one are on the medium. */
  protected reached(sequence: number): void {
    this.onDiskSequence = sequence;
    this.waiters.reached(sequence);
    if (this.blocked === null) return;
    // Nobody's turn need come before a write may: a lease that was waited for is there.
    this.leases.check(this.sink.sequence, sequence);
    this.judge();
  }

  /** What changes with every turn. */
  protected abstract judge(): void;

  /** `isStuck`: no change may even wait. */
  protected refuse(isStuck: boolean): void {
    this.blocked =
      isStuck || this.leases.usedUp
        ? 'MISCONF the disk refuses the messages, so that nothing can be changed: see the log of the node'
        : null;
    this.refusal = this.blocked ?? this.#refusalNow();
  }

  protected report(cause: unknown): ShoalError {
    const error = diskError(cause, this.options.directory);
    this.error = error;
    this.options.notices.warn(error.message);
    this.waiters.fail(error);
    return error;
  }

  protected uncongest(): void {
    this.congested = false;
    this.onRoom?.();
  }

  /** What the disk says, as long as it does. */
  protected get diskWarnings(): string[] {
    const warnings: string[] = [];
    if (this.error !== null) warnings.push(this.error.message);
    if (this.cramped && this.error === null)
      warnings.push(
        `no space left in ${this.options.directory} for the store's next snapshot: free some, or delete messages`,
      );
    return warnings;
  }

  #refusalNow(): string | null {
    if (this.noRoom || this.cramped)
      return 'ENOSPC no space left for messages: free some, or delete messages';
    if (this.overBudget)
      return 'ENOSPC the disk budget of the store (store_disk) is used up: delete messages, or raise it';
    return null;
  }
}
