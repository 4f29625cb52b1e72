import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Beside } from './beside.ts';
import { sequences } from './commands.ts';
import type { Words } from './connection.ts';
import { answersDiffer, dataDiffer } from './difference.ts';
import { OursOnDisk } from './ours.ts';
import { isMissing, PATIENCE_MS, RUNS, SEED } from './runs.ts';

/** A run with its two restarts takes as long as so many without. */
const PART = 25;
const RUNS_ON_DISK = Math.ceil(RUNS / PART);

/** The random commands go to ours on disk and to redis-server; ours is stopped and started between some of them, redis-server never. */
describe.skipIf(isMissing).each(['log', 'leveldb'] as const)('on %s beside redis-server', (kind) => {
  const ours = new OursOnDisk(kind);
  const beside = new Beside(ours);

  const commands = sequences(15);
  const lives = fc.tuple(commands, commands, commands, commands);

  async function difference([first, second, third, last]: readonly (readonly Words[])[], protocol: number) {
    const before = await beside.with(protocol, async (a, b) => {
      const found = await answersDiffer(a, b, [['FLUSHALL'], ...(first ?? [])]);
      ours.save();
      return found ?? (await answersDiffer(a, b, second ?? [])) ?? (await dataDiffer(a, b));
    });
    if (before !== null) return before;
    await ours.restart();
    const after = await beside.with(protocol, async (a, b) => {
      const found = (await dataDiffer(a, b)) ?? (await answersDiffer(a, b, third ?? []));
      ours.save();
      return found ?? (await answersDiffer(a, b, last ?? []));
    });
    if (after !== null) return `after the restart: ${after}`;
    await ours.restart();
    const end = await beside.with(protocol, dataDiffer);
    return end === null ? null : `after the second restart: ${end}`;
  }

  it('answers as it does, and has the same after a restart', { timeout: PATIENCE_MS }, async () => {
    console.log(`SHOAL_REDIS_SEED=${SEED} SHOAL_REDIS_RUNS=${RUNS}`);
    await fc.assert(
      fc.asyncProperty(lives, fc.constantFrom(2, 3), async (parts, protocol) => {
        const found = await difference(parts, protocol);
        if (found !== null) throw new Error(found);
      }),
      { seed: SEED, numRuns: RUNS_ON_DISK },
    );
    if (kind === 'leveldb') expect(ours.reads, 'messages came from disk').toBeGreaterThan(RUNS_ON_DISK);
  });
});
