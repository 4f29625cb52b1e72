import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Rng, SeededRng } from '../../base/index.ts';
import { silentLog } from '../log.ts';
import { MemoryDisk } from '../testing/memory-disk.ts';
import { StateDirectory } from './directory.ts';
import type { DiskError } from './errors.ts';

/** The real directory that the lock needs; the files are in memory. */
let path: string;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'shoal-crash-'));
});

afterEach(async () => {
  vi.useRealTimers();
  await rm(path, { recursive: true, force: true });
});

const number = (record: Uint8Array): number => Buffer.from(record).readUInt32BE();
function record(n: number): Uint8Array {
  const bytes = Buffer.alloc(4 + (n % 50));
  bytes.writeUInt32BE(n);
  return bytes;
}

const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** A user of the state directory that knows what it was promised, over any number of lives. */
class Life {
  readonly disk = new MemoryDisk();
  readonly rng: Rng;
  readonly promised = new Set<number>();
  readonly submitted = new Set<number>();
  /** What the running process holds in memory: what a snapshot contains. */
  held = new Set<number>();
  lastRecord = 0;
  nextCounter = 0;
  usedCounter = 0;
  usedIncarnation = 0;

  constructor(rng: Rng) {
    this.rng = rng;
  }

  async open(): Promise<StateDirectory> {
    const { state, boot } = await StateDirectory.open(path, { log: silentLog, disk: this.disk.session() });
    expect(boot.leaseFrom).toBeGreaterThan(this.usedCounter);
    expect(boot.incarnation).toBeGreaterThan(this.usedIncarnation);
    this.held = new Set(boot.journal.map(number));
    const snapshot = Buffer.from(boot.snapshot ?? []);
    for (let at = 0; at < snapshot.length; at += 4) this.held.add(snapshot.readUInt32BE(at));
    for (const n of this.promised) expect(this.held.has(n), `record ${n} is still there`).toBe(true);
    for (const n of this.held) expect(this.submitted.has(n), `record ${n} was once written`).toBe(true);
    this.usedIncarnation = boot.incarnation;
    this.nextCounter = boot.leaseFrom;
    return state;
  }

  snapshotBytes(): Uint8Array {
    const bytes = Buffer.alloc(4 * this.held.size);
    let at = 0;
    for (const n of this.held) at = bytes.writeUInt32BE(n, at);
    return bytes;
  }

  step(state: StateDirectory, leased: { upTo: number }): void {
    const kind = this.rng.below(10);
    const n = ++this.lastRecord;
    if (kind < 5) {
      this.submitted.add(n);
      this.held.add(n);
      state.persist(record(n), (error) => {
        if (error === null) this.promised.add(n);
      });
      if (this.nextCounter < leased.upTo) this.usedCounter = this.nextCounter++;
    } else if (kind < 7) {
      this.submitted.add(n);
      this.held.add(n);
      state.note(record(n));
    } else if (kind < 8) {
      state.lease(leased.upTo + 10, (upTo, error) => {
        if (error === null) leased.upTo = Math.max(leased.upTo, upTo);
      });
    } else if (kind < 9) {
      this.usedIncarnation += this.rng.below(3);
      state.incarnationUsed(this.usedIncarnation);
    } else {
      state.snapshot(this.snapshotBytes());
    }
  }
}

