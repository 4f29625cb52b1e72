import { KeyHash } from '../key-hash.ts';
import type { Batch, BatchPool } from '../log/batch.ts';
import type { ExternalChange } from '../log/external.ts';
import { BATCH_HEADER_WORDS, BYTES_MASK, CLEAR, KIND_SHIFT, LEASE, PUT, REMOVE } from '../log/format.ts';
import { EXPIRES, EXPIRY_BYTES, HEADER_BYTES, KEY_LENGTH_MASK } from '../record.ts';
import type { Database, Operation } from './database.ts';
import { epochKey, metaKey, PREFIX_BYTES, placeKey, valueRoom } from './layout.ts';
import type { CountingTape } from './level-recorder.ts';
import type { Found } from './recovery.ts';

/** Of one call to LevelDB, which copies it in this thread. */
const SLICE_OPERATIONS = 256;
const SLICE_BYTES = 256 * 1024;

export interface WriterWatch {
  /** Something was written. */
  wrote(): void;
  /** A write failed; nothing more is written until `resume`, and nothing is lost. */
  failed(error: unknown): void;
}

/** Writes what was recorded into LevelDB, in order, one write at a time; what comes meanwhile is gathered. */
export class Writer implements CountingTape {
  readonly #database: Database;
  readonly #pool: BatchPool;
  readonly #watch: WriterWatch;
  readonly #hash = new KeyHash();
  #queue: (Batch | ExternalChange)[] = [];
  #running: Promise<void> | null = null;
  /** For `settled`. */
  #settling: { readonly taken: number; readonly done: (written: boolean) => void }[] = [];
  #clockLow: number;
  #clockHigh: number;
  taken = 0;
  /** Of those taken, how many are written. */
  done = 0;
  /** See layout.ts: of what is written. */
  epoch: number;
  stopped = false;
  queuedBytes = 0;
  /** Of the last change written. */
  sequence = 0;
  readonly counters = { batches: 0, bytes: 0 };

  constructor(database: Database, pool: BatchPool, watch: WriterWatch, found: Found) {
    this.#database = database;
    this.#pool = pool;
    this.#watch = watch;
    this.epoch = found.epoch;
    this.#clockLow = found.clockLow;
    this.#clockHigh = found.clockHigh;
  }

  get idle(): boolean {
    return this.#queue.length === 0;
  }

  batch(batch: Batch): void {
    this.queuedBytes += batch.rawBytes;
    this.#take(batch);
  }

  external(change: ExternalChange): void {
    this.queuedBytes += change.totalBytes;
    this.#take(change);
  }

  /** Whether a record noted with this write, modulo `modulus`, may not be written yet. */
  isPending(write: number, modulus: number): boolean {
    const pending = this.taken - this.done;
    return pending >= modulus - 1 || ((write - this.done) & (modulus - 1)) <= pending;
  }

  /** Resolves when all that was taken before the call is written; to false when nothing can be. */
  settled(): Promise<boolean> {
    if (this.taken === this.done || this.stopped) return Promise.resolve(this.taken === this.done);
    return new Promise((done) => this.#settling.push({ taken: this.taken, done }));
  }

  resume(): void {
    this.stopped = false;
    this.#start();
  }

  /** Nothing is written until `resume`, and nobody need wait for it. */
  stop(): void {
    this.stopped = true;
    for (const { done } of this.#settling.splice(0)) done(false);
  }

  /** Waits until everything is written, or cannot be. */
  async drain(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  #take(item: Batch | ExternalChange): void {
    this.taken++;
    this.#queue.push(item);
    this.#start();
  }

  #start(): void {
    if (this.#running !== null || this.stopped || this.#queue.length === 0) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
      this.#start();
    });
  }

