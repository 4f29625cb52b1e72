import { describe, expect, it } from 'vitest';
import { SeededRng } from '../../base/index.ts';
import { BATCH_MAGIC } from './format.ts';
import { Life, turns } from './testing/life.ts';

/** A store with some batches, each synced before the next. */
async function written(seed: number, changes = 30): Promise<Life> {
  const life = new Life(new SeededRng(seed), { compactFloorBytes: 1 << 30 });
  await life.open();
  for (let i = 0; i < changes; i++) {
    life.put(`key:${i % 20}`, 20 + life.rng.below(300));
    const waited = life.wait();
    life.endTurn();
    expect(await waited).toBeNull();
  }
  return life;
}

async function closed(seed: number): Promise<Life> {
  const life = await written(seed);
  await life.store.close();
  life.onDisk = life.changes.length;
  return life;
}

/** Where batches begin. */
function starts(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: number[] = [];
  for (let at = 48; at + 4 <= bytes.length; at += 16)
    if (view.getInt32(at, true) === BATCH_MAGIC) found.push(at);
  return found;
}

describe('a damaged log', () => {
  it('is never read as something that was not written, whichever bit flips', async () => {
    let refused = 0;
    let cut = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const life = await closed(3);
      const bytes = life.disk.bytes('/d/log.1');
      const last = starts(bytes).at(-1) as number;
      const rng = new SeededRng(seed);
      const at = rng.below(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << rng.below(8));
      const error = await life.open().catch((reason: unknown) => reason);
      if (error === undefined) {
        // Nothing but the mark of a clean end is in the last batch.
        expect(at).toBeGreaterThanOrEqual(last);
        expect(life.words.join()).toContain(
          `/d/log.1 ends in a batch whose checksum is wrong: cut at byte ${last}`,
        );
        expect(life.backend.warnings.join()).toContain('acknowledged as on disk may have been');
        life.checkMoment();
        await life.store.close();
        cut++;
      } else {
        expect(error).toMatchObject({ code: 'store-damaged', field: 'store-dir' });
        expect((error as Error).message).toMatch(
          /log\.1 is damaged at byte \d+ .*: restore it from a backup, or /,
        );
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(10);
    expect(cut).toBeGreaterThan(2);
  });

  it('is cut where a write was torn, with its name and byte, and goes on from there', async () => {
    for (let seed = 1; seed <= 25; seed++) {
      const life = await written(seed, 10);
      const whole = life.disk.bytes('/d/log.1').length;
      life.disk.kill();
      await life.backend.close();
      const before = starts(life.disk.bytes('/d/log.1')).at(-1) as number;
      const length = before + 1 + life.rng.below(whole - before - 1);
      life.disk.cut('/d/log.1', length);
      life.onDisk--;
      await life.open();
      life.checkMoment();
      expect(life.words.join()).toContain(
        `/d/log.1 ends in the middle of a write (the process or the machine stopped): cut at byte ${before}, ${length - before} bytes less`,
      );
      life.put('after', 100);
      await life.store.close();
      life.onDisk = 1;
      await life.open();
      life.checkMoment();
      await life.store.close();
    }
  });

  it('is refused when a batch is missing, or a whole log, or comes from another file', async () => {
    const cases: [RegExp, (life: Life) => void][] = [
      [
        /log\.1 is damaged at byte/,
        (life) => {
          const bytes = life.disk.bytes('/d/log.1');
          const [, second, third] = starts(bytes) as [number, number, number];
          const rest = bytes.slice(third);
          bytes.set(rest, second);
          life.disk.cut('/d/log.1', second + rest.length);
        },
      ],
      [/log\.1 is missing: put it back/, (life) => life.disk.remove('/d/log.1')],
      [/log\.1 is damaged at byte 0 \(its header\)/, (life) => life.disk.bytes('/d/log.1').fill(7, 0, 6)],
    ];
    for (const [message, harm] of cases) {
      const life = await closed(5);
      const other = await closed(6);
      harm(life);
      if (message.source.includes('missing')) {
        // A later log is what says that there was one.
        const disk = life.disk.session();
        const file = await disk.create('/d/log.2');
        await file.write(other.disk.bytes('/d/log.1').slice(), 0);
      }
      await expect(life.open()).rejects.toMatchObject({
        code: 'store-damaged',
        message: expect.stringMatching(message),
      });
    }
  });

  it('says so when a newer version wrote it', async () => {
    const life = await closed(5);
    life.disk.bytes('/d/log.1')[6] = 0x32;
    await expect(life.open()).rejects.toMatchObject({
      code: 'store-newer',
      message: expect.stringContaining('written by a newer version of shoal (format 2)'),
    });
  });

  it('is refused when its snapshot is damaged anywhere', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const life = new Life(new SeededRng(2), { compactFloorBytes: 1000 });
      await life.open();
      while (life.backend.counters.snapshots === 0) {
        life.put(`key:${life.rng.below(30)}`, 200);
        life.endTurn();
        await turns(3);
      }
      await life.store.close();
      const name = life.disk.list('/d').find((one) => one.startsWith('snapshot.')) as string;
      const bytes = life.disk.bytes(`/d/${name}`);
      const rng = new SeededRng(seed);
      if (seed % 2 === 0) life.disk.cut(`/d/${name}`, rng.below(bytes.length));
      else {
        const at = rng.below(bytes.length);
        bytes[at] = (bytes[at] as number) ^ (1 << rng.below(8));
      }
      await expect(life.open()).rejects.toMatchObject({
        code: expect.stringMatching(/store-(damaged|newer)/),
        message: expect.stringContaining(name),
      });
    }
  });
});
