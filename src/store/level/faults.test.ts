import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { utf8 } from '../../base/index.ts';
import { Span } from '../span.ts';
import { collidingKeys } from '../testing/colliding.ts';
import { type Database, openDatabase } from './database.ts';
import { Pair, turns, until } from './testing/pair.ts';

let directory: string;
let pair: Pair;
/** What LevelDB is to say; null: it works. */
interface Fails {
  write: string | null;
  clear: string | null;
  sync: string | null;
  rewrite: string | null;
  /** Writes fail once. */
  once: boolean;
  /** Room the file system has left. */
  freeBytes: number;
}
const WELL: Fails = { write: null, clear: null, sync: null, rewrite: null, once: false, freeBytes: 1 << 30 };
const EIO = 'IO error: /d/000003.log: Input/output error';
const ENOSPC = 'IO error: /d/000003.log: No space left on device';
let fails: Fails;
let reopened: number;
/** Called before each write. */
let onWrite = (): void => {};

/** What is written behind a write that failed is not found again, as behind a tear of LevelDB's log. */
async function faulty(path: string): Promise<Database> {
  const database = await openDatabase(path);
  const { write, clear, sync, rewrite, usage, reopen } = database;
  let isTorn = false;
  const unless = (error: string | null, work: () => Promise<void>): Promise<void> =>
    error === null ? work() : Promise.reject(new Error(error));
  const change = (error: string | null, work: () => Promise<void>): Promise<void> => {
    isTorn ||= error !== null;
    if (fails.once) fails.write = null;
    return unless(error, isTorn ? async () => {} : work);
  };
  database.write = (operations) => {
    onWrite();
    return change(fails.write, () => write.call(database, operations));
  };
  database.clear = (from, end) => change(fails.clear, () => clear.call(database, from, end));
  database.sync = () => unless(fails.sync, () => sync.call(database));
  database.rewrite = () => unless(fails.rewrite, () => rewrite.call(database));
  database.usage = async () => ({ ...(await usage.call(database)), freeBytes: fails.freeBytes });
  database.reopen = async () => {
    reopened++;
    await reopen.call(database);
    isTorn = false;
  };
  return database;
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shoal-level-'));
  pair = new Pair(join(directory, 'store'));
  fails = { ...WELL };
  reopened = 0;
  onWrite = () => {};
  pair.openDatabase = faulty;
});

afterEach(async () => {
  fails = { ...WELL };
  await pair.store.close();
  await rm(directory, { recursive: true });
});

async function fill(count: number, length: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await pair.put(`key:${i}`, `${i}.`.padEnd(length, 'v'));
    if (i % 20 === 0) {
      pair.store.endTurn();
      await turns(1);
    }
  }
}

