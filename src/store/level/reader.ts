import type { Listed } from '../backend.ts';
import { KeyHash } from '../key-hash.ts';
import type { Notices } from '../notices.ts';
import type { MessageTable } from '../table.ts';
import type { Cache } from './cache.ts';
import type { Database, Entries } from './database.ts';
import { epochKey, keyOfPlace, Message, PREFIX_BYTES, placeKey, placeOf } from './layout.ts';
import type { LevelRecorder } from './level-recorder.ts';
import type { Writer } from './writer.ts';

/** Messages asked of LevelDB in one call, and calls under way: the pool of threads is the node's. */
const TOGETHER = 32;
const CALLS = 2;
/** Entries of a run, read and worked on at once. */
const STEP = 128;
/** A list ends after about so much, keys and values. */
const LIST_BYTES = 1 << 20;
const RETRY_MS = 1000;
const END = placeOf(16384, 0);

/** A mark to be made a record: all messages of one slot and hash. */
interface Load {
  readonly slot: number;
  readonly hash: number;
  /** One of them, which most likely is the only one. */
  readonly key: Buffer;
  /** One was removed meanwhile: what was read may be older than that. */
  stale: boolean;
  readonly waiting: (() => void)[];
}

/** Reads from LevelDB what commands need and is not in memory, while the event loop goes on. */
export class Reader {
  readonly #database: Database;
  readonly #table: MessageTable;
  readonly #cache: Cache;
  readonly #writer: Writer;
  readonly #recorder: LevelRecorder;
  readonly #notices: Notices;
  readonly #hash = new KeyHash();
  /** By place. */
  readonly #loads = new Map<number, Load>();
  #queue: Load[] = [];
  #calls = 0;
  #scheduled = false;
  #retryTimer: NodeJS.Timeout | null = null;
  #failing = false;
  /** The slot in which what has expired is looked for, or -1. */
  #sweeping = -1;
  #sweepStale = false;
  #dropping = false;
  #closed = false;
  readonly counters = { reads: 0 };

  constructor(
    database: Database,
    table: MessageTable,
    cache: Cache,
    writer: Writer,
    recorder: LevelRecorder,
    notices: Notices,
  ) {
    this.#database = database;
    this.#table = table;
    this.#cache = cache;
    this.#writer = writer;
    this.#recorder = recorder;
    this.#notices = notices;
    recorder.onRemoval = (slot, hash) => this.#removed(slot, hash);
  }

  /** The disk cannot be read, and those who wait go on waiting. */
  get failing(): boolean {
    return this.#failing;
  }

  isReading(slot: number, hash: number): boolean {
    return slot === this.#sweeping || (this.#loads.size > 0 && this.#loads.has(placeOf(slot, hash)));
  }

