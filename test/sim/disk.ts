import type { NodeId, Rng } from '../../src/base/index.ts';
import { mix32, nodeIdFromBytes } from '../../src/base/index.ts';
import type { Boot } from '../../src/node/machine.ts';
import type { EventHeap } from './events.ts';

export const LEASE_BLOCK = 1024;
/** A record given to `note` is on disk within this. */
const NOTE_SYNC_MS = 2000;

type Write =
  | { readonly kind: 'record'; readonly bytes: Uint8Array }
  | { readonly kind: 'snapshot'; readonly bytes: Uint8Array }
  | { readonly kind: 'lease'; readonly upTo: number };

/** What is durable at one moment: a backup, or the image of a card. */
export interface DiskCopy {
  readonly id: NodeId | null;
  readonly incarnation: number;
  readonly leaseTo: number;
  readonly snapshot: Uint8Array | null;
  readonly journal: readonly Uint8Array[];
}

type DiskError = { code: string; message: string } | null;

const FULL: DiskError = { code: 'disk-full', message: 'the state directory is full: free some space' };

/**
 * One state directory. Writes wait in a queue until a sync makes all that were there when it began durable; a crash
 * keeps what is durable and, of the rest, a random prefix (the file system may have written it out by itself).
 */
export class SimDisk {
  readonly #events: EventHeap;
  readonly #rng: Rng;
  readonly #syncMs: number;
  #id: NodeId | null = null;
  #incarnation = 0;
  #leaseTo = 1;
  #resting = { leaseFrom: 1, leaseTo: 1 };
  #snapshot: Uint8Array | null = null;
  #journal: Uint8Array[] = [];
  #waiting: Write[] = [];
  #callbacks: (() => void)[] = [];
  #syncing = false;
  #noteTimer = false;
  /** Raised by crash and wipe, so that syncs under way come to nothing. */
  #epoch = 0;
  #full = false;
  wasFull = false;
  #drawn: Boot | null = null;

  constructor(events: EventHeap, rng: Rng, syncMs: number) {
    this.#events = events;
    this.#rng = rng;
    this.#syncMs = syncMs;
  }

  /** What a starting process finds; raises the incarnation and leases a block first, as the driver does. */
  boot(): Boot {
    const boot = this.#drawn ?? this.#draw();
    this.#drawn = null;
    return boot;
  }

  /** What `boot` will give next. */
  nextBoot(): Boot {
    this.#drawn ??= this.#draw();
    return this.#drawn;
  }

