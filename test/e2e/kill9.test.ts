import { expect, it } from 'vitest';
import { killAgain } from '../bench/kill9.ts';

/** A machine that runs other tests as well is slower than what `npm run bench -- kill9` measures. */
const REJOIN_MS = 60_000;

it('loses no acknowledged change and uses no dot twice when it is killed at random moments under load', async () => {
  const outcome = await killAgain(15, 3, () => {});
  expect(outcome.reused).toEqual([]);
  expect(outcome.lost).toEqual([]);
  expect(outcome.refused).toEqual([]);
  expect(outcome.unreadable).toBe(0);
  expect(Math.max(...outcome.rejoinMs)).toBeLessThan(REJOIN_MS);
  // It was under load, and it was cut off in the middle of it.
  expect(outcome.kills).toBeGreaterThanOrEqual(15);
  expect(outcome.acknowledged).toBeGreaterThan(100);
  expect(outcome.cutOff).toBeGreaterThan(15);
  expect(outcome.dots).toBeGreaterThan(100);
});
