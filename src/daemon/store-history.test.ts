import { expect, it } from 'vitest';
import { type Figures, StoreHistory } from './store-history.ts';

const figures = { commands: 0, keys: 1, usedBytes: 2, heldBytes: 3, diskBytes: 4, clients: 5, lagMs: 6 };

function sampled(samples: number, commands: (i: number) => number): StoreHistory {
  let now: Figures = figures;
  const history = new StoreHistory(() => now);
  const fromMs = performance.now();
  for (let i = 1; i <= samples; i++) {
    now = { ...figures, commands: commands(i), keys: i };
    history.sample(1000 * i, fromMs + 2000 * i);
  }
  return history;
}

it('tells rates of what counts up, lately and over a minute', () => {
  const history = sampled(40, (i) => (i <= 10 ? 0 : (i - 10) * 400));
  expect(history.rates()).toEqual({ second: 200, minute: 200 });
  expect(sampled(15, (i) => (i <= 10 ? 0 : (i - 10) * 600)).rates()).toEqual({ second: 300, minute: 100 });
  expect(history.since(0).commandsPerSecond.slice(8, 12)).toEqual([0, 0, 200, 200]);
});

it('keeps ten minutes, and gives what came after a time, or all when that time is not there yet', () => {
  const history = sampled(350, () => 0);
  const { atMs, keys, clients } = history.since(0);
  expect([atMs.length, atMs[0], atMs.at(-1)]).toEqual([300, 51_000, 350_000]);
  expect(keys).toEqual(atMs.map((at) => at / 1000));
  expect(clients).toEqual(atMs.map(() => 5));
  expect(history.since(348_000)).toMatchObject({ atMs: [349_000, 350_000], keys: [349, 350] });
  expect(history.since(350_000).atMs).toEqual([]);
  expect(history.since(999_000).atMs).toHaveLength(300);
});

it('a count that is set back is no rate below zero', () => {
  const history = sampled(3, (i) => (i === 2 ? 1000 : 10));
  expect(history.since(0).commandsPerSecond).toEqual([5, 495, 0]);
});
