import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { SeededRng, utf8 } from '../../base/index.ts';
import { Span } from '../span.ts';
import { Store, type StoreOptions } from '../store.ts';
import { Life, turns, until } from './testing/life.ts';

/** Ends the process, and starts again with the same disk. */
async function restart(life: Life): Promise<void> {
  await life.store.close();
  await life.open();
}

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

  it.each([
    ['its disk budget', /^ENOSPC .*store_disk/, /^$/],
    [
      'what the file system has left',
      /^ENOSPC no space left/,
      /no space left in \/d for the store's next snapshot/,
    ],
  ])(
    'refuses what needs room at %s, before anything is applied, until messages are deleted',
    async (bound, refusal, warning) => {
      const life = new Life(new SeededRng(1), { compactFloorBytes: 1 << 30 });
      if (bound === 'its disk budget') life.maxDiskBytes = 400_000;
      // Two megabytes are left alone.
      else life.disk.sizeBytes = 400_000 + (2 << 20);
      await life.open();
      let keys = 0;
      while (life.store.refusal === null) {
        life.put(`key:${keys++}`, 1000);
        life.endTurn();
        await turns(1);
      }
      expect(life.store.refusal).toMatch(refusal);
      expect(life.backend.state).toBe('full');
      expect(life.store.lacks).toBe('disk');
      expect(life.backend.warnings.join()).toMatch(warning);
      // Without garbage, messages take half of it: a snapshot of all must fit beside them.
      expect(keys).toBeGreaterThan(150);
      expect(life.backend.counters.diskBytes).toBeLessThan(400_000);
      for (let i = 0; i < keys; i += 2) life.remove(`key:${i}`);
      await until('room again', () => {
        life.endTurn();
        return life.store.refusal === null;
      });
      // Writing the rest over and over needs no more room, but for garbage, which goes.
      for (let i = 0; i < 1000; i++) {
        life.put(`key:${1 + 2 * (i % (keys >> 1))}`, 1000);
        await until('room after a snapshot', () => {
          life.endTurn();
          return life.store.refusal === null;
        });
      }
      expect(life.backend.counters.snapshots).toBeGreaterThan(1);
      await restart(life);
      life.checkNow();
      await life.store.close();
    },
  );

  it('takes changes again when a snapshot has made room, though nothing else happens', async () => {
    const life = new Life(new SeededRng(1), { compactFloorBytes: 1 << 30 });
    life.maxDiskBytes = 400_000;
    await life.open();
    for (let i = 0; life.backend.refusal === null; i++) {
      life.put(`key:${i % 50}`, 1000);
      life.endTurn();
    }
    await until('room again', () => life.backend.refusal === null);
    expect(life.backend.counters.snapshots).toBe(1);
    await life.store.close();
  });

  it('takes no snapshot after the other of an empty store on a disk with hardly any room', async () => {
    const life = new Life(new SeededRng(1));
    life.disk.sizeBytes = 1 << 20;
    await life.open();
    await until('looked often', () => {
      life.endTurn();
      return life.disk.looks >= 50;
    });
    expect(life.backend.counters.snapshots).toBeLessThanOrEqual(1);
    await life.store.close();
  });

  it('begins no snapshot that has no room, until messages are deleted', async () => {
    const life = new Life(new SeededRng(1), { compactFloorBytes: 1 << 30 });
    await life.open();
    for (let i = 0; i < 400; i++) life.put(`key:${i % 200}`, 1000);
    life.endTurn();
    await until('all synced', () => life.backend.onDiskSequence === life.backend.sequence);
    life.disk.sizeBytes = life.backend.counters.diskBytes + 100_000;
    const { looks } = life.disk;
    await until('looked often', () => {
      life.endTurn();
      return life.disk.looks >= looks + 50;
    });
    expect(life.store.refusal).toMatch(/^ENOSPC no space left/);
    expect(life.disk.list('/d')).toEqual(['log.1']);
    for (let i = 0; i < 150; i++) life.remove(`key:${i}`);
    await until('a snapshot', () => {
      life.endTurn();
      return life.backend.counters.snapshots > 0 && !life.backend.saving;
    });
    expect(life.disk.list('/d')).toEqual(['log.2', 'snapshot.2']);
    await life.store.close();
  });

  it('begins no log after the other while it is not to be trusted and there is no room for the snapshot that would mend it', async () => {
    const life = new Life(new SeededRng(1), { compactFloorBytes: 1 << 30 });
    await life.open();
    for (let i = 0; i < 400; i++) life.put(`key:${i % 200}`, 1000);
    life.endTurn();
    await until('all synced', () => life.backend.onDiskSequence === life.backend.sequence);
    life.disk.sizeBytes = life.backend.counters.diskBytes + 100_000;
    life.disk.fail = (operation) => (operation === 'sync' ? 'EIO' : null);
    life.put('more', 100);
    const told = life.wait();
    life.endTurn();
    expect(await told).toBe('disk-failed');
    life.disk.fail = () => null;
    const looked = (many: number): Promise<void> => {
      const { looks } = life.disk;
      return until('looked often', () => {
        life.endTurn();
        return life.disk.looks >= looks + many;
      });
    };
    await looked(10);
    const names = life.disk.list('/d');
    await looked(100);
    expect(life.disk.list('/d')).toEqual(names);
    life.disk.sizeBytes = Infinity;
    await until('mended', () => life.backend.warnings.length === 0 && !life.backend.saving);
    await restart(life);
    life.checkNow();
    await life.store.close();
  });

  it('does not take a snapshot that is begun while it asks what room there is for the bytes of others', async () => {
    const life = new Life(new SeededRng(1), { compactFloorBytes: 1 << 30 });
    await life.open();
    for (let i = 0; i < 200; i++) life.put(`key:${i}`, 1000);
    life.endTurn();
    await until('all synced', () => life.backend.onDiskSequence === life.backend.sequence);
    const { diskBytes } = life.backend.counters;
    // Room for both, and the two megabytes that are left alone.
    life.disk.sizeBytes = 2.5 * diskBytes + (2 << 20);
    let tell = (): void => {};
    life.disk.measured = new Promise((resolve) => {
      tell = resolve;
    });
    const { looks } = life.disk;
    await until('asked', () => life.disk.looks > looks);
    life.backend.save();
    await until('most of the snapshot', () => {
      const isThere = life.disk.list('/d').includes('snapshot.2.tmp');
      return isThere && life.disk.bytes('/d/snapshot.2.tmp').length > 0.9 * diskBytes;
    });
    life.disk.measured = null;
    tell();
    await until('saved', () => {
      expect(life.backend.refusal).toBeNull();
      return !life.backend.saving;
    });
    await life.store.close();
  });

  it('keeps what a full disk refused and writes it when there is room; whoever waits is told', async () => {
    const life = new Life(new SeededRng(1));
    await life.open();
    life.put('before', 100);
    const first = life.wait();
    life.endTurn();
    expect(await first).toBeNull();
    life.disk.fail = (what) => (what === 'write' ? 'ENOSPC' : null);
    life.put('refused', 100);
    const second = life.wait();
    life.endTurn();
    expect(await second).toBe('disk-full');
    life.endTurn();
    expect(life.store.refusal).toMatch(/^ENOSPC no space left/);
    expect(life.store.blocked).toBeNull();
    expect(await life.wait()).toBe('disk-full');
    life.remove('before');
    life.endTurn();
    life.disk.fail = () => null;
    await until('room again', () => life.backend.warnings.length === 0);
    life.endTurn();
    expect(life.store.refusal).toBeNull();
    const third = life.wait();
    life.endTurn();
    expect(await third).toBeNull();
    life.disk.crash(new SeededRng(1));
    await life.backend.close();
    await life.open();
    life.checkMoment();
    await life.store.close();
  });

  it('takes changes again when there is room, though a snapshot was asked for on the full disk and nothing else happens', async () => {
    const life = new Life(new SeededRng(1));
    await life.open();
    life.disk.fail = (what) => (what === 'write' ? 'ENOSPC' : null);
    life.put('refused', 100);
    const told = life.wait();
    life.endTurn();
    expect(await told).toBe('disk-full');
    expect(life.backend.save()).toBe(true);
    life.disk.fail = () => null;
    await until('saved', () => !life.backend.saving);
    await until('room again', () => life.backend.refusal === null);
    await life.store.close();
  });

  it('starts on a full disk, to be read, and takes changes when there is room', async () => {
    const life = new Life(new SeededRng(1));
    await life.open();
    life.put('key', 100);
    await life.store.close();
    life.disk.fail = (what) => (what === 'write' ? 'ENOSPC' : null);
    await life.open();
    life.checkNow();
    expect(life.store.blocked).toMatch(/^MISCONF/);
    expect([life.store.full, life.store.lacks]).toEqual([true, null]);
    life.disk.fail = () => null;
    await until('room again', () => {
      life.endTurn();
      return life.store.blocked === null && life.store.refusal === null;
    });
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