  async #run(): Promise<void> {
    for (let item = this.#queue[0]; item !== undefined && !this.stopped; item = this.#queue[0]) {
      try {
        if ('records' in item) await this.#writeBatch(item);
        else await this.#writeExternal(item);
      } catch (error) {
        this.stop();
        this.#watch.failed(error);
        return;
      }
      // Another's write failed meanwhile, and this one may lie behind it: it is written again.
      if (this.stopped) return;
      this.#queue.shift();
      this.queuedBytes -= 'records' in item ? item.rawBytes : item.totalBytes;
      this.sequence = item.sequence;
      this.done++;
      if ('records' in item) this.#pool.give(item);
      this.#settle();
      this.#watch.wrote();
    }
  }

  #settle(): void {
    while (this.#settling.length > 0 && (this.#settling[0]?.taken ?? 0) <= this.done)
      this.#settling.shift()?.done(true);
  }

  /** Written again after a failure it comes to the same. */
  async #writeBatch(batch: Batch): Promise<void> {
    let at = BATCH_HEADER_WORDS;
    while (at < batch.end) {
      const operations: Operation[] = [];
      let { epoch } = this;
      let bytes = 0;
      while (at < batch.end && operations.length < SLICE_OPERATIONS && bytes < SLICE_BYTES) {
        const word = batch.words[at++] as number;
        const length = word & BYTES_MASK;
        if (word >>> KIND_SHIFT === CLEAR) epoch++;
        this.#convert(word >>> KIND_SHIFT, batch, at, length, epoch, operations);
        at += (length + 3) >>> 2;
        bytes += length;
      }
      await this.#write(operations, epoch);
    }
  }

  #convert(
    kind: number,
    { words, bytes }: Batch,
    at: number,
    length: number,
    epoch: number,
    out: Operation[],
  ) {
    if (kind === PUT) {
      this.#meet(words, at + 2);
      const keyLength = (words[at] as number) & KEY_LENGTH_MASK;
      const expires = ((words[at + 1] as number) & EXPIRES) !== 0;
      const keyAt = at * 4 + HEADER_BYTES + (expires ? EXPIRY_BYTES : 0);
      const valueLength = at * 4 + length - keyAt - keyLength;
      const value = valueRoom(words, at + 1, expires, valueLength);
      const valueAt = keyAt + keyLength;
      value.set(bytes.subarray(valueAt, valueAt + valueLength), value.length - valueLength);
      out.push([this.#keyOf(bytes, keyAt, keyLength, epoch), value]);
    } else if (kind === REMOVE) {
      this.#meet(words, at);
      out.push([this.#keyOf(bytes, at * 4 + 16, length - 16, epoch), null]);
    } else if (kind === LEASE) out.push([metaKey('lease'), bytes.slice(at * 4, at * 4 + length)]);
    else if (kind === CLEAR) out.push([metaKey('epoch'), epochKey(epoch)]);
  }

  async #writeExternal(change: ExternalChange): Promise<void> {
    const { key, value, stamp, expiryMs } = change;
    this.#meet(stamp, 0);
    const diskKey = this.#keyOf(key, 0, key.length, this.epoch);
    if (value === null) return this.#write([[diskKey, null]], this.epoch);
    const words = Int32Array.of(0, ...stamp, expiryMs | 0, Math.floor(expiryMs / 2 ** 32));
    const room = valueRoom(words, 0, expiryMs !== 0, value.length);
    value.copyTo(room, room.length - value.length, 0, value.length);
    return this.#write([[diskKey, room]], this.epoch);
  }

  async #write(operations: Operation[], epoch: number): Promise<void> {
    const clock = Buffer.allocUnsafe(8);
    clock.writeInt32LE(this.#clockLow | 0, 0);
    clock.writeInt32LE(this.#clockHigh | 0, 4);
    operations.push([metaKey('clock'), clock]);
    await this.#database.write(operations);
    this.counters.batches++;
    for (const [key, value] of operations) this.counters.bytes += key.length + (value?.length ?? 0);
    this.epoch = epoch;
  }

  /** The largest clock written is put down with it: what a removal has of it nobody else would know. */
  #meet(words: Int32Array, at: number): void {
    const low = (words[at] as number) >>> 0;
    const high = (words[at + 1] as number) >>> 0;
    if (high < this.#clockHigh || (high === this.#clockHigh && low <= this.#clockLow)) return;
    this.#clockLow = low;
    this.#clockHigh = high;
  }

  #keyOf(bytes: Uint8Array, at: number, length: number, epoch: number): Buffer {
    this.#hash.of(bytes, at, length);
    const key = placeKey(epoch, this.#hash.slot, this.#hash.hash, length);
    key.set(bytes.subarray(at, at + length), PREFIX_BYTES);
    return key;
  }
}
