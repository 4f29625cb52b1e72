import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from './database.ts';
import { Pair, turns, until } from './testing/pair.ts';

let directory: string;
let pair: Pair;
/** What LevelDB is to say of writes and syncs; null: it works. */
let fails: { write: string | null; sync: string | null };

async function faulty(path: string): Promise<Database> {
  const database = await openDatabase(path);
  const { write, sync } = database;
  database.write = (operations) =>
    fails.write === null ? write.call(database, operations) : Promise.reject(new Error(fails.write));
  database.sync = () => (fails.sync === null ? sync.call(database) : Promise.reject(new Error(fails.sync)));
  return database;
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shoal-level-'));
  pair = new Pair(join(directory, 'store'));
  fails = { write: null, sync: null };
  pair.openDatabase = faulty;
});

afterEach(async () => {
  fails = { write: null, sync: null };
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
    fails.write = 'IO error: /d/000003.log: No space left on device';
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

  it('acknowledges nothing as on disk after a failed sync until all of it is in new files', async () => {
    await pair.open();
    await fill(100, 50);
    expect(await pair.onDisk()).toBeNull();
    fails.sync = 'EIO';
    await pair.put('lost', 'with the machine');
    expect(await pair.onDisk()).toBe('disk-failed');
    expect(pair.backend.state).toBe('failing');
    fails.sync = null;
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
    expect(pair.backend.warnings.join()).toContain('3145728 bytes');
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

  it('has what was reported on disk in a copy of its files, as a crash would leave them', async () => {
    await pair.open();
    await fill(500, 300);
    await pair.remove('key:7');
    expect(await pair.onDisk()).toBeNull();
    await cp(pair.directory, join(directory, 'copy'), { recursive: true });
    const copy = new Pair(join(directory, 'copy'));
    for (const [key, entry] of pair.model) copy.model.set(key, entry);
    await copy.open();
    await copy.checkAll();
    await copy.store.close();
  });
});

describe('a cache too small for what is asked at once', () => {
  it('keeps all of it until it has been used', async () => {
    pair.maxMemoryBytes = 4 << 20;
    await pair.open();
    await fill(3000, 3000);
    expect(await pair.onDisk()).toBeNull();
    pair.disk.hold();
    for (const key of pair.model.keys()) {
      await pair.check(key);
      pair.store.endTurn();
    }
    const { reads } = pair.disk.counters();
    for (const key of pair.model.keys()) await pair.check(key);
    expect(pair.disk.counters().reads).toBe(reads);
    pair.disk.letGo();
    for (let i = 0; i < 200; i++) pair.store.endTurn();
    expect(pair.store.table.heldBytes - pair.store.table.freeBytes).toBeLessThan(pair.maxMemoryBytes);
  });
});