  /** Calls back, once, when the keys are in memory or known to be nowhere, or the cache is full; not before it returns. */
  read(keys: readonly Uint8Array[], done: () => void): void {
    let left = keys.length;
    const came = (): void => {
      if (--left === 0) done();
    };
    for (const key of keys) {
      this.#hash.of(key, 0, key.length);
      const { slot, hash } = this.#hash;
      const place = placeOf(slot, hash);
      let load = this.#loads.get(place);
      if (load === undefined) {
        const diskKey = placeKey(this.#writer.epoch, slot, hash, key.length);
        diskKey.set(key, PREFIX_BYTES);
        load = { slot, hash, key: diskKey, stale: false, waiting: [] };
        this.#loads.set(place, load);
        this.#queue.push(load);
      }
      load.waiting.push(came);
    }
    this.#schedule();
  }

  /** Everything was deleted: nobody need wait, and what was read does not count. */
  cleared(): void {
    const loads = [...this.#loads.values()];
    this.#loads.clear();
    this.#queue = [];
    this.#sweepStale = true;
    setImmediate(() => {
      for (const { waiting } of loads) for (const came of waiting) came();
    });
  }

  /** Has what expired in a slot, and is not in memory, removed; no more than one slot at a time. */
  sweep(slot: number): void {
    if (this.#sweeping >= 0 || this.#closed) return;
    this.#sweeping = slot;
    this.#sweepStale = false;
    void this.#sweep(slot)
      .catch(() => {})
      .finally(() => {
        this.#sweeping = -1;
      });
  }

  /**
   * Messages in the order of slot and hash, from a place on, until there are `count` or LIST_BYTES, and where to go on: 0 at the end. All
   * that was written before the call is among them.
   */
  async list(from: number, count: number): Promise<{ found: Listed[]; next: number }> {
    this.#recorder.seal();
    if (!(await this.#writer.settled()))
      throw new Error('the disk takes no writes now, and what is not written cannot be listed');
    const { epoch } = this.#writer;
    const found: Listed[] = [];
    if (from >= END) return { found, next: 0 };
    const run = this.#database.entries(keyOfPlace(epoch, from), epochKey(epoch + 1));
    try {
      let last = -1;
      let bytes = 0;
      for (;;) {
        const step = await run.next(Math.max(2, Math.min(STEP, count)));
        if (step.length === 0) return { found, next: 0 };
        for (const [key, value] of step) {
          const message = new Message(key, value);
          const place = placeOf(message.slot, message.hash);
          if ((found.length >= count || bytes >= LIST_BYTES) && place !== last) return { found, next: place };
          last = place;
          bytes += key.length + value.length;
          if (message.expiryMs === 0 || message.expiryMs > this.#table.nowMs) found.push(message);
        }
      }
    } finally {
      await run.close();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    this.#queue = [];
    while (this.#calls > 0 || this.#sweeping >= 0) await new Promise((resolve) => setImmediate(resolve));
  }

  #removed(slot: number, hash: number): void {
    const load = this.#loads.get(placeOf(slot, hash));
    if (load !== undefined) load.stale = true;
    if (slot === this.#sweeping && !this.#dropping) this.#sweepStale = true;
  }

  /** What a round of the event loop asks for goes together. */
  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#calls < CALLS && this.#queue.length > 0 && this.#retryTimer === null)
        void this.#call(this.#queue.splice(0, TOGETHER));
    });
  }

  async #call(loads: Load[]): Promise<void> {
    this.#calls++;
    let left = loads;
    try {
      const values = this.#cache.isFull ? [] : await this.#database.getMany(loads.map(({ key }) => key));
      this.counters.reads += values.length;
      for (const [i, value] of values.entries()) {
        const load = loads[i] as Load;
        if (value === undefined || this.#cache.isFull || !this.#isCurrent(load)) continue;
        this.#cache.fill(new Message(load.key, value));
      }
      for (let load = left[0]; load !== undefined; load = left[0]) {
        await this.#finish(load);
        left = left.slice(1);
      }
      if (this.#failing) this.#recovered();
    } catch (error) {
      // What waits for the disk to take something keeps nobody else from being read.
      const [first, ...rest] = left;
      this.#queue.unshift(...rest);
      if (first !== undefined) this.#queue.push(first);
      this.#failed(error as Error);
    }
    this.#calls--;
    if (this.#queue.length > 0) this.#schedule();
  }

  #isCurrent(load: Load): boolean {
    const place = placeOf(load.slot, load.hash);
    return this.#loads.get(place) === load && !load.stale && !this.#recorder.isRemoving(load.hash);
  }

  /** Sees to it that no mark is left with the hash of what was read, unless there is no room for what it stands for. */
  async #finish(load: Load): Promise<void> {
    const { slot, hash } = load;
    const place = placeOf(slot, hash);
    if (this.#loads.get(place) !== load) return;
    while (!this.#cache.isFull && this.#cache.isMarked(slot, hash)) {
      load.stale = false;
      const { epoch } = this.#writer;
      const found = await all(this.#database.entries(keyOfPlace(epoch, place), keyOfPlace(epoch, place + 1)));
      if (this.#loads.get(place) !== load) return;
      if (load.stale) continue;
      if (this.#recorder.isRemoving(hash) && !this.#cache.isExact(slot, hash, found)) {
        // One of them was removed, which is not written yet.
        this.#recorder.seal();
        if (await this.#writer.settled()) continue;
        throw new Error(
          'the disk takes no writes now, and what is removed cannot be told from what is there',
        );
      }
      for (const message of found) this.#cache.fill(message);
      // Not on disk: there is nothing a mark could stand for.
      while (this.#cache.dropMark(slot, hash));
    }
    this.#loads.delete(place);
    for (const came of load.waiting) came();
  }

  #failed(error: Error): void {
    if (this.#closed) return;
    if (!this.#failing)
      this.#notices.warn(
        `cannot read the store: ${error.message}: commands on messages that are not in memory wait until it can be`,
      );
    this.#failing = true;
    this.#retryTimer ??= setTimeout(() => {
      this.#retryTimer = null;
      this.#schedule();
    }, RETRY_MS).unref();
  }

  #recovered(): void {
    this.#failing = false;
    this.#notices.info('the store can be read again');
  }

  async #sweep(slot: number): Promise<void> {
    const { epoch } = this.#writer;
    const run = this.#database.entries(
      keyOfPlace(epoch, placeOf(slot, 0)),
      keyOfPlace(epoch, placeOf(slot + 1, 0)),
    );
    try {
      for (let step = await run.next(STEP); step.length > 0; step = await run.next(STEP)) {
        if (this.#sweepStale || this.#closed) return;
        this.#dropping = true;
        for (const [key, value] of step) {
          const message = new Message(key, value);
          if (message.expiryMs !== 0 && message.expiryMs <= this.#table.nowMs) this.#cache.fill(message);
        }
        this.#dropping = false;
      }
    } finally {
      await run.close();
    }
  }
}

async function all(run: Entries): Promise<Message[]> {
  const found: Message[] = [];
  try {
    for (let step = await run.next(STEP); step.length > 0; step = await run.next(STEP))
      for (const [key, value] of step) found.push(new Message(key, value));
  } finally {
    await run.close();
  }
  return found;
}
