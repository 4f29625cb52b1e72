import { describe, expect, it } from 'vitest';
import { SeededRng } from '../../base/index.ts';
import { Life, turns } from './testing/life.ts';

/** One life: random work until it is ended in one of the ways given. */
async function work(life: Life, steps: number): Promise<void> {
  for (let i = 0; i < steps; i++) {
    life.step();
    if (life.rng.below(3) === 0) {
      life.endTurn();
      await turns(life.rng.below(6));
    }
  }
  life.endTurn();
}

async function end(life: Life, how: number): Promise<void> {
  const { backend } = life;
  if (how === 0) {
    await life.store.close();
    life.onDisk = life.changes.length;
  } else if (how === 1) life.disk.kill();
  else life.disk.crash(life.rng);
  if (how !== 0) await backend.close();
}

async function mended(life: Life): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (life.backend.state !== 'ok' || life.backend.warnings.length > 0) {
    expect(Date.now(), 'mended in time').toBeLessThan(deadline);
    life.endTurn();
    await turns(10);
  }
}

function named(seed: number, error: unknown): Error {
  return new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
}

describe('the log and crashes', { timeout: 180_000 }, () => {
  it('comes back as it was at one moment, not before what was reported on disk, whenever the power fails', async () => {
    let snapshots = 0;
    let cuts = 0;
    for (let seed = 1; seed <= 16; seed++) {
      const life = new Life(new SeededRng(seed));
      life.compress = seed % 4 === 0;
      try {
        for (let run = 0; run < 6; run++) {
          await life.open();
          life.checkMoment();
          await work(life, life.rng.below(120));
          snapshots += life.backend.counters.snapshots;
          await end(life, life.rng.below(4));
        }
      } catch (error) {
        throw named(seed, error);
      }
      cuts += life.words.filter((word) => word.includes('cut at byte')).length;
    }
    expect(snapshots).toBeGreaterThan(5);
    expect(cuts).toBeGreaterThan(2);
  });

  it('comes back when the power fails at any write, sync or rename of one history', async () => {
    for (let crashAt = 1, over = false; !over; crashAt++) {
      const life = new Life(new SeededRng(7));
      life.disk.crashAt = crashAt;
      try {
        await life.open().then(
          () => work(life, 70),
          () => {},
        );
        const opened = life.store !== undefined;
        over = life.disk.actions < crashAt;
        life.disk.crash(new SeededRng(crashAt));
        if (opened) await life.backend.close();
        await life.open();
        life.checkMoment();
        await work(life, 20);
        await life.store.close();
        life.onDisk = life.changes.length;
        await life.open();
        life.checkMoment();
        await life.store.close();
      } catch (error) {
        throw named(crashAt, error);
      }
    }
  });

  it('comes back after any one write, sync or other call failed, with all that was reported', async () => {
    let renewals = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const life = new Life(new SeededRng(seed));
      try {
        await life.open();
        const failAt = life.disk.actions + 1 + life.rng.below(40);
        const code = life.rng.below(3) === 0 ? 'ENOSPC' : 'EIO';
        const count = 1 + life.rng.below(4);
        life.disk.fail = () =>
          life.disk.actions >= failAt && life.disk.actions < failAt + count ? code : null;
        await work(life, 100);
        // Some are ended while the disk is not trusted yet.
        if (life.rng.below(3) > 0) {
          await mended(life);
          life.disk.fail = () => null;
          renewals += life.words.filter((word) => word.includes('whole again')).length;
          await work(life, 20);
          const waited = life.wait();
          life.endTurn();
          expect(await waited).toBeNull();
        }
        await end(life, 1 + life.rng.below(2));
        life.disk.fail = () => null;
        await life.open();
        life.checkKeys();
        await mended(life);
        await work(life, 20);
        await end(life, 2);
        await life.open();
        life.checkMoment();
        await life.store.close();
      } catch (error) {
        throw named(seed, error);
      }
    }
    expect(renewals).toBeGreaterThan(2);
  });
});