describe('leveldb on a disk that fails', () => {
  it('keeps what a full disk refused and writes it when there is room; what is there can be read', async () => {
    pair.maxMemoryBytes = 4 << 20;
    await pair.open();
    await fill(3000, 2000);
    expect(await pair.onDisk()).toBeNull();
    fails.write = ENOSPC;
    await pair.put('refused', 'for now');
    expect(await pair.onDisk()).toBe('disk-full');
    pair.store.endTurn();
    expect(pair.store.refusal).toMatch(/^ENOSPC no space left/);
    expect(pair.store.blocked).toBeNull();
    for (let i = 0; i < 3000; i += 50) await pair.check(`key:${i}`);
    await pair.remove('key:1');
    fails.write = null;
    await until('room again', () => pair.backend.warnings.length === 0);
    expect(await pair.onDisk()).toBeNull();
    expect(pair.store.refusal).toBeNull();
    await pair.restart();
    await pair.checkAll();
  });

  it('writes many deletions of everything together, and takes no more changes while many writes wait', async () => {
    let held = Promise.resolve();
    let writes = 0;
    pair.openDatabase = async (path) => {
      const database = await openDatabase(path);
      const { write } = database;
      database.write = (operations) => {
        writes++;
        return held.then(() => write.call(database, operations));
      };
      return database;
    };
    await pair.open();
    expect(await pair.onDisk()).toBeNull();
    writes = 0;
    for (let i = 0; i < 1000; i++) pair.clear();
    expect(await pair.onDisk()).toBeNull();
    expect(writes).toBeLessThan(20);
    let release = (): void => {};
    held = new Promise((resolve) => {
      release = resolve;
    });
    for (let i = 0; i < 100; i++) {
      await pair.put('key', 'value');
      pair.clear();
    }
    pair.store.endTurn();
    expect(pair.backend.congested).toBe(true);
    release();
    await until('written', () => !pair.backend.congested);
    expect(await pair.onDisk()).toBeNull();
    await pair.restart();
    await pair.checkAll();
  });

  it('says that it cannot list, rather than wait for room, when what comes before cannot be written', async () => {
    await pair.open();
    await fill(10, 50);
    expect(await pair.onDisk()).toBeNull();
    fails.write = ENOSPC;
    await pair.put('key', 'waits');
    await expect(pair.disk.list(0, 100)).rejects.toThrow('the disk takes no writes');
    await expect(pair.disk.list(0, 100)).rejects.toThrow('the disk takes no writes');
    fails.write = null;
    await until('room again', () => pair.backend.warnings.length === 0);
    await pair.checkAll();
  });

  it('reads what is there while the removal of other messages cannot be written', async () => {
    pair.maxMemoryBytes = 4 << 20;
    pair.tuning = { reserveBytes: 1 << 20 };
    await pair.open();
    await fill(2000, 2500);
    expect(await pair.onDisk()).toBeNull();
    fails.write = ENOSPC;
    fails.freeBytes = 0;
    for (let i = 0; i < 2000; i += 5) await pair.remove(`key:${i}`);
    expect(await pair.onDisk()).toBe('disk-full');
    const { reads } = pair.disk.counters();
    for (let i = 0; i < 2000; i++) {
      await pair.check(`key:${i}`);
      pair.store.endTurn();
    }
    expect(pair.disk.counters().reads - reads).toBeGreaterThan(500);
    expect(pair.store.refusal).toMatch(/^ENOSPC no space left/);
  });

  it('reads other messages while one of two with the same hash cannot be told from the other, whose removal cannot be written', async () => {
    pair.maxMemoryBytes = 4 << 20;
    pair.tuning = { reserveBytes: 1 << 20 };
    await pair.open();
    const texts = collidingKeys(300).map((key) => Buffer.from(key).toString('latin1'));
    const [gone, stuck] = texts.filter((key) => !/[\x80-\xff]/.test(key)) as [string, string];
    await pair.put(gone, 'v');
    await pair.put(stuck, 'v');
    await fill(2000, 2500);
    expect(await pair.onDisk()).toBeNull();
    fails.write = ENOSPC;
    fails.freeBytes = 0;
    await pair.remove(gone);
    expect(await pair.onDisk()).toBe('disk-full');
    // All others, twice: who was used once is forgotten the second time.
    for (let i = 0; i < 4000; i++) {
      await pair.check(`key:${i % 2000}`);
      pair.store.endTurn();
    }
    const isCold = (key: string): boolean => pair.disk.isCold(new Span(utf8(key)), 0, key.length);
    const other = [...pair.model.keys()].find((key) => key !== stuck && isCold(key)) as string;
    expect(isCold(stuck)).toBe(true);
    let isRead = false;
    const waits = pair.check(stuck);
    const reads = pair.check(other).then(() => {
      isRead = true;
    });
    await until('the other is read', () => isRead);
    expect(isCold(stuck)).toBe(true);
    fails = { ...WELL };
    await Promise.all([waits, reads]);
    await until('room again', () => pair.backend.warnings.length === 0);
  });

  it('acknowledges nothing as on disk after a failed sync until all of it is in new files', async () => {
    await pair.open();
    await fill(100, 50);
    expect(await pair.onDisk()).toBeNull();
    fails.sync = 'EIO';
    await pair.put('lost', 'with the machine');
    expect(await pair.onDisk()).toBe('disk-failed');
    expect(pair.backend.state).toBe('failing');
    fails.rewrite = 'EIO';
    fails.sync = null;
    const { retries } = pair.backend.counters;
    await until('tried again', () => pair.backend.counters.retries >= retries + 3);
    expect(pair.backend.state).toBe('failing');
    expect(await pair.onDisk()).toBe('disk-failed');
    fails.rewrite = null;
    await until('mended', () => pair.backend.state === 'ok');
    expect(await pair.onDisk()).toBeNull();
    await pair.restart();
    await pair.checkAll();
  });

  it('refuses what needs room at its disk budget, until messages are deleted', async () => {
    pair.maxDiskBytes = 3 << 20;
    await pair.open();
    let keys = 0;
    while (pair.store.refusal === null) {
      await pair.put(`key:${keys}`, Buffer.from(crypto.getRandomValues(new Uint8Array(600))).toString('hex'));
      if (keys++ % 20 === 0) {
        pair.store.endTurn();
        await turns(5);
      }
      expect(keys).toBeLessThan(20_000);
    }
    expect(pair.store.refusal).toMatch(/^ENOSPC .*store_disk/);
    expect(pair.store.lacks).toBe('disk');
    // What was deleted before it came into a table LevelDB throws out late.
    await pair.restart();
    for (let i = 0; i < keys; i++) if (i % 10 > 0) await pair.remove(`key:${i}`);
    await until(
      'room again',
      () => pair.store.refusal === null,
      () => pair.store.endTurn(),
    );
    await pair.restart();
    await pair.checkAll();
  });

  it('reports nothing as on disk before the sync has returned', async () => {
    pair.openDatabase = async (path) => {
      const database = await openDatabase(path);
      const { sync } = database;
      database.sync = () => held.then(() => sync.call(database));
      return database;
    };
    let held = Promise.resolve();
    await pair.open();
    let release = (): void => {};
    held = new Promise((resolve) => {
      release = resolve;
    });
    await pair.put('key', 'value');
    const { onDiskSequence } = pair.backend;
    const told = pair.onDisk();
    await until(
      'written',
      () => pair.backend.counters.queuedBytes === 0 && pair.backend.sink.waitingBytes === 0,
    );
    await turns(50);
    expect(pair.backend.onDiskSequence).toBe(onDiskSequence);
    release();
    expect(await told).toBeNull();
    expect(pair.backend.onDiskSequence).toBe(pair.backend.sequence);
  });

  it('loses nothing behind a failed removal of what was there before everything was deleted', async () => {
    await pair.open();
    await fill(200, 50);
    expect(await pair.onDisk()).toBeNull();
    fails.clear = EIO;
    pair.clear();
    await pair.put('first', 'after it');
    pair.store.endTurn();
    await until('failed', () => pair.backend.state === 'failing');
    await pair.put('second', 'while it fails');
    fails.clear = null;
    await until('mended', () => pair.backend.state === 'ok');
    expect(await pair.onDisk()).toBeNull();
    await pair.restart();
    await pair.checkAll();
  });

  it('brings nothing back that was there before everything was deleted, when that is written in parts and one fails', async () => {
    await pair.open();
    expect(await pair.onDisk()).toBeNull();
    // Of one batch: more than one call to LevelDB takes, then the deletion, then as much again.
    for (let i = 0; i < 300; i++) await pair.put(`before:${i}`, 'v');
    pair.clear();
    for (let i = 0; i < 300; i++) await pair.put(`after:${i}`, 'v');
    let calls = 0;
    onWrite = () => {
      fails.write = ++calls === 3 || calls === 5 ? ENOSPC : null;
    };
    await pair.onDisk();
    await until('tried again', () => calls >= 5);
    await pair.store.close();
    onWrite = () => {};
    fails.write = null;
    await pair.open();
    expect((await pair.listed(1000)).filter((key) => key.startsWith('before:'))).toEqual([]);
  });

  it('loses nothing behind a failed removal, at the start, of what has expired; and takes writes with no turn in between', async () => {
    await pair.open();
    await pair.put('over', 'soon', pair.nowMs + 10);
    await pair.put('stays', 'here');
    await pair.store.close();
    pair.nowMs += 1000;
    fails = { ...WELL, write: ENOSPC, once: true };
    await pair.open();
    expect(pair.backend.blocked).toMatch(/^MISCONF/);
    await pair.check('stays');
    await until('room again', () => pair.backend.blocked === null && pair.backend.refusal === null);
    await pair.put('new', 'value');
    expect(await pair.onDisk()).toBeNull();
    await pair.restart();
    await pair.checkAll();
  });

  it('leaves the directory to the next try when a start fails', async () => {
    await pair.open();
    await pair.store.close();
    fails.write = EIO;
    await expect(pair.open()).rejects.toThrow();
    fails.write = null;
    await pair.open();
    await fill(100, 50);
    expect(await pair.onDisk()).toBeNull();
    expect(reopened).toBe(0);
  });

  it('takes messages again, with no turn in between, when a full disk has room', async () => {
    pair.tuning = { reserveBytes: 1 << 20 };
    await pair.open();
    fails.freeBytes = 0;
    await pair.put('key', 'value');
    pair.store.endTurn();
    await until('no room', () => pair.backend.refusal !== null);
    fails.freeBytes = 1 << 30;
    await until('room', () => pair.backend.refusal === null);
  });

  it('gathers changes in one batch while nothing can be written', async () => {
    await pair.open();
    await pair.put('key', 'value');
    expect(await pair.onDisk()).toBeNull();
    fails.write = EIO;
    await pair.put('first', 'fails');
    expect(await pair.onDisk()).toBe('disk-failed');
    const { queuedBytes, retries } = pair.backend.counters;
    await pair.put('second', 'waits');
    await until(
      'tried again',
      () => pair.backend.counters.retries >= retries + 5,
      () => pair.store.endTurn(),
    );
    expect(pair.backend.counters.queuedBytes).toBe(queuedBytes);
    fails.write = null;
    await until('mended', () => pair.backend.state === 'ok');
    expect(await pair.onDisk()).toBeNull();
    await pair.restart();
    await pair.checkAll();
  });
});