  #draw(): Boot {
    const id = this.identity();
    const bootNonce = this.#rng.u32();
    // As io's state directory does: two lives of one lease begin at counters of their own.
    const jump = this.#incarnation === 0 ? 0 : mix32(bootNonce ^ 0x6a756d70);
    this.#incarnation++;
    const unleasedFrom = this.#leaseTo;
    const leaseFrom = unleasedFrom + jump;
    this.#leaseTo = leaseFrom + LEASE_BLOCK;
    this.#resting = { leaseFrom, leaseTo: unleasedFrom };
    return {
      id,
      incarnation: this.#incarnation,
      bootNonce,
      leaseFrom,
      leaseTo: this.#leaseTo,
      unleasedFrom,
      snapshot: this.#snapshot,
      journal: this.#journal.slice(),
    };
  }

  /** The id of whoever starts here next, drawn now when there is none yet. */
  identity(): NodeId {
    if (this.#id === null) this.#id = this.#randomId();
    return this.#id;
  }

  /** As if an earlier process (the first) had left this journal behind. */
  preset(journal: readonly Uint8Array[]): void {
    this.identity();
    this.#incarnation = 1;
    this.#journal = [...journal];
  }

  get full(): boolean {
    return this.#full;
  }

  set full(full: boolean) {
    this.#full = full;
    if (full) this.wasFull = true;
  }

  get journalRecords(): number {
    return this.#journal.length;
  }

  persist(record: Uint8Array, done: (error: DiskError) => void): void {
    if (this.#full) {
      this.#later(done, FULL);
      return;
    }
    this.#waiting.push({ kind: 'record', bytes: record });
    this.#whenDurable(done);
  }

  note(record: Uint8Array): void {
    if (this.#full) return;
    this.#waiting.push({ kind: 'record', bytes: record });
    this.#syncSoon();
  }

  lease(upTo: number, done: (error: DiskError) => void): void {
    if (this.#full) {
      this.#later(done, FULL);
      return;
    }
    this.#waiting.push({ kind: 'lease', upTo });
    this.#whenDurable(done);
  }

  snapshot(bytes: Uint8Array): void {
    if (this.#full) return;
    this.#waiting.push({ kind: 'snapshot', bytes });
    this.#syncSoon();
  }

  /** The process is gone, by kill or by power. */
  crash(): void {
    const kept = this.#rng.below(this.#waiting.length + 1);
    this.#apply(kept);
    this.#abandon();
  }

  /** A clean stop writes everything out and gives back the counters it did not use. */
  stop(nextCounter: number, snapshot: Uint8Array): void {
    this.#apply(this.#waiting.length);
    this.#abandon();
    if (this.#full) return;
    this.#snapshot = snapshot;
    this.#journal = [];
    this.#leaseTo = nextCounter === this.#resting.leaseFrom ? this.#resting.leaseTo : nextCounter;
  }

  /** The process goes on as another node. */
  renew(snapshot: Uint8Array): void {
    this.restore({ id: null, incarnation: 0, leaseTo: 1, snapshot, journal: [] });
  }

  copy(): DiskCopy {
    return {
      id: this.#id,
      incarnation: this.#incarnation,
      leaseTo: this.#leaseTo,
      snapshot: this.#snapshot,
      journal: this.#journal.slice(),
    };
  }

  /** Puts a copy in the place of what is there; nothing may run on it. */
  restore(copy: DiskCopy): void {
    this.#abandon();
    this.#id = copy.id;
    this.#incarnation = copy.incarnation;
    this.#leaseTo = copy.leaseTo;
    this.#snapshot = copy.snapshot;
    this.#journal = [...copy.journal];
  }

  /** The state directory is lost: the next process is a new node. */
  wipe(): void {
    this.#abandon();
    this.#id = null;
    this.#incarnation = 0;
    this.#leaseTo = 1;
    this.#snapshot = null;
    this.#journal = [];
  }

  /** For the mutants only: forget which counters were used. */
  forgetLease(): void {
    this.#leaseTo = 1;
  }

  /** For the mutants only: lose the acknowledged records since the snapshot. */
  forgetJournal(): void {
    this.#journal = [];
  }

  #randomId(): NodeId {
    const bytes = new Uint8Array(8);
    for (let i = 0; i < 8; i++) bytes[i] = this.#rng.below(256);
    return nodeIdFromBytes(bytes);
  }

  #later(done: (error: DiskError) => void, error: DiskError): void {
    const epoch = this.#epoch;
    this.#events.after(this.#syncMs * this.#rng.unit(), () => {
      if (epoch === this.#epoch) done(error);
    });
  }

  #whenDurable(done: (error: DiskError) => void): void {
    this.#callbacks.push(() => done(null));
    if (!this.#syncing) this.#sync();
  }

  #syncSoon(): void {
    if (this.#noteTimer) return;
    this.#noteTimer = true;
    const epoch = this.#epoch;
    this.#events.after(NOTE_SYNC_MS * this.#rng.unit(), () => {
      if (epoch !== this.#epoch) return;
      this.#noteTimer = false;
      if (!this.#syncing && this.#waiting.length > 0) this.#sync();
    });
  }

  #sync(): void {
    this.#syncing = true;
    const covered = this.#waiting.length;
    const callbacks = this.#callbacks;
    this.#callbacks = [];
    const epoch = this.#epoch;
    // Most syncs are quick; a cheap card now and then takes many times as long.
    const slow = this.#rng.below(50) === 0 ? 30 : 1;
    this.#events.after(this.#syncMs * slow * (0.5 + this.#rng.unit()), () => {
      if (epoch !== this.#epoch) return;
      this.#syncing = false;
      this.#apply(covered);
      for (const callback of callbacks) {
        if (epoch === this.#epoch) callback();
      }
      if (epoch === this.#epoch && this.#callbacks.length > 0 && !this.#syncing) this.#sync();
    });
  }

  #apply(count: number): void {
    for (let i = 0; i < count; i++) {
      const write = this.#waiting[i] as Write;
      if (write.kind === 'record') this.#journal.push(write.bytes);
      else if (write.kind === 'lease') this.#leaseTo = Math.max(this.#leaseTo, write.upTo);
      else {
        this.#snapshot = write.bytes;
        this.#journal = [];
      }
    }
    this.#waiting.splice(0, count);
  }

  #abandon(): void {
    this.#epoch++;
    this.#waiting = [];
    this.#callbacks = [];
    this.#syncing = false;
    this.#noteTimer = false;
  }
}
