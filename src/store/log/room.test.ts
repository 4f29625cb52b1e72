import { describe, expect, it } from 'vitest';
import { SeededRng } from '../../base/index.ts';
import { Life, restart, turns, until } from './testing/life.ts';

/** Half of the log is garbage, and a snapshot of the other half has no room. */
async function nearlyFull(): Promise<Life> {
  const life = new Life(new SeededRng(1), { compactFloorBytes: 1 << 30 });
  await life.open();
  for (let i = 0; i < 400; i++) life.put(`key:${i % 200}`, 1000);
  life.endTurn();
  await until('all synced', () => life.backend.onDiskSequence === life.backend.sequence);
  life.disk.sizeBytes = life.backend.counters.diskBytes + 100_000;
  return life;
}

describe('the log on a disk that has no room', () => {
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
    const life = await nearlyFull();
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
    const life = await nearlyFull();
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
});
