/** For tests only: a store on LevelDB beside a Map, over any number of lives. */
import { expect } from 'vitest';
import { utf8 } from '../../../base/index.ts';
import type { ReadThrough } from '../../backend.ts';
import { Span } from '../../span.ts';
import { Stamps } from '../../stamps.ts';
import { Store } from '../../store.ts';
import { MessageTable } from '../../table.ts';
import type { Database } from '../database.ts';
import { LevelBackend } from '../level-backend.ts';
import type { LevelTuning } from '../level-options.ts';

export const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

export async function until(what: string, condition: () => boolean, each = (): void => {}): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    expect(Date.now(), what).toBeLessThan(deadline);
    each();
    await turns(1);
  }
}

export class Pair {
  readonly directory: string;
  readonly model = new Map<string, { value: string; expiryMs: number }>();
  readonly words: string[] = [];
  maxMemoryBytes = 0;
  maxDiskBytes = 0;
  tuning: Partial<LevelTuning> = {};
  openDatabase: ((directory: string) => Promise<Database>) | undefined;
  /** With the sign bit of the lower word of its clock set. */
  nowMs = 1_795_268_169_000;
  store!: Store;

  constructor(directory: string) {
    this.directory = directory;
  }

  get backend(): LevelBackend {
    return this.store.backend as LevelBackend;
  }

  get disk(): ReadThrough {
    return this.backend.readThrough;
  }

  async open(): Promise<void> {
    const stamps = new Stamps(1);
    const table = new MessageTable(stamps);
    table.nowMs = this.nowMs;
    const say = (text: string): number => this.words.push(text);
    const backend = await LevelBackend.open(table, stamps, {
      directory: this.directory,
      actor: 1,
      notices: { info: say, warn: say },
      maxMemoryBytes: this.maxMemoryBytes,
      maxDiskBytes: this.maxDiskBytes,
      tuning: {
        flushMs: 1,
        syncMs: 5,
        reserveBytes: 0,
        retryMs: 5,
        maxRetryMs: 20,
        usageMs: 5,
        compactMs: 50,
        ...this.tuning,
      },
      ...(this.openDatabase === undefined ? {} : { open: this.openDatabase }),
    });
    this.store = new Store(table, backend, this.maxMemoryBytes);
  }

  async restart(): Promise<void> {
    await this.store.close();
    await this.open();
  }

  /** Looks the key up, as a command does: after it was read, if it is not in memory; `then` at once, for what is found is soon forgotten. */
  async find<T>(key: string, then: (found: boolean) => T): Promise<T> {
    const bytes = utf8(key);
    const span = new Span(bytes);
    while (this.disk.isCold(span, 0, bytes.length)) {
      if (this.disk.isFull) this.store.endTurn();
      await new Promise<void>((done) => this.disk.read([bytes], done));
    }
    this.store.table.nowMs = this.nowMs;
    return then(this.store.table.lookup(span, 0, bytes.length));
  }

  put(key: string, value: string, expiryMs = 0): Promise<void> {
    const bytes = utf8(value);
    return this.find(key, () => {
      this.store.table.put(new Span(bytes), 0, bytes.length, expiryMs);
      this.model.set(key, { value, expiryMs });
    });
  }

  remove(key: string): Promise<void> {
    return this.find(key, (found) => {
      if (found) this.store.table.remove();
      this.model.delete(key);
    });
  }

  expire(key: string, expiryMs: number): Promise<void> {
    return this.find(key, (found) => {
      if (!found) return;
      this.store.table.setExpiry(expiryMs);
      const before = this.model.get(key);
      expect(before).toBeDefined();
      this.model.set(key, { value: before?.value ?? '', expiryMs });
    });
  }

  clear(): void {
    this.store.table.clear();
    this.model.clear();
  }

  check(key: string): Promise<void> {
    return this.find(key, (found) => {
      const wanted = this.live(key);
      expect(found, key).toBe(wanted !== undefined);
      if (wanted === undefined) return;
      const { table } = this.store;
      const at = table.valueAt;
      const value = Buffer.from(table.value.bytes.slice(at, at + table.valueLength)).toString();
      expect(value === wanted.value, key).toBe(true);
      expect(table.expiryMs, key).toBe(wanted.expiryMs);
    });
  }

  /** Every key, and that there are no others. */
  async checkAll(): Promise<void> {
    for (const key of this.model.keys()) {
      await this.check(key);
      this.store.endTurn();
    }
    const live = [...this.model.keys()].filter((key) => this.live(key) !== undefined);
    expect(this.store.table.size).toBe(live.length);
    expect(await this.listed(100)).toEqual(live.sort());
  }

  /** The keys there are, as a walk through the disk meets them. */
  async listed(count: number): Promise<string[]> {
    const keys: string[] = [];
    let from = 0;
    do {
      const { found, next } = await this.disk.list(from, count);
      for (const { key } of found) keys.push(Buffer.from(key).toString());
      expect(next === 0 || next > from).toBe(true);
      from = next;
    } while (from !== 0);
    return keys.sort();
  }

  onDisk(): Promise<string | null> {
    const { backend } = this;
    const told = new Promise<string | null>((resolve) =>
      backend.whenOnDisk(backend.sequence, (error) => resolve(error?.code ?? null)),
    );
    this.store.endTurn();
    return told;
  }

  live(key: string): { value: string; expiryMs: number } | undefined {
    const entry = this.model.get(key);
    const isOver = entry !== undefined && entry.expiryMs !== 0 && entry.expiryMs <= this.nowMs;
    return isOver ? undefined : entry;
  }
}
