import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { SeededRng, utf8 } from '../../base/index.ts';
import { Span } from '../span.ts';
import { Store, type StoreOptions } from '../store.ts';
import { Life, restart, turns, until } from './testing/life.ts';

describe('the log', () => {
  it('holds through restarts what a Map holds, with expiry', async () => {
    const life = new Life(new SeededRng(4), { compactFloorBytes: 30_000 });
    const model = new Map<string, { value: string; expiryMs: number }>();
    await life.open();
    for (let round = 0; round < 8; round++) {
      for (let i = 0; i < 150; i++) {
        const { table } = life.store;
        const key = `key:${life.rng.below(200)}`;
        const value = `${round}.${i}`;
        table.nowMs = life.nowMs;
        const found = table.lookup(new Span(utf8(key)), 0, key.length);
        const expiryMs = life.rng.below(3) === 0 ? life.nowMs + 1 + life.rng.below(4000) : 0;
        if (life.rng.below(4) > 0) {
          table.put(new Span(utf8(value)), 0, value.length, expiryMs);
          model.set(key, { value, expiryMs });
        } else if (found) {
          if (life.rng.below(2) === 0) {
            table.remove();
            model.delete(key);
          } else {
            table.setExpiry(expiryMs);
            const before = model.get(key);
            expect(before).toBeDefined();
            model.set(key, { value: before?.value ?? '', expiryMs });
          }
        }
        life.endTurn();
        if (i % 10 === 0) {
          await turns(2);
          life.nowMs += 100;
        }
      }
      await restart(life);
      life.store.table.nowMs = life.nowMs;
      const due = (expiryMs: number): boolean => expiryMs !== 0 && expiryMs <= life.nowMs;
      const live = [...model].filter(([, { expiryMs }]) => !due(expiryMs));
      const found = life.contents();
      expect(found.size).toBe(live.length);
      for (const [key, { value, expiryMs }] of live) {
        expect(found.get(key)).toBe(value);
        life.store.table.lookup(new Span(utf8(key)), 0, key.length);
        expect(life.store.table.expiryMs).toBe(expiryMs);
      }
    }
    await life.store.close();
  });

  it('writes in one batch, and syncs once, what came while the write before was under way', async () => {
    const life = new Life(new SeededRng(1));
    await life.open();
    const before = life.backend.counters;
    const waits: Promise<string | null>[] = [];
    for (let i = 0; i < 200; i++) {
      life.put(`key:${i}`, 50);
      waits.push(life.wait());
      life.endTurn();
    }
    expect(await Promise.all(waits)).toEqual(new Array(200).fill(null));
    expect(life.backend.counters.batches - before.batches).toBeLessThanOrEqual(3);
    expect(life.backend.counters.syncs - before.syncs).toBeLessThanOrEqual(3);
    await life.store.close();
  });

  it('writes nothing while nothing changes, and syncs what nobody waits for within a moment', async () => {
    const life = new Life(new SeededRng(1));
    await life.open();
    await until('all synced', () => life.backend.onDiskSequence === life.backend.sequence);
    const { actions } = life.disk;
    for (let i = 0; i < 50; i++) life.endTurn();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(life.disk.actions).toBe(actions);
    life.put('key', 10);
    life.endTurn();
    await until('all synced', () => life.backend.onDiskSequence === life.backend.sequence);
    await life.store.close();
  });

  it('keeps what comes slowly in one batch while the disk stands still', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const life = new Life(new SeededRng(1));
      await life.open();
      let go = (): void => {};
      life.disk.still = new Promise((resolve) => {
        go = resolve;
      });
      const { batches } = life.backend.counters;
      for (let i = 0; i < 20; i++) {
        life.put(`key:${i}`, 50);
        life.endTurn();
        vi.advanceTimersByTime(10);
        await turns(1);
      }
      life.disk.still = null;
      go();
      await until('all synced', () => {
        vi.advanceTimersByTime(10);
        return life.backend.onDiskSequence === life.backend.sequence;
      });
      expect(life.backend.counters.batches - batches).toBe(2);
      await life.store.close();
    } finally {
      vi.useRealTimers();
    }
  });

  it('says that nothing more should be changed while much waits, and when it may again', async () => {
    const life = new Life(new SeededRng(1), { queueBytes: 3 << 20 });
    await life.open();
    let calls = 0;
    life.backend.onRoom = () => calls++;
    let most = 0;
    for (let i = 0; i < 40; i++) {
      while (life.backend.congested) await turns(1);
      for (let k = 0; k < 20; k++) life.put(`key:${k}`, 50_000);
      life.endTurn();
      most = Math.max(most, life.backend.counters.queuedBytes);
    }
    expect(calls).toBeGreaterThan(2);
    expect(most).toBeLessThan(6 << 20);
    await restart(life);
    life.checkNow();
    await life.store.close();
  });

  it('keeps a key and a value of many megabytes', async () => {
    const life = new Life(new SeededRng(1), { compactFloorBytes: 1 << 20 });
    await life.open();
    life.put('k'.repeat(3_000_000), 9_000_000);
    life.put('other', 7_000_000);
    life.remove('other');
    life.put('x'.repeat(100_000), 1);
    life.remove('x'.repeat(100_000));
    await restart(life);
    life.checkNow();
    await life.store.close();
  });

  it('serves memory while the disk fails, tells whoever waits, and trusts the disk only after a snapshot of all', async () => {
    for (const failing of ['write', 'sync'] as const) {
      const life = new Life(new SeededRng(1));
      await life.open();
      for (let i = 0; i < 50; i++) life.put(`key:${i}`, 100);
      const first = life.wait();
      life.endTurn();
      expect(await first).toBeNull();
      let once = true;
      life.disk.fail = (what) => {
        const fails = what === failing && once;
        if (fails) once = false;
        return fails ? 'EIO' : null;
      };
      life.put('lost with the sync', 100);
      const second = life.wait();
      life.endTurn();
      expect(await second).toBe('disk-failed');
      expect(life.backend.state).toBe('failing');
      expect(life.store.refusal).toBeNull();
      life.put('in memory', 100);
      expect(await life.wait()).toBe('disk-failed');
      await until('mended', () => {
        life.endTurn();
        return life.backend.state === 'ok';
      });
      expect(life.backend.counters.snapshots).toBe(1);
      const third = life.wait();
      life.endTurn();
      expect(await third).toBeNull();
      life.disk.crash(new SeededRng(2));
      await life.backend.close();
      await life.open();
      life.checkMoment();
      await life.store.close();
    }
  });

  it('closes the file, too, that it was making when it was closed', async () => {
    const life = new Life(new SeededRng(1));
    await life.open();
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    life.disk.fail = (what) => {
      // The new log's header waits.
      if (what === 'create') life.disk.still = gate;
      return what === 'write' ? 'EIO' : null;
    };
    life.put('lost', 100);
    const told = life.wait();
    life.endTurn();
    expect(await told).toBe('disk-failed');
    await until('a new log', () => life.disk.still !== null);
    life.disk.fail = () => null;
    const closed = life.store.close();
    await turns(5);
    life.disk.still = null;
    go();
    await closed;
    await turns(20);
    expect(life.disk.open.size).toBe(0);
  });

  it('takes a snapshot when it is asked to, one at a time', async () => {
    const life = new Life(new SeededRng(9), { compactFloorBytes: 1 << 30 });
    await life.open();
    for (let i = 0; i < 100; i++) life.put(`key:${i}`, 100);
    expect(life.backend.savedMs).toBeNull();
    expect(life.backend.save()).toBe(true);
    expect(life.backend.saving).toBe(true);
    expect(life.backend.save()).toBe(false);
    await until('saved', () => !life.backend.saving);
    expect(life.backend.savedMs).toBe(life.nowMs);
    expect(life.disk.list('/d')).toEqual(['log.2', 'snapshot.2']);
    await restart(life);
    life.checkNow();
    await life.store.close();
  });

  it('compacts while changes go on, and leaves one snapshot and one log', async () => {
    const life = new Life(new SeededRng(9), { compactFloorBytes: 20_000 });
    await life.open();
    for (let i = 0; i < 1500; i++) {
      life.put(`key:${life.rng.below(50)}`, life.rng.below(200));
      if (life.rng.below(5) === 0) life.remove(`key:${life.rng.below(50)}`);
      life.endTurn();
      await turns(life.rng.below(2));
    }
    expect(life.backend.counters.snapshots).toBeGreaterThan(2);
    await restart(life);
    life.checkNow();
    const names = life.disk.list('/d');
    expect(names.filter((name) => name.startsWith('snapshot.'))).toHaveLength(1);
    await life.store.close();
  });
});

describe('the log on a real disk', () => {
  it('comes back, private to its user', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'shoal-store-'));
    try {
      const options: StoreOptions = {
        backend: 'log',
        directory: join(directory, 'store'),
        maxMemoryBytes: 0,
        maxDiskBytes: 0,
        compress: true,
        salvage: false,
        notices: { info: () => {}, warn: () => {} },
        nowMs: 1,
      };
      let store = await Store.open(options);
      for (let i = 0; i < 20_000; i++) {
        const key = utf8(`key:${i}`);
        store.table.lookup(new Span(key), 0, key.length);
        store.table.put(new Span(key), 0, key.length, 0);
      }
      await new Promise<void>((resolve, reject) => {
        store.backend.whenOnDisk(store.backend.sequence, (error) =>
          error === null ? resolve() : reject(error),
        );
        store.endTurn();
      });
      await store.close();
      expect(await readdir(options.directory)).toEqual(['log.1']);
      store = await Store.open(options);
      expect(store.table.size).toBe(20_000);
      await store.close();
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
