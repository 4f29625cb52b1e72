/** For tests only: a store on a fake disk beside a history of what was done to it, over any number of lives. */
import { expect } from 'vitest';
import { type Rng, utf8 } from '../../../base/index.ts';
import { Span } from '../../span.ts';
import { Stamps, TILES } from '../../stamps.ts';
import { Store } from '../../store.ts';
import { MessageTable } from '../../table.ts';
import { LogBackend, type LogTuning } from '../log-backend.ts';
import { FakeDisk } from './fake-disk.ts';

interface Change {
  /** Null: everything. */
  readonly key: string | null;
  /** Null: removed. */
  readonly value: string | null;
}

export const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    expect(Date.now(), what).toBeLessThan(deadline);
    await turns(1);
  }
}

export class Life {
  readonly disk = new FakeDisk();
  readonly rng: Rng;
  readonly tuning: Partial<LogTuning>;
  readonly words: string[] = [];
  compress = false;
  salvage = false;
  maxDiskBytes = 0;
  store!: Store;
  stamps!: Stamps;
  /** What was there when this life began, and what was done since; so many of those were reported on disk. */
  base = new Map<string, string>();
  changes: Change[] = [];
  onDisk = 0;
  /** Per key, changes reported on disk: the number of the last. */
  readonly used = new Float64Array(TILES);
  nowMs = 1_000_000;
  #unique = 0;

  constructor(rng: Rng, tuning: Partial<LogTuning> = {}) {
    this.rng = rng;
    this.tuning = {
      flushMs: 1,
      syncMs: 3,
      retryMs: 5,
      maxRetryMs: 20,
      compactFloorBytes: 40_000,
      roomMs: 2,
      ...tuning,
    };
  }

  get backend(): LogBackend {
    return this.store.backend as LogBackend;
  }

  async open(): Promise<void> {
    this.stamps = new Stamps(1);
    const table = new MessageTable(this.stamps);
    table.nowMs = this.nowMs;
    const say = (text: string): number => this.words.push(text);
    const backend = await LogBackend.open(table, this.stamps, {
      directory: '/d',
      actor: 1,
      notices: { info: say, warn: say },
      maxDiskBytes: this.maxDiskBytes,
      compress: this.compress,
      salvage: this.salvage,
      disk: this.disk.session(),
      tuning: this.tuning,
    });
    this.store = new Store(table, backend);
    for (let tile = 0; tile < TILES; tile++)
      expect(this.stamps.counter(tile)).toBeGreaterThanOrEqual(this.used[tile] as number);
  }

  contents(): Map<string, string> {
    return contentsOf(this.store.table);
  }

  put(key: string, length: number): void {
    this.putText(key, `${++this.#unique}.`.padEnd(length, 'v'));
  }

  /** Latin-1. */
  putText(key: string, value: string): void {
    const bytes = Uint8Array.from(Buffer.from(value, 'latin1'));
    this.#find(key);
    this.store.table.put(new Span(bytes), 0, bytes.length, 0);
    this.changes.push({ key, value });
  }

