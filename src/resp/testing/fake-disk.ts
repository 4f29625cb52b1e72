import { ShoalError } from '../../base/index.ts';
import { MessageTable, Stamps, Store } from '../../store/index.ts';

type Backend = Store['backend'];
type OnDisk = Parameters<Backend['whenOnDisk']>[1];

/** Of a cache: all messages are in memory. */
export const NOTHING_COLD: Backend['readThrough'] = {
  isCold: () => false,
  read: (_keys, done) => done(),
  hold: () => {},
  letGo: () => {},
  isFull: false,
  list: async () => ({ found: [], next: 0 }),
  sweep: () => {},
  isBehind: () => false,
  counters: () => ({ reads: 0, evicted: 0 }),
};

/** A back end whose disk does what a test says. */
export class FakeDisk implements Backend {
  readonly name = 'log';
  readonly durable = true;
  readonly state = 'ok';
  readThrough: Backend['readThrough'] = null;
  readonly warnings: readonly string[] = [];
  sequence = 0;
  onDiskSequence = 0;
  refusal: string | null = null;
  blocked: string | null = null;
  congested = false;
  onRoom: (() => void) | null = null;
  readonly saving = false;
  readonly savedMs = null;
  turns = 0;
  #waiting: { sequence: number; done: OnDisk }[] = [];
  readonly sink: Backend['sink'] = {
    wrote: () => {
      this.sequence++;
    },
    wroteExternal: () => {
      this.sequence++;
    },
    removed: () => {
      this.sequence++;
    },
  };
  readonly counters = new Store().backend.counters;

  store(): Store {
    return new Store(new MessageTable(new Stamps(1)), this);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  whenOnDisk(sequence: number, done: OnDisk): void {
    if (sequence <= this.onDiskSequence) done(null);
    else this.#waiting.push({ sequence, done });
  }

  save(): null {
    return null;
  }

  endTurn(): void {
    this.turns++;
  }

  async close(): Promise<void> {}

  /** Everything written until now is on disk. */
  sync(): void {
    this.onDiskSequence = this.sequence;
    this.#tell(null);
  }

  fail(): void {
    this.#tell(new ShoalError('disk-failed', 'the disk is gone'));
  }

  #tell(error: ShoalError | null): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { done } of waiting) done(error);
  }
}