describe('LevelDB', () => {
  it('does not say that what is in memory is in new files while the log of it is needed', async () => {
    await pair.open();
    const database = await openDatabase(join(directory, 'other'));
    await database.write([[Uint8Array.of(1), Uint8Array.of(2)]]);
    await database.rewrite();
    // As one that LevelDB keeps.
    await writeFile(join(directory, 'other', '999999.log'), '');
    await expect(database.rewrite()).rejects.toThrow('999999.log is still needed');
    await database.close();
  });
});

describe('a cache too small for what is asked at once', () => {
  it('keeps what it has room for until it was used, and reads no more', async () => {
    pair.maxMemoryBytes = 4 << 20;
    await pair.open();
    await fill(3000, 3000);
    expect(await pair.onDisk()).toBeNull();
    pair.disk.hold();
    const keys = [...pair.model.keys()].map(utf8);
    const isCold = (key: Uint8Array): boolean => pair.disk.isCold(new Span(key), 0, key.length);
    await new Promise<void>((done) => pair.disk.read(keys.filter(isCold), done));
    const cold = keys.filter(isCold).length;
    expect(cold).toBeGreaterThan(1000);
    expect(cold).toBeLessThan(2500);
    expect(pair.disk.isFull).toBe(true);
    expect(pair.store.table.heldBytes).toBeLessThan(1.3 * pair.maxMemoryBytes);
    for (let i = 0; i < 200; i++) pair.store.endTurn();
    expect(keys.filter(isCold).length).toBe(cold);
    pair.disk.letGo();
    for (let i = 0; i < 200; i++) pair.store.endTurn();
    expect(pair.disk.isFull).toBe(false);
    await pair.checkAll();
  });
});