describe('state directory and crashes', () => {
  it('keeps every promise whatever moment the power fails', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const life = new Life(new SeededRng(seed));
      try {
        for (let run = 0; run < 6; run++) {
          const state = await life.open();
          // Only half of a lease is used before more is there, so that some leases are crossed and some wasted.
          const leased = { upTo: life.nextCounter + 4 };
          const steps = life.rng.below(40);
          for (let i = 0; i < steps; i++) {
            life.step(state, leased);
            await turns(life.rng.below(4));
          }
          if (life.rng.below(4) === 0) {
            const snapshot = life.rng.below(2) === 0 ? life.snapshotBytes() : null;
            await state.close({ nextCounter: life.nextCounter, incarnation: life.usedIncarnation, snapshot });
            for (const n of life.held) life.promised.add(n);
          } else {
            life.disk.crash(life.rng);
            await state.abandon();
          }
        }
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
  });

  it('starts whatever moment the power failed during the start', async () => {
    for (let seed = 1; seed <= 80; seed++) {
      const rng = new SeededRng(seed);
      const life = new Life(rng);
      for (let i = 0; i < 3; i++) {
        const opening = StateDirectory.open(path, { log: silentLog, disk: life.disk.session() }).then(
          ({ state }) => state.abandon(),
          () => {},
        );
        await turns(rng.below(60));
        life.disk.crash(rng);
        await opening;
      }
      await (await life.open()).abandon();
    }
  });

  it.each([
    ['ENOSPC', 'disk-full'],
    ['EDQUOT', 'disk-full'],
    ['EIO', 'disk-failed'],
  ])('refuses changes on %s as %s, leaves nothing torn, and goes on when it is over', async (errno, code) => {
    for (const failing of ['write', 'sync'] as const) {
      const disk = new MemoryDisk();
      const { state } = await StateDirectory.open(path, { log: silentLog, disk: disk.session() });
      const persist = (n: number) =>
        new Promise<DiskError | null>((resolve) => state.persist(record(n), resolve));
      expect(await persist(1)).toBeNull();
      disk.fail = (what, file) => (what === failing && file.includes('journal') ? errno : null);
      const refused = await persist(2);
      expect(refused).toMatchObject({ code });
      expect(refused?.message).toContain(path);
      expect(state.journal.failing).toBe(true);
      disk.fail = () => null;
      expect(await persist(3)).toBeNull();
      expect(state.journal.failing).toBe(false);
      await state.abandon();
      const { state: next, boot } = await StateDirectory.open(path, { log: silentLog, disk: disk.session() });
      expect(boot.journal.map(number)).toEqual([1, 3]);
      await next.abandon();
    }
  });

  it('repairs the tail before it writes again when even the repair was refused', async () => {
    const disk = new MemoryDisk();
    const { state } = await StateDirectory.open(path, { log: silentLog, disk: disk.session() });
    const persist = (n: number) =>
      new Promise<DiskError | null>((resolve) => state.persist(record(n), resolve));
    disk.fail = (what) => (what === 'write' || what === 'truncate' ? 'EIO' : null);
    expect(await persist(49)).not.toBeNull();
    disk.fail = () => null;
    expect(await persist(50)).toBeNull();
    await state.abandon();
    expect((await disk.read(join(path, 'journal.0')))?.length).toBe(8 + 8 + 4);
    const { state: next, boot } = await StateDirectory.open(path, { log: silentLog, disk: disk.session() });
    expect(boot.journal.map(number)).toEqual([50]);
    await next.abandon();
  });

  it('keeps notes that a full disk refused and writes them when there is room', async () => {
    const disk = new MemoryDisk();
    const { state } = await StateDirectory.open(path, { log: silentLog, disk: disk.session() });
    disk.fail = (what) => (what === 'write' ? 'ENOSPC' : null);
    state.note(record(1));
    await new Promise<void>((resolve) => state.persist(record(2), () => resolve()));
    disk.fail = () => null;
    await state.close({ nextCounter: 1, incarnation: 1, snapshot: null });
    const { state: next, boot } = await StateDirectory.open(path, { log: silentLog, disk: disk.session() });
    expect(boot.journal.map(number)).toEqual([1]);
    await next.abandon();
  });

  it('loses nothing when snapshots fail', async () => {
    for (const failing of ['create', 'write', 'sync', 'rename'] as const) {
      const disk = new MemoryDisk();
      const { state } = await StateDirectory.open(path, { log: silentLog, disk: disk.session() });
      const persist = (n: number) =>
        new Promise<DiskError | null>((resolve) => state.persist(record(n), resolve));
      await persist(1);
      disk.fail = (what, file) => (what === failing && file.includes('snapshot') ? 'ENOSPC' : null);
      for (let n = 2; n < 5; n++) {
        state.snapshot(new Uint8Array(4));
        expect(await persist(n)).toBeNull();
      }
      await turns(50);
      expect(state.changed).toBe(true);
      await state.abandon();
      const { state: next, boot } = await StateDirectory.open(path, { log: silentLog, disk: disk.session() });
      expect(boot.snapshot).toBeNull();
      expect(boot.journal.map(number)).toEqual([1, 2, 3, 4]);
      await next.abandon();
    }
  });

  it('refuses a lease that could not be written, and gives it when it can', async () => {
    const disk = new MemoryDisk();
    const { state } = await StateDirectory.open(path, { log: silentLog, disk: disk.session() });
    const lease = () =>
      new Promise<DiskError | null>((resolve) => state.lease(9999, (_upTo, error) => resolve(error)));
    disk.fail = (what) => (what === 'rename' ? 'EROFS' : null);
    expect(await lease()).toMatchObject({ code: 'disk-failed' });
    disk.fail = () => null;
    expect(await lease()).toBeNull();
    await state.abandon();
  });

  it('says at start that the disk is full or not writable', async () => {
    for (const [errno, code] of [
      ['ENOSPC', 'state-full'],
      ['EACCES', 'state-unwritable'],
      ['EROFS', 'state-unwritable'],
    ]) {
      const disk = new MemoryDisk();
      disk.fail = (what) => (what === 'create' ? (errno ?? null) : null);
      const error = await StateDirectory.open(path, { log: silentLog, disk: disk.session() }).catch(
        (e: unknown) => e,
      );
      expect(error).toMatchObject({ code, field: 'data-dir' });
      expect((error as Error).message).toContain(path);
    }
  });

  it('writes notes within a second, and nothing at all while nothing is appended', async () => {
    const disk = new MemoryDisk();
    const { state } = await StateDirectory.open(path, { log: silentLog, disk: disk.session() });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    state.note(record(1));
    await turns(5);
    const before = disk.changes;
    vi.advanceTimersByTime(1000);
    await turns(20);
    expect(disk.changes).toBe(before + 1);
    for (let hour = 0; hour < 24; hour++) {
      vi.advanceTimersByTime(3_600_000);
      await turns(5);
    }
    expect(disk.changes).toBe(before + 1);
    await state.abandon();
  });

  it('meets a file system that is really full', async ({ skip }) => {
    const mount = join(path, 'small');
    try {
      execFileSync('mkdir', [mount]);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', mount], { stdio: 'ignore' });
    } catch {
      skip('mounting needs root');
    }
    try {
      const { state } = await StateDirectory.open(mount, { log: silentLog });
      const persist = (bytes: number) =>
        new Promise<DiskError | null>((resolve) => state.persist(new Uint8Array(bytes), resolve));
      const ballast = join(mount, 'ballast');
      await writeFile(ballast, new Uint8Array(12_000));
      let accepted = 0;
      while ((await persist(3000)) === null) accepted++;
      expect(accepted).toBeGreaterThan(5);
      expect(await persist(30_000)).toMatchObject({ code: 'disk-full' });
      await state.abandon();
      const restart = StateDirectory.open(mount, { log: silentLog });
      await expect(restart).rejects.toMatchObject({ code: 'state-full' });
      await rm(ballast);
      const { state: next, boot } = await StateDirectory.open(mount, { log: silentLog });
      expect(boot.journal.map((one) => one.length)).toEqual(Array(accepted).fill(3000));
      await next.abandon();
    } finally {
      execFileSync('umount', [mount]);
    }
  });
});
