import { expect, it } from 'vitest';
import { CapacityTeller } from './store-capacity.ts';

const MINUTE = 60_000;

/** What is told of these fill levels, looked at once a minute. */
function told(...levels: readonly number[]): number[] {
  const said: number[] = [];
  let now = levels[0] ?? 0;
  const teller = new CapacityTeller(
    () => ({ storeMb: 500, storePercent: now }),
    ({ storePercent = -1 }) => said.push(storePercent),
  );
  levels.forEach((level, i) => {
    now = level;
    teller.look(i * MINUTE);
  });
  return said;
}

it('tells what has moved by five percent, and nothing of what goes to and fro', () => {
  expect(told(10, 14, 15, 14, 11, 12, 10, 20)).toEqual([15, 10, 20]);
  expect(told(40, 41, 42, 43, 44)).toEqual([]);
});

it('tells that it is full or empty, once', () => {
  expect(told(97, 99, 100, 100, 100, 99, 98)).toEqual([100]);
  expect(told(3, 0, 0, 1)).toEqual([0]);
});

it('tells once a minute at most, and then the newest', () => {
  const said: number[] = [];
  let percent = 0;
  const teller = new CapacityTeller(
    () => ({ storePercent: percent }),
    ({ storePercent = -1 }) => said.push(storePercent),
  );
  for (let second = 0; second <= 120; second += 10) {
    percent = second / 2 + 10;
    teller.look(second * 1000);
  }
  expect(said).toEqual([10, 40, 70]);
});