  remove(key: string): void {
    if (!this.#find(key)) return;
    this.store.table.remove();
    this.changes.push({ key, value: null });
  }

  clear(): void {
    this.store.table.clear();
    this.changes.push({ key: null, value: null });
  }

  /** Asks to be told when all so far is on disk. */
  wait(): Promise<string | null> {
    const count = this.changes.length;
    return new Promise((resolve) =>
      this.backend.whenOnDisk(this.backend.sequence, (error) => {
        if (error === null) this.onDisk = Math.max(this.onDisk, count);
        resolve(error === null ? null : error.code);
      }),
    );
  }

  step(): void {
    const { rng } = this;
    const key = rng.below(50) === 0 ? 'long'.repeat(20_000) : `key:${rng.below(60)}`;
    const kind = rng.below(40);
    if (kind < 26) this.put(key, 10 + rng.below(600));
    else if (kind === 26) this.put(key, 70_000 + (rng.below(3) === 0 ? rng.below(1_300_000) : 0));
    else if (kind === 27 && rng.below(4) === 0) this.clear();
    else if (kind < 36) this.remove(key);
    else void this.wait();
  }

  endTurn(): void {
    this.store.endTurn();
    for (let tile = 0; tile < TILES; tile++)
      this.used[tile] = Math.max(this.used[tile] as number, this.stamps.counter(tile));
  }

  /** After a start: the contents are what some moment not before the last report was, and count as on disk from now on. */
  checkMoment(): void {
    const found = this.contents();
    const state = new Map(this.base);
    let wrong = 0;
    const differs = (key: string): number => (state.get(key) === found.get(key) ? 0 : 1);
    for (const key of new Set([...state.keys(), ...found.keys()])) wrong += differs(key);
    let fits = this.onDisk === 0 && wrong === 0;
    for (let i = 0; i < this.changes.length && !fits; i++) {
      const { key, value } = this.changes[i] as Change;
      const keys = key === null ? [...state.keys()] : [key];
      for (const one of keys) {
        wrong -= differs(one);
        if (value === null) state.delete(one);
        else state.set(one, value);
        wrong += differs(one);
      }
      fits = i + 1 >= this.onDisk && wrong === 0;
    }
    expect(fits, `one moment of ${this.changes.length}, not before ${this.onDisk}`).toBe(true);
    this.#settle(found);
  }

  /** Weaker, after an error of the disk: every key is as it was at some moment not before what was last reported of it. */
  checkKeys(): void {
    const found = this.contents();
    const keys = new Set([...this.base.keys(), ...found.keys()]);
    for (const { key } of this.changes) if (key !== null) keys.add(key);
    for (const key of keys) {
      let may: (string | undefined)[] = [this.base.get(key)];
      for (const [i, done] of this.changes.entries()) {
        if (done.key !== null && done.key !== key) continue;
        if (i < this.onDisk) may = [];
        may.push(done.value ?? undefined);
      }
      expect(may.includes(found.get(key)), `${key.slice(0, 20)} is as it was once`).toBe(true);
    }
    this.#settle(found);
  }

  /** In the running store: exactly what was done. */
  checkNow(): void {
    const state = new Map(this.base);
    for (const { key, value } of this.changes) {
      if (key === null) state.clear();
      else if (value === null) state.delete(key);
      else state.set(key, value);
    }
    const found = this.contents();
    expect([...found.keys()].sort()).toEqual([...state.keys()].sort());
    for (const [key, value] of state) expect(found.get(key) === value, key.slice(0, 20)).toBe(true);
    this.#settle(found);
  }

  #settle(found: Map<string, string>): void {
    this.base = found;
    this.changes = [];
    this.onDisk = 0;
  }

  #find(key: string): boolean {
    const bytes = utf8(key);
    return this.store.table.lookup(new Span(bytes), 0, bytes.length);
  }
}

function text(span: Span, at: number, length: number): string {
  return Buffer.from(span.bytes.buffer, span.bytes.byteOffset + at, length).toString();
}

/** Ends the process, and starts again with the same disk. */
export async function restart(life: Life): Promise<void> {
  await life.store.close();
  await life.open();
}

/** Everything a table holds. */
export function contentsOf(table: MessageTable): Map<string, string> {
  const found = new Map<string, string>();
  const refs: number[] = [];
  for (let slot = 0; slot < 16384; slot++) {
    if (table.countInSlot(slot) === 0) continue;
    for (let hash = 0, place = 0; hash < 2 ** 32; hash = table.nextHash, place = table.nextPlace) {
      refs.length = 0;
      table.scan(slot, hash, place, refs);
      for (const ref of refs) {
        table.show(ref);
        const key = text(table.key, table.keyAt, table.keyLength);
        found.set(key, Buffer.concat(table.rope.pieces).toString());
      }
    }
  }
  return found;
}
