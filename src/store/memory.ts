import { ShoalError } from '../base/index.ts';
import type { Backend, BackendCounters, OnDisk } from './backend.ts';

const NOTHING: BackendCounters = {
  diskBytes: 0,
  queuedBytes: 0,
  batches: 0,
  writtenBytes: 0,
  syncs: 0,
  snapshots: 0,
  retries: 0,
  droppedChanges: 0,
  recoveredChanges: 0,
  longestStepMs: 0,
};

/** The back end that keeps nothing: what is in memory is all there is, and a stop of the process loses it. */
export class MemoryBackend implements Backend {
  readonly name = 'memory';
  readonly sink = null;
  readonly durable = false;
  readonly sequence = 0;
  readonly onDiskSequence = 0;
  readonly state = 'ok';
  readonly refusal = null;
  readonly blocked = null;
  readonly congested = false;
  onRoom: (() => void) | null = null;
  readonly saving = false;
  readonly savedMs = null;
  readonly readThrough = null;
  readonly warnings: readonly string[] = [];
  readonly counters = NOTHING;

  whenOnDisk(_sequence: number, done: OnDisk): void {
    done(
      new ShoalError(
        'store-memory',
        'this node keeps messages in memory only: ask for d = 0, or set store = "log"',
      ),
    );
  }

  save(): null {
    return null;
  }

  endTurn(): void {}

  async close(): Promise<void> {}
}
