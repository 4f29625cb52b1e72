import { expect, it } from 'vitest';
import { Stamps, TILES } from './stamps.ts';

const TILE = 7;

/** Stamps made at these times: the clock as milliseconds and counter, and the dot as one number. */
function made(stamps: Stamps, times: readonly number[]): { ms: number; count: number; dot: string }[] {
  const words = new Int32Array(4);
  return times.map((nowMs) => {
    stamps.write(words, 0, TILE, nowMs);
    const [low, high, counter, actor] = [...words].map((word) => word >>> 0) as [
      number,
      number,
      number,
      number,
    ];
    return {
      ms: high * 65_536 + (low >>> 16),
      count: low & 0xffff,
      dot: `${actor >>> 16}/${(actor & 0xffff) * 2 ** 32 + counter}`,
    };
  });
}

it('makes clocks that never go back, and stay as near to the wall clock as they can, when that is set back', () => {
  const stamps = made(new Stamps(1), [1_000_000, 1_000_000, 999_000, 5, 1_000_001, 2 ** 41]);
  expect(stamps.map(({ ms, count }) => [ms, count])).toEqual([
    [1_000_000, 0],
    [1_000_000, 1],
    [1_000_000, 2],
    [1_000_000, 3],
    [1_000_001, 0],
    [2 ** 41, 0],
  ]);
});

it('goes a millisecond ahead when more versions than a counter has are made within one', () => {
  const stamps = made(new Stamps(1), new Array(65_537).fill(1000));
  expect(stamps.at(-2)).toMatchObject({ ms: 1000, count: 65_535 });
  expect(stamps.at(-1)).toMatchObject({ ms: 1001, count: 0 });
});

it('goes on above the counters and the clock of before, and uses no dot twice', () => {
  const first = new Stamps(1);
  const before = made(first, [5000, 5000]);
  const second = new Stamps(1);
  const leases = new Float64Array(TILES).fill(2 ** 33);
  second.resume(leases, (5000 % 65_536) << 16, 0);
  const after = made(second, [10, 10]);
  expect(after.map(({ ms }) => ms)).toEqual([5001, 5001]);
  expect(after.map(({ dot }) => dot)).toEqual([`1/${2 ** 33 + 1}`, `1/${2 ** 33 + 2}`]);
  expect(before.map(({ dot }) => dot)).toEqual(['1/1', '1/2']);
});
