import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SeededRng } from '../../base/index.ts';
import { Pair, turns } from './testing/pair.ts';

let directory: string;
let pair: Pair;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shoal-level-'));
  pair = new Pair(join(directory, 'store'));
});

afterEach(async () => {
  await pair.store?.close();
  await rm(directory, { recursive: true });
});

describe('the leveldb back end', () => {
  it('lists no more at once than some bytes, whatever is asked for', async () => {
    await pair.open();
    for (let i = 0; i < 100; i++) await pair.put(`key:${i}`, 'v'.repeat(50_000));
    const { found } = await pair.disk.list(0, 20_000);
    expect(found.length).toBeGreaterThan(15);
    expect(found.length).toBeLessThan(30);
    expect((await pair.listed(20_000)).length).toBe(100);
  });

  it.each([1, 2])(
    'holds through restarts what a Map holds, several times its memory, seed %i',
    async (seed) => {
      const rng = new SeededRng(seed);
      pair.maxMemoryBytes = 4 << 20;
      await pair.open();
      let evicted = 0;
      let reads = 0;
      for (let run = 0; run < 2; run++) {
        for (let step = 0; step < 5000; step++) {
          const key = rng.below(3) === 0 ? `{tag}${rng.below(1000)}` : `key:${rng.below(4000)}`;
          const kind = rng.below(20);
          const expiryMs = rng.below(4) === 0 ? pair.nowMs + 1 + rng.below(5000) : 0;
          if (kind < 12) {
            const size = rng.below(600) === 0 ? 60_000 + rng.below(100_000) : rng.below(5200);
            await pair.put(key, `${step}.`.padEnd(size, 'v'), expiryMs);
          } else if (kind < 14) await pair.remove(key);
          else if (kind === 14) await pair.expire(key, expiryMs);
          else await pair.check(key);
          if (step % 20 === 0) pair.store.endTurn();
          if (step % 100 === 0) pair.nowMs += 20;
          if (step % 200 === 0) pair.store.reaper.run(pair.nowMs);
          if (step % 300 === 0) await turns(1);
          if (step === 2500 && run === 1) pair.clear();
        }
        await pair.checkAll();
        evicted += pair.disk.counters().evicted;
        reads += pair.disk.counters().reads;
        expect(pair.store.table.heldBytes).toBeLessThan(1.1 * pair.maxMemoryBytes);
        await pair.restart();
        await pair.checkAll();
      }
      expect(evicted).toBeGreaterThan(300);
      expect(reads).toBeGreaterThan(300);
    },
  );
});
