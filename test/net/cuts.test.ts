import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cut, split } from '../chaos/network.ts';
import { Trial } from '../chaos/trial.ts';
import { canRun } from './bed.ts';

const ONE = ['a1', 'a2', 'b1'];
const CUT_MS = 15_000;
const FLAP_MS = 3_000;
const FLAPPING_MS = 30_000;

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/**
 * Eight sealed agents with 50 changes a second at all of them, and one kind of cut in each test. After it, what `Trial`
 * demands: within 15 s all agree, nothing acknowledged is lost, nothing released is back. `npm run chaos -- --flap 3` is
 * the long run of the last one.
 */
describe.skipIf(!canRun())('cuts while changes are made on both sides', () => {
  let trial: Trial;
  let other: string[];
  let seed: number;

  beforeAll(async () => {
    seed = Math.floor(Math.random() * 1e9);
    trial = await Trial.start({ seed, nodes: 8, changesPerSecond: 50, rangesPerNode: 24, say: () => {} });
    other = trial.fleet.boards.map(({ name }) => name).filter((name) => !ONE.includes(name));
  });

  afterAll(async () => {
    try {
      await trial?.stop();
      expect(trial?.violations).toEqual([]);
    } finally {
      await trial?.close(false);
    }
  });

  const made = (names: readonly string[]): number =>
    names.reduce((sum, name) => sum + (trial.ledger.acknowledgedBy[trial.fleet.board(name).index] ?? 0), 0);

  /** Changes go on before, meanwhile and until all is healed. */
  async function under(what: string, cut: () => Promise<void>): Promise<void> {
    trial.calm = false;
    trial.networkSound = false;
    const before = { ...trial.ledger.decided, one: made(ONE), other: made(other) };
    trial.workload.start();
    await cut();
    await trial.settle(what);
    expect(trial.violations, `seed ${seed}`).toEqual([]);
    expect(made(ONE) - before.one).toBeGreaterThan(30);
    expect(made(other) - before.other).toBeGreaterThan(30);
    expect(trial.ledger.decided.must).toBeGreaterThan(before.must + 10);
    expect(trial.ledger.decided.mustNot).toBeGreaterThan(before.mustNot + 10);
  }

  async function cutFor(cuts: readonly Cut[], ms: number): Promise<void> {
    const heal = await trial.network.cut(cuts);
    await pause(ms);
    await heal();
  }

  test('three and five apart: 15 s after healing all agree, nothing is lost, nothing is back', async () => {
    await under('the split', () => cutFor(split(ONE, other), CUT_MS));
    // They had taken each other for dead.
    expect(trial.verdicts.down).toBeGreaterThanOrEqual(ONE.length * other.length);
  });

  test('three hear five, and five do not hear three: 15 s after healing all agree, nothing is lost, nothing is back', async () => {
    const oneway = ONE.flatMap((from) => other.map((to) => ({ from, to })));
    await under('the one-way cut', () => cutFor(oneway, CUT_MS));
  });

  test('three and five apart and together again every 3 s: 15 s after it all agree, nothing is lost, nothing is back', async () => {
    await under('the flapping', async () => {
      const endMs = performance.now() + FLAPPING_MS;
      while (performance.now() < endMs) {
        await cutFor(split(ONE, other), FLAP_MS);
        await pause(FLAP_MS);
      }
    });
  });
});
