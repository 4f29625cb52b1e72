import type { ShoalError } from '../base/index.ts';
import type { ChangeSink } from './sink.ts';
import type { Span } from './span.ts';

/** `full`: changes that need room are refused. `failing`: memory is served, and nothing is acknowledged as on disk. */
export type BackendState = 'ok' | 'full' | 'failing';

/** Called once: null when the change is on the medium, else why it is not known to be. */
export type OnDisk = (error: ShoalError | null) => void;

/** For INFO and the metrics; all count up but for `diskBytes` and `queuedBytes`. */
export interface BackendCounters {
  /** Bytes of the files that are needed. */
  readonly diskBytes: number;
  readonly queuedBytes: number;
  readonly batches: number;
  readonly writtenBytes: number;
  readonly syncs: number;
  readonly snapshots: number;
  /** Writes that the disk refused and that were tried again. */
  readonly retries: number;
  /** Changes that never came to a file, because the disk failed. */
  readonly droppedChanges: number;
  /** Changes read back at the start. */
  readonly recoveredChanges: number;
  /** Longest step of a snapshot's walk, in milliseconds. */
  readonly longestStepMs: number;
}

/** A message as it is on disk. */
export interface Listed {
  readonly slot: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly expiryMs: number;
}

/** Of a back end whose table is a cache: what is not in it is read while other commands run. */
export interface ReadThrough {
  /** Whether the message of a key may be on disk only: no command may look for it. One that is in memory counts as used. */
  isCold(key: Span, at: number, length: number): boolean;
  /** Calls back, later, when these keys are in memory, or known to be nowhere, or it is full; each of them is cold. */
  read(keys: readonly Uint8Array[], done: () => void): void;
  /** While more is held than let go, nothing is forgotten: for who needs more messages at once than memory is meant for. */
  hold(): void;
  letGo(): void;
  /** Messages take more memory than is meant for them: none is read. */
  readonly isFull: boolean;
  /**
   * About `count` messages, fewer if they are large, in the order of slot and hash, from a place on, and the next place, below 2^47: 0 at
   * the end.
   */
  list(from: number, count: number): Promise<{ found: Listed[]; next: number }>;
  /** Something in this slot has expired and is not in memory: has it removed, by and by. */
  sweep(slot: number): void;
  /** So much waits to be written that what has expired had better wait, too: each removal is a write. */
  isBehind(): boolean;
  /** Messages read because they were not in memory, and messages that made room. */
  counters(): { readonly reads: number; readonly evicted: number };
}

/**
 * Where changes go to last. The table tells `sink` of each while it is made; the back end takes it in (`sequence` counts
 * them, from this start) and brings it to its disk by itself.
 *
 * Invariants: `onDiskSequence` never passes a change that a crash could take away. `whenOnDisk` calls back exactly
 * once, at once when it can say so at once. `refusal` and `blocked` are up to date at the start of each turn, so that what is refused was
 * not applied.
 */
export interface Backend {
  readonly name: 'memory' | 'log' | 'leveldb';
  /** Null: nobody needs to be told. */
  readonly sink: ChangeSink | null;
  /** Whether a change can be on a disk at all. */
  readonly durable: boolean;
  /** Changes taken in. */
  readonly sequence: number;
  readonly onDiskSequence: number;
  readonly state: BackendState;
  /** Why commands that need room are refused now, as an error reply without its minus sign; else null. */
  readonly refusal: string | null;
  /** Likewise, for every command that changes anything: no dot may be used. */
  readonly blocked: string | null;
  /** So much waits for the disk that nothing more should be changed until `onRoom` is called, nor looked up where there is `readThrough`. */
  readonly congested: boolean;
  onRoom: (() => void) | null;
  /** For data larger than memory; null when the table holds all there is. */
  readonly readThrough: ReadThrough | null;
  /** What people should know, as long as it is so. */
  readonly warnings: readonly string[];
  readonly counters: BackendCounters;
  /** A snapshot is being written. */
  readonly saving: boolean;
  /** When the last one was whole, by the table's clock; null: none since the start. */
  readonly savedMs: number | null;
  /** Begins a snapshot; false when it cannot now, null when this back end has none. */
  save(): boolean | null;
  whenOnDisk(sequence: number, done: OnDisk): void;
  /** After the commands of a turn: what was taken in may go out. */
  endTurn(): void;
  /** Brings everything to disk, if the disk takes it. */
  close(): Promise<void>;
}
